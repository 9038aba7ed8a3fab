"""The way to a guest's ssh server: QEMU tells the port, the user's own ssh client takes the command as it is meant."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from msgport_vm.machine import MachineError
from msgport_vm.qemu import QemuMachine
from msgport_vm.qemu_accelerator import Accelerator
from msgport_vm.qemu_network import KNOWN_HOSTS, forwarded_port, network_arguments, ssh_command
from msgport_vm.qemu_options import QemuOptions, lay_out, read_files
from msgport_vm.qemu_process import Program, QemuProcess
from msgport_vm.scratch import Scratch

QEMU = "qemu-system-x86_64"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    if shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed")
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, *arguments: str) -> QemuProcess:
    """A QEMU whose guest never runs."""
    process = QemuProcess(Program(QEMU), ["-machine", "q35,accel=tcg", "-S", *arguments])
    stack.callback(process.end)
    return process


@pytest.mark.parametrize("bus", ["ahci", "virtio"])
def test_each_machine_has_a_port_of_its_own_which_qemu_tells(stack: ExitStack, bus: str) -> None:
    ports = [forwarded_port(start(stack, *network_arguments(bus)).control) for _ in range(2)]
    assert len(set(ports)) == 2 and all(1024 <= port < 65536 for port in ports)


def test_a_machine_without_a_network_has_no_such_port(stack: ExitStack) -> None:
    with pytest.raises(MachineError, match="does not tell which port it forwards"):
        forwarded_port(start(stack, "-nic", "none").control)


def test_the_ssh_client_pins_the_key_it_sees_first_in_the_machines_own_file(tmp_path: Path) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("no ssh client here (Debian: apt install openssh-client)")
    command = ssh_command(2222, tmp_path / "a folder" / "known_hosts")
    said = subprocess.run([*command[:1], "-G", *command[1:]], capture_output=True, text=True, check=True).stdout
    taken = dict(line.split(" ", 1) for line in said.splitlines())
    assert {name: taken[name] for name in ("user", "hostname", "port", "hostkeyalias", "stricthostkeychecking")} == {
        "user": "root",
        "hostname": "127.0.0.1",
        "port": "2222",
        "hostkeyalias": "msgport-guest",
        "stricthostkeychecking": "accept-new",
    }
    assert taken["userknownhostsfile"] == str(tmp_path / "a folder" / "known_hosts")


def test_a_machine_booted_anew_knows_no_host_key_of_one_that_did_not_wake(stack: ExitStack, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(4096))
    machine = stack.enter_context(QemuMachine(QemuOptions(image=image, network=True), tmp_path, cache=tmp_path))
    machine._program, machine._scratch = Program(QEMU), Scratch(tmp_path / "runs")
    machine._layout = lay_out(machine.options, read_files(machine.options), Accelerator("tcg"))
    known = machine._scratch.path / KNOWN_HOSTS
    known.write_text("msgport-guest ssh-ed25519 AAAA\n")
    machine._make_overlays()
    assert known.read_bytes() == b""
