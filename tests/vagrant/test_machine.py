"""The vagrant machine: a stand-in for vagrant whose guest is the loopback machine of tests/ssh."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from msgport.cli import main
from msgport_vm import vagrant
from msgport_vm.machine import EventKind, MachineError, UnloadRefusedError
from msgport_vm.qemu_accelerator import Accelerator
from msgport_vm.qemu_process import Program
from msgport_vm.vagrant import SNAPSHOT, VagrantMachine
from tests.processes import is_gone
from tests.ssh.host import IMPATIENT, Host, make_key, start_host, write_module
from tests.vagrant.project import PROGRAM, write_project

SAYS_HELLO = 'if (type == MOD_LOAD) kprintf("hello\\n");'
PANICS = 'if (type == MOD_LOAD) panic("port %p cannot be waited on", mod);'
STAYS = "if (type == MOD_UNLOAD) return (16);"
MakeMachine = Callable[..., VagrantMachine]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = start_host(tmp_path / "host")
    yield host
    host.stop()


@pytest.fixture
def folder(host: Host, tmp_path: Path) -> Path:
    return write_project(host, tmp_path / "project")


@pytest.fixture(autouse=True)
def accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs a guest here was tried before."""
    monkeypatch.delenv("MSGPORT_ACCEL", raising=False)
    monkeypatch.setattr(vagrant, "choose", lambda *_: Accelerator("tcg", "kvm: opens, but a guest hangs in it"))
    monkeypatch.setattr(vagrant, "Program", lambda name: name)


@pytest.fixture
def machine_of(folder: Path) -> Iterator[MakeMachine]:
    machines: list[VagrantMachine] = []

    def make(**options: object) -> VagrantMachine:
        choices: dict[str, object] = {"program": str(PROGRAM), "patience": IMPATIENT}
        machines.append(VagrantMachine(folder, **(choices | options)))  # type: ignore[arg-type]
        return machines[-1]

    yield make
    for machine in machines:
        machine.close()


def test_the_users_own_choice_of_accelerator_wins_and_without_qemu_the_vagrantfile_chooses(
    machine_of: MakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_qemu(name: str) -> Program:
        raise MachineError(f"{name} is not there")

    lines: list[str] = []
    monkeypatch.setattr(vagrant, "Program", no_qemu)
    with machine_of(log=lines.append) as machine:
        machine.boot()
    monkeypatch.setenv("MSGPORT_ACCEL", "kvm")
    with machine_of(log=lines.append) as machine:
        machine.boot()
    assert [line.rpartition(" ")[2] for line in lines if " accel " in line] == ["unset", "kvm"]


def calls(folder: Path) -> list[str]:
    """What vagrant was told to do, questions left out."""
    asked = ("status --machine-readable", "ssh-config")
    return [line for line in (folder / "calls").read_text().splitlines() if line not in asked]


def load(machine: VagrantMachine, module: Path) -> tuple[str, EventKind]:
    *said, end = machine.load(module, {"test.n": 1}, 10)
    return "".join(event.text for event in said), end.kind


def test_a_guest_is_brought_up_saved_used_and_halted(
    host: Host, folder: Path, machine_of: MakeMachine, tmp_path: Path
) -> None:
    lines: list[str] = []
    machine = machine_of(cpus=3, memory=512, provider="fake", log=lines.append)
    facts = machine.boot()
    assert (facts.target, facts.dragonfly, facts.expendable) == ("vagrant", True, True)
    assert facts.extra["provider"] == "fake" and facts.extra["snapshots"] == "yes"
    assert facts.host_cores == os.cpu_count()
    assert "cpus 3 memory 512 accel tcg" in lines
    assert "accelerator tcg: kvm: opens, but a guest hangs in it" in lines
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    assert load(machine, module) == ("hello\n", EventKind.LOADED)
    list(machine.unload(module))
    machine.close()
    machine.close()
    assert calls(folder) == ["up --provider fake", f"snapshot save --force {SNAPSHOT}", "halt"]
    assert host.modules == set() and host.tunables == set() and machine.left_behind == ()


def test_a_guest_that_was_up_stays_up(folder: Path, machine_of: MakeMachine) -> None:
    first = machine_of(keep=True)
    first.boot()
    first.close()
    second = machine_of()
    second.boot()
    second.close()
    assert calls(folder) == ["up", *[f"snapshot save --force {SNAPSHOT}"] * 2]


def test_the_guests_key_is_pinned_per_guest(host: Host, folder: Path, machine_of: MakeMachine) -> None:
    machine = machine_of(keep=True)
    machine.boot()
    machine.close()
    (host.state / "host_key").unlink()
    make_key(host.state / "host_key")
    host.drop_connections()
    with pytest.raises(MachineError, match="another host key than before"):
        machine_of().boot()
    # Destroyed and made anew, it is another guest.
    (folder / ".vagrant/machines/default/fake/id").write_text("guest-2\n")
    machine_of().boot()


def test_a_panic_is_survived_by_restoring_the_guest(folder: Path, machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of()
    machine.boot()
    text, kind = load(machine, machine.build(write_module(tmp_path / "m", PANICS)))
    assert kind is EventKind.PANICKED and "cannot be waited on" in text
    machine.restart()
    assert calls(folder)[-1] == f"snapshot restore --no-provision {SNAPSHOT}"
    good = machine.build(write_module(tmp_path / "good", SAYS_HELLO, "good"))
    assert load(machine, good) == ("hello\n", EventKind.LOADED)


def test_a_guest_in_its_debugger_is_read_from_the_serial_log_and_restored(
    host: Host, folder: Path, machine_of: MakeMachine, tmp_path: Path
) -> None:
    (folder / ".vagrant").mkdir()
    (folder / ".vagrant" / "serial.log").symlink_to(host.state / "msgbuf")
    # A kernel that goes to its debugger whatever it is told.
    host.program("panic", "echo 'Stopped at Debugger+0x7c' >>\"$STATE/msgbuf\"; exec >/dev/null 2>&1; power-off")
    machine = machine_of()
    machine.boot()
    text, kind = load(machine, machine.build(write_module(tmp_path / "m", PANICS)))
    assert kind is EventKind.PANICKED and "cannot be waited on" in text and "Stopped at" in text
    machine.restart()
    good = machine.build(write_module(tmp_path / "good", SAYS_HELLO, "good"))
    assert load(machine, good) == ("hello\n", EventKind.LOADED)


def test_a_serial_log_that_is_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "serial.log"
    read = vagrant._SerialLog(log)
    log.write_text("booting\r\nlogin: ")
    assert (read(), read()) == ("booting\nlogin: ", "")
    log.unlink()
    assert read() == ""
    log.write_text("panic: x\r\n")
    assert read() == "panic: x\n"


def test_without_snapshots_a_stuck_module_is_rebooted_away(
    host: Host, folder: Path, machine_of: MakeMachine, tmp_path: Path
) -> None:
    (folder / "no-snapshots").touch()
    machine = machine_of()
    assert machine.boot().extra["snapshots"].startswith("no")
    module = machine.build(write_module(tmp_path / "m", STAYS))
    load(machine, module)
    with pytest.raises(UnloadRefusedError):
        list(machine.unload(module))
    machine.restart()
    assert host.modules == set() and "reload --no-provision" not in calls(folder)
    assert load(machine, module)[1] is EventKind.LOADED


def test_without_snapshots_a_guest_that_does_not_come_back_is_reloaded(
    host: Host, folder: Path, machine_of: MakeMachine, tmp_path: Path
) -> None:
    (folder / "no-snapshots").touch()
    host.program("panic", "exec >/dev/null 2>&1; power-off")
    machine = machine_of(patience=replace(IMPATIENT, comeback=0.5))
    machine.boot()
    assert load(machine, machine.build(write_module(tmp_path / "m", PANICS)))[1] is EventKind.DIED
    machine._patience = IMPATIENT
    machine.restart()
    assert calls(folder)[-1] == "reload --no-provision"
    good = machine.build(write_module(tmp_path / "good", SAYS_HELLO, "good"))
    assert load(machine, good) == ("hello\n", EventKind.LOADED)


def test_a_guest_that_does_not_halt_is_forced_and_then_told(folder: Path, machine_of: MakeMachine) -> None:
    (folder / "stuck-1").touch()
    first = machine_of()
    first.boot()
    first.close()
    assert calls(folder)[-2:] == ["halt", "halt --force"] and first.left_behind == ()
    (folder / "stuck-2").touch()
    second = machine_of()
    second.boot()
    second.close()
    (left,) = second.left_behind
    assert left.endswith("vagrant halt --force")


def test_no_vagrant_and_no_vagrantfile_are_told(folder: Path, machine_of: MakeMachine, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"is not found\. Install it"):
        machine_of(program="no-such-vagrant").boot()
    (folder / "Vagrantfile").unlink()
    with pytest.raises(MachineError, match="no Vagrantfile in"):
        machine_of().boot()


def test_a_failing_command_of_vagrant_is_shown(folder: Path, machine_of: MakeMachine, tmp_path: Path) -> None:
    program = tmp_path / "vagrant"
    program.write_text("#!/bin/sh\n[ $1 = status ] && exit 0\necho 'The box could not be found.'; exit 1\n")
    program.chmod(0o755)
    with pytest.raises(MachineError, match=r"`vagrant up` failed \(exit status 1\):\nThe box could not be found"):
        machine_of(program=str(program)).boot()


def test_a_boot_that_never_ends_is_given_up_with_its_children(
    folder: Path, machine_of: MakeMachine, tmp_path: Path
) -> None:
    program = tmp_path / "vagrant"
    program.write_text("#!/bin/sh\n[ $1 = up ] || exit 0\nsleep 60 & echo $! >child; echo booting; wait\n")
    program.chmod(0o755)
    with pytest.raises(MachineError, match=r"`vagrant up` did not end within 1 s") as caught:
        machine_of(program=str(program), up_timeout=1.0).boot()
    assert caught.value.screen == "booting\n"
    child = int((folder / "child").read_text())
    assert is_gone(child)


def test_a_guest_that_is_not_there_is_told(folder: Path, machine_of: MakeMachine) -> None:
    (folder / "ssh-config").write_text("")
    with pytest.raises(MachineError, match="tells of 0 guests"):
        machine_of().boot()
    (folder / "ssh-config").write_text("Host default\n  Port 22\n")
    with pytest.raises(MachineError, match="does not tell where the guest is: 'user'"):
        machine_of().boot()


def test_the_machine_must_be_booted_first(machine_of: MakeMachine, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"boot\(\) it first"):
        machine_of().build(tmp_path)


def test_a_person_starts_looks_at_and_halts_the_guest(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{Path(__file__).parent}{os.pathsep}{os.environ['PATH']}")
    vm = ("--target", "vagrant")
    assert main(["vm", "status", *vm]) == 3
    assert main(["vm", "boot", *vm]) == 0
    assert "is up, with" in capsys.readouterr().out
    assert main(["vm", "status", *vm, "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["up"], said["state"], said["folder"]) == (True, "running", str(folder))
    assert main(["vm", "console", *vm]) == 2
    assert "serial.log" in capsys.readouterr().err
    assert main(["vm", "stop", *vm]) == 0
    assert main(["vm", "status", *vm]) == 3
    assert "up" in calls(folder) and "halt" in calls(folder)
