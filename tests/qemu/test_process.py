"""A real QEMU is started, asked, and ended; and it never outlives the harness."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from msgport_vm.machine import MachineError, UnusableFileError
from msgport_vm.qemu_accelerator import EMULATED, boot_sector, choose, runs
from msgport_vm.qemu_process import Program, QemuProcess, create_overlay, image_files, image_size
from msgport_vm.qmp import Monitor, RefusedError
from tests.processes import PATIENCE, is_gone, is_there

QEMU = "qemu-system-x86_64"
needs_qemu = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed")

HARNESS = """
import sys
from msgport_vm.qemu_process import Program, QemuProcess
print(QemuProcess(Program(sys.argv[1]), ["-machine", "none"]).pid, flush=True)
sys.stdin.read()
"""

SLOW_TO_DIE = """\
#!{python}
import os, re, sys, time
for line in re.findall(r"fd=(\\d+)", " ".join(sys.argv)):
    os.close(int(line))
time.sleep(0.3)
os.write(2, b"out of something")
sys.exit(3)
"""


@needs_qemu
def test_qemu_ends_when_the_harness_is_killed() -> None:
    command = [sys.executable, "-c", HARNESS, QEMU]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        pid = int(harness.stdout.readline())
        assert is_there(pid)
        harness.kill()
    assert is_gone(pid)


@needs_qemu
def test_qemu_is_ended_with_its_watcher() -> None:
    process = QemuProcess(Program(QEMU), ["-machine", "none"])
    assert process.running
    assert process.end().startswith("ended by the harness")
    assert is_gone(process.pid)
    process.end()


@needs_qemu
def test_a_qemu_that_died_is_told_with_its_signal() -> None:
    process = QemuProcess(Program(QEMU), ["-machine", "none"])
    os.kill(process.pid, signal.SIGKILL)
    while process.running:
        time.sleep(0.01)
    assert process.end() == "killed by signal 9"


def test_a_qemu_that_takes_its_time_to_die_has_ended_by_itself(tmp_path: Path) -> None:
    slow = tmp_path / "qemu"
    slow.write_text(SLOW_TO_DIE.format(python=sys.executable))
    slow.chmod(0o755)
    with pytest.raises(MachineError, match=r"QEMU does not start \(exit status 3\nout of something\)"):
        QemuProcess(Program(str(slow)), [])


@needs_qemu
def test_what_qemu_complains_of_is_in_the_error() -> None:
    with pytest.raises(MachineError, match="unsupported machine type"):
        QemuProcess(Program(QEMU), ["-machine", "nonesuch"])


@needs_qemu
def test_a_refusal_is_told_from_an_answer() -> None:
    process = QemuProcess(Program(QEMU), ["-machine", "none"])
    try:
        assert process.control.execute("query-status")["running"] is True
        with pytest.raises(RefusedError, match="nonesuch"):
            process.control.execute("nonesuch")
        with pytest.raises(RefusedError, match="loadvm"):
            process.control.human("loadvm nothing")
    finally:
        process.end()


@needs_qemu
def test_overlays_are_made_without_other_tools(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(3 << 20))
    process = QemuProcess(Program(QEMU), ["-machine", "none"])
    try:
        size = image_size(process.control, image, "raw")
        create_overlay(process.control, tmp_path / "overlay", image, "raw", size)
        assert size == 3 << 20
        assert image_size(process.control, tmp_path / "overlay", "qcow2") == size
        with pytest.raises(MachineError):
            create_overlay(process.control, tmp_path / "none", tmp_path / "gone", "nonesuch", size)
    finally:
        process.end()


@needs_qemu
def test_an_image_is_known_by_all_files_that_it_is_made_of(tmp_path: Path) -> None:
    base, middle, top = (tmp_path / name for name in ("base", "middle", "top"))
    base.write_bytes(bytes(1 << 20))
    process = QemuProcess(Program(QEMU), ["-machine", "none"])
    try:
        create_overlay(process.control, middle, base, "raw", 1 << 20)
        create_overlay(process.control, top, Path("middle"), "qcow2", 1 << 20)
    finally:
        process.end()
    assert image_files(Program(QEMU), top, "qcow2") == (str(top), str(middle), str(base))
    base.unlink()
    with pytest.raises(UnusableFileError, match=rf"the image {top} cannot be used: .*{base}.*No such file"):
        image_files(Program(QEMU), top, "qcow2")


@needs_qemu
def test_what_qemu_can_be_is_known() -> None:
    program = Program(QEMU)
    assert {"pc", "q35", "none"} <= set(program.machines) and EMULATED in program.accelerators


def test_a_qemu_that_says_nothing_is_not_waited_for_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "qemu"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr("msgport_vm.qemu_process.SAY_TIMEOUT", 0.1)
    with pytest.raises(MachineError, match=r"qemu --version` does not end within 0\.1 s"):
        _ = Program(str(program)).version


def test_an_overlay_that_is_never_made_is_not_waited_for_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy:
        def execute(self, command: str, **_: object) -> object:
            return [{"status": "running"}]

    monkeypatch.setattr("msgport_vm.qemu_process.JOB_TIMEOUT", 0.05)
    with pytest.raises(MachineError, match=r"does not make .*overlay within 0\.05 s"):
        create_overlay(cast(Monitor, Busy()), tmp_path / "overlay", None, "", 1)


def test_a_qemu_that_is_not_installed_is_told_with_the_command_that_installs_it() -> None:
    with pytest.raises(MachineError, match="apt install qemu-system-x86"):
        Program("no-such-qemu")


@needs_qemu
def test_the_boot_sector_runs_under_emulation(tmp_path: Path) -> None:
    assert len(boot_sector()) == 512
    assert runs(Program(QEMU), EMULATED, tmp_path, patience=30.0) == ""


def fake_qemu(folder: Path, run: str) -> Program:
    """A program that has KVM, and does ``run`` when it is to boot something."""
    program = folder / "qemu"
    program.write_text(
        f"""#!/bin/sh
case "$1$2" in
--version) echo QEMU 9 ;;
-accelhelp) printf "tcg\\nkvm\\n" ;;
*) {run} ;;
esac
"""
    )
    program.chmod(0o755)
    return Program(str(program))


def test_an_accelerator_in_which_guests_hang_is_not_chosen(tmp_path: Path) -> None:
    program = fake_qemu(tmp_path, "exec sleep 60")
    assert "hangs" in runs(program, "kvm", tmp_path, patience=0.2)


def test_an_accelerator_that_does_not_open_is_passed_over_once_and_the_reason_kept(tmp_path: Path) -> None:
    told: list[str] = []

    def note(text: str) -> None:
        assert not (tmp_path / "tries").exists(), "told before it is tried"
        told.append(text)

    program = fake_qemu(tmp_path, 'echo x >> "${0%/*}/tries"; echo "Could not access KVM" >&2; exit 1')
    for _ in range(2):
        found = choose(program, "auto", tmp_path / "cache", note)
        assert (found.name, found.note) == (EMULATED, "kvm: Could not access KVM")
    assert (tmp_path / "tries").read_text() == "x\n"
    assert told == ["trying whether kvm runs a guest here: 3 s at most, once; the answer is kept"]
    with pytest.raises(MachineError, match="Could not access KVM"):
        choose(program, "kvm", tmp_path / "cache", told.append)


def test_a_guest_that_ends_without_a_word_is_no_success(tmp_path: Path) -> None:
    assert runs(fake_qemu(tmp_path, "exit 0"), "kvm", tmp_path) == "exit status 0"


PROBING = """
import sys
from pathlib import Path
from msgport_vm.qemu_accelerator import runs
from msgport_vm.qemu_process import Program
runs(Program(sys.argv[1]), "kvm", Path(sys.argv[2]), patience=600.0)
"""


def test_a_harness_killed_while_it_tries_an_accelerator_leaves_no_process_and_its_folder_to_the_next(
    tmp_path: Path,
) -> None:
    program = fake_qemu(tmp_path, 'echo $$ > "${0%/*}/new"; mv "${0%/*}/new" "${0%/*}/pid"; exec sleep 600')
    with subprocess.Popen([sys.executable, "-c", PROBING, program.path, str(tmp_path)]) as harness:
        end = time.monotonic() + PATIENCE
        while not (tmp_path / "pid").exists() and time.monotonic() < end:
            time.sleep(0.01)
        pid = int((tmp_path / "pid").read_text())
        harness.kill()
    assert is_gone(pid)
    assert list((tmp_path / "probes").glob("run-*"))
    assert "hangs" in runs(program, "kvm", tmp_path, patience=0.2)
    assert not list((tmp_path / "probes").glob("run-*"))
