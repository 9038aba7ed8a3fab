"""What befalls the host while a guest runs: a disk without room is told as that, files that went are made anew."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from msgport_vm.machine import Event, EventKind, MachineError

from .conftest import Bench, standin_in_qemu

MakeDisk = Callable[[int], Path]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[MakeDisk]:
    """Makes a folder on a disk of its own, of so many MiB."""
    folder = tmp_path / "small"
    folder.mkdir()

    def mount(size: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "none", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"to mount a small disk takes root: {done.stderr.strip()}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_without_room_for_the_saved_machine_is_told_with_the_files_name(
    tmp_path: Path, small_disk: MakeDisk
) -> None:
    # The modules' CD takes 32 of these.
    cache = small_disk(48)
    with ExitStack() as stack:
        machine = standin_in_qemu(stack, tmp_path, cache=cache)
        with pytest.raises(
            MachineError, match=rf"cannot be saved in {cache}\S+/state\.qcow2, whose disk has \d+ MiB free"
        ):
            machine.boot()
    assert not list(cache.rglob("run-*")) and not list(cache.rglob("state.json"))


def test_a_disk_without_room_for_what_the_guest_writes_is_told(tmp_path: Path, small_disk: MakeDisk) -> None:
    pytest.importorskip("qemu.qmp", reason="needs the extra vm: pip install 'msgport[vm]'")
    from msgport_vm.qemu_process import Program, QemuProcess, create_overlay

    disk = small_disk(8) / "disk.qcow2"
    maker = QemuProcess(Program("qemu-system-x86_64"), ["-machine", "none"])
    create_overlay(maker.control, disk, None, "", 64 << 20)
    maker.end()
    drive = ("-drive", f"if=none,id=small,file={disk},format=qcow2", "-device", "virtio-blk-pci,drive=small")
    with ExitStack() as stack:
        machine = standin_in_qemu(stack, tmp_path, arguments=drive)
        machine.boot()
        ends: list[object] = []

        def fill() -> Iterator[Event]:
            ends.append((yield from machine._command("dd if=/dev/urandom of=/dev/vbd0 bs=1M count=32; sync", 60.0)))

        list(fill())
    (ended,) = ends
    assert isinstance(ended, Event) and ended.kind is EventKind.DIED
    assert ended.text.startswith("QEMU could not write for it: ") and "is the host's disk full?" in ended.text


def test_a_machine_whose_saved_state_has_gone_comes_back_from_power_on(tmp_path: Path) -> None:
    with ExitStack() as stack:
        machine = standin_in_qemu(stack, tmp_path)
        bench = Bench("qemu", machine, machine.boot(), tmp_path)
        states = tmp_path / "cache" / "qemu" / "states"
        shutil.rmtree(states)
        os.kill(machine._guest._process.pid, signal.SIGKILL)
        machine.restart()
        assert bench.load("other").end.kind is EventKind.LOADED
        assert list(states.glob("*/state.json"))
