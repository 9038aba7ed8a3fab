"""A guest with a network, which cannot mount a CD: root logs in, and modules come by sftp. From one boot."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from msgport_vm.machine import Event, EventKind, MachineError

from .conftest import BOOT_LIMIT, Bench, run_generated, standin

if TYPE_CHECKING:
    from msgport_vm.qemu import QemuMachine

MSGPORT = (sys.executable, "-c", "from msgport.cli import main; raise SystemExit(main())")
SHAPE = ("--bus", "virtio", "--machine-type", "pc", "--accel", "tcg", "--memory", "256", "--cpus", "2", "--network")
"""What ``Place.machine`` asks for, as the command line says it: both go on from one saved state."""


class Place:
    """A folder with the guest's image and a cache, and an ssh agent that holds the key to its door."""

    def __init__(self, folder: Path) -> None:
        guest = standin()
        pytest.importorskip("paramiko", reason="needs the extra vm: pip install 'msgport[vm]'")
        from tests.ssh.host import make_key
        from tests.standin.image import Guest, build_image, write_sysdir

        assert isinstance(guest, Guest)
        self.folder = folder
        self.key = make_key(folder / "key")
        self.image = build_image(
            guest,
            folder / "standin.iso",
            authorized_key=self.key.with_suffix(".pub").read_text().strip(),
            environment={"standin.nologin": 1, "standin.nocd": 1},
        )
        self.sysdir = write_sysdir(folder / "sysdir")
        self.cache = folder / "cache"

    def machine(self) -> QemuMachine:
        """One like those that the command line makes."""
        from msgport_vm.qemu import QemuMachine
        from msgport_vm.qemu_options import QemuOptions

        options = QemuOptions(
            image=self.image, bus="virtio", machine="pc", accelerator="tcg", memory=256, cpus=2, network=True,
            boot_limit=BOOT_LIMIT,
        )  # fmt: skip
        return QemuMachine(options, self.sysdir, cache=self.cache)

    def vm(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """``msgport vm``, with what is typed to it."""
        return subprocess.run(
            [*MSGPORT, "vm", *arguments],
            env={**os.environ, "MSGPORT_CACHE": str(self.cache)},
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=BOOT_LIMIT,
        )

    def boot(self) -> None:
        """Have a machine up that stays."""
        done = self.vm("boot", "--image", str(self.image), "--sysdir", str(self.sysdir), *SHAPE)
        assert done.returncode == 0, done.stderr
        assert "msgport vm ssh" in done.stdout

    def status(self) -> dict[str, Any]:
        """What is told of the machine that is up."""
        told: dict[str, Any] = json.loads(self.vm("status", "--format", "json").stdout)
        return told


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if shutil.which("ssh-agent") is None:
        pytest.skip("no ssh client here (Debian: apt install openssh-client)")
    place = Place(tmp_path_factory.mktemp("network"))
    door = place.folder / "agent"
    with pytest.MonkeyPatch.context() as patch, subprocess.Popen(["ssh-agent", "-D", "-a", str(door)]) as agent:
        try:
            patch.setenv("SSH_AUTH_SOCK", str(door))
            deadline = time.monotonic() + 10
            while not door.exists():
                assert time.monotonic() < deadline and agent.poll() is None
                time.sleep(0.01)
            subprocess.run(["ssh-add", "-q", str(place.key)], check=True)
            yield place
        finally:
            agent.terminate()


@pytest.fixture(scope="module")
def booted(place: Place) -> Iterator[Bench]:
    with place.machine() as machine:
        yield Bench("qemu", machine, machine.boot(), place.folder)


def machine_of(bench: Bench) -> QemuMachine:
    from msgport_vm.qemu import QemuMachine

    assert isinstance(bench.machine, QemuMachine)
    return bench.machine


def do(bench: Bench, command: str) -> None:
    """Have the guest do something at its console that the next test shall not find."""
    bench.dirty = True
    machine = machine_of(bench)

    def work() -> Iterator[Event]:
        assert (yield from machine._need(command)) is None

    list(work())


def test_root_logs_in_over_the_network_and_a_changed_host_key_is_refused(place: Place) -> None:
    place.boot()
    try:
        up = place.status()
        known_hosts = Path(up["folder"]) / "known_hosts"
        # Pinned when it was first booted, not by the ssh client.
        pinned = known_hosts.read_text()
        assert pinned.startswith("msgport-guest ssh-ed25519 ")
        # The shell of a log-in without a terminal reads what it is to do.
        done = place.vm("ssh", typed="sysctl -n kern.ostype; ls -d /tmp/msgport; exit 7\n")
        assert (done.returncode, done.stdout) == (7, "standin\n")
        assert f"ssh port       {up['ssh_port']}\n" in place.vm("status").stdout
        assert known_hosts.read_text() == pinned

        known_hosts.write_text(f"msgport-guest {place.key.with_suffix('.pub').read_text()}")
        refused = place.vm("ssh", typed="exit 7\n")
        assert refused.returncode == 255 and "HOST IDENTIFICATION HAS CHANGED" in refused.stderr
    finally:
        place.vm("stop", "--now")


def test_modules_come_by_sftp_and_are_gone_when_others_come(bench: Bench, tmp_path: Path) -> None:
    assert bench.facts.extra["modules"] == "by sftp"
    assert "talk: value 4711\n" in bench.load("talk", contract_value=4711).text
    assert "other: hello\n" in bench.load("other").text
    do(bench, '[ "$(ls /tmp/msgport)" = other.ko ]')
    module, loading = run_generated(bench, "fifo-one-sender", tmp_path)
    assert loading.end.kind is EventKind.LOADED
    bench.unload_file(module)


def test_after_a_panic_the_machine_is_connected_to_anew_and_the_same_module_comes_again(bench: Bench) -> None:
    for value in (7, 8):
        loading = bench.load("panics", contract_value=value)
        assert (loading.end.kind, loading.end.text) == (EventKind.PANICKED, f"panic: deliberate panic {value}")
        bench.revive()
    assert "talk: value 3\n" in bench.load("talk", contract_value=3).text


def test_a_connection_that_was_cut_is_made_anew(bench: Bench) -> None:
    bench.load("talk")
    do(bench, "kill -9 $(pidof sftp-server dropbear); while pidof dropbear >/dev/null; do :; done")
    do(bench, "dropbear -s -r /etc/dropbear/host_key")
    assert "other: hello\n" in bench.load("other").text


def test_a_lost_ssh_server_costs_one_load_and_is_back_with_the_saved_state(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.module("other")
    do(bench, "killall dropbear")
    machine_of(bench)._way.forget()
    monkeypatch.setattr("msgport_vm.sftp.CONNECT_TIMEOUT", 1.0)
    loading = bench.load("other")
    assert loading.end.kind is EventKind.DIED and "its ssh server took no module: cannot reach" in loading.end.text
    monkeypatch.undo()
    bench.revive()
    assert "other: hello\n" in bench.load("other").text


def test_a_guest_that_no_module_gets_into_is_refused_with_both_ways_to_mend_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(bench, "killall dropbear")
    monkeypatch.setattr("msgport_vm.connection.CONNECT_TIMEOUT", 1.0)
    with pytest.raises(MachineError) as refused:
        machine_of(bench)._find_delivery(first=True)
    said = str(refused.value)
    assert "it has no mount_cd9660" in said and "ssh does not lead into it: cannot reach ssh://root@127.0.0.1" in said
    monkeypatch.setattr(machine_of(bench), "options", replace(machine_of(bench).options, network=False))
    with pytest.raises(MachineError, match=r"it has no mount_cd9660 .* it was booted without --network"):
        machine_of(bench)._find_delivery(first=True)
    assert "/sbin/mount_cd9660" in said and 'ifconfig_vtnet0="DHCP"' in said and "/root/.ssh/authorized_keys" in said


def test_the_key_of_a_guest_that_takes_cds_is_pinned_at_its_first_prompt(bench: Bench) -> None:
    machine = machine_of(bench)
    do(bench, "ln -s true /bin/mount_cd9660")
    known_hosts, before = machine._folder / "known_hosts", machine._way
    pinned = known_hosts.read_text()
    known_hosts.write_text("")
    machine._find_delivery(first=True)
    assert known_hosts.read_text() == pinned != "" and machine._way is before


def test_the_guest_reaches_nobody(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        port = listener.getsockname()[1]
        do(bench, "echo | busybox nc -w 1 127.0.0.1 22 >/dev/null")
        # In such a network this host is 10.0.2.2.
        do(bench, f"! echo | busybox nc -w 1 10.0.2.2 {port}")
        with pytest.raises(TimeoutError):
            listener.accept()


def test_machines_side_by_side_have_ports_of_their_own(bench: Bench, place: Place) -> None:
    from msgport_vm.qemu_network import forwarded_port

    with place.machine() as other:
        facts = other.boot()
        assert facts.extra["start"] == "saved state"
        assert forwarded_port(other._guest.monitor) != forwarded_port(machine_of(bench)._guest.monitor)
        assert "talk: value 5\n" in bench.load("talk", contract_value=5).text
        beside = Bench("qemu", other, facts, place.folder, built=dict(bench.built))
        assert "talk: value 6\n" in beside.load("talk", contract_value=6).text


def test_a_host_key_that_is_not_the_saved_machines_is_refused(place: Place, booted: Bench) -> None:
    (known_hosts,) = place.cache.glob("qemu/states/*/known_hosts")
    pinned = known_hosts.read_text()
    known_hosts.write_text(f"msgport-guest {place.key.with_suffix('.pub').read_text()}")
    try:
        with place.machine() as machine, pytest.raises(MachineError, match="shows another host key than before"):
            machine.boot()
    finally:
        known_hosts.write_text(pinned)
    assert list(place.cache.glob("qemu/states/*/known_hosts")) == [known_hosts]
