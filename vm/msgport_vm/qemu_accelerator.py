"""Which accelerator really runs a guest here. One that opens can still hang every guest, so each is tried.

What is tried is a boot sector that enters 64-bit mode, writes a few letters to the serial port and asks QEMU to end.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from msgport_vm.machine import MachineError, UnusableFileError
from msgport_vm.qemu_process import Program, Watcher
from msgport_vm.scratch import Scratch

NATIVE = ("kvm", "hvf", "nvmm", "whpx")
EMULATED = "tcg"
PATIENCE = 3.0
"""Seconds for the boot sector, which takes a tenth of that under emulation."""

SAID = b"msgport"
EXIT_PORT = 0xF4
EXIT_CODE = 0x15
BOOTED = EXIT_CODE << 1 | 1
"""QEMU's isa-debug-exit ends with this status when EXIT_CODE is written to its port."""

# Real mode alone proves too little: there are hosts whose KVM runs it, slowly, and hangs in the mode kernels use.
CODE = (
    "fa 31c0 8ed8 8ec0"  # cli; ds = es = 0
    "bf0010 6689fb 660fb7ff 6631c0 66b9000c0000 66f3ab"  # clear 0x1000 to 0x3fff
    "c70600100320 c70600200330 c606003083"  # page tables there: the first 2 MB, mapped to themselves
    "66b800100000 0f22d8 b020 660fb6c0 0f22e0"  # cr3 = 0x1000; cr4 = PAE
    "66b9800000c0 0f32 0d0001 0f30"  # EFER |= LME
    "0f0116a07c 66b811000080 0f22c0 ea607c0800"  # lgdt; cr0 = PG | PE; jump into 64-bit code
    "b9002d3101 ffc9 75fc"  # 20 million turns of a loop
    "488d3514000000 66baf803 b107 fc ac ee fec9 75fa"  # SAID to COM1
    "b015 e6f4 f4 ebfd"  # EXIT_CODE to EXIT_PORT; halt for ever
)
TABLES = (
    "6d7367706f7274 0f1f440000"  # SAID, and padding
    "0000000000000000 00000000009a2000 0f00 907c0000"  # GDT: null, 64-bit code; its limit and address
)


def boot_sector() -> bytes:
    """512 bytes of x86 code: into 64-bit mode, a loop, SAID to COM1, EXIT_CODE to EXIT_PORT."""
    return bytes.fromhex(CODE + TABLES).ljust(510, b"\0") + b"\x55\xaa"


@dataclass(frozen=True)
class Accelerator:
    """What QEMU is told with ``-accel``, and what was found out on the way to it (empty: the first choice works)."""

    name: str
    note: str = ""

    @property
    def argument(self) -> str:
        """QEMU's argument."""
        return "tcg,thread=multi" if self.name == EMULATED else self.name


def choose(program: Program, wanted: str, cache: Path, note: Callable[[str], None]) -> Accelerator:
    """Give the accelerator asked for, or the first that runs a guest when ``wanted`` is ``auto``.

    What was found out is kept in ``cache`` until the host or QEMU changes; ``note`` is told before it is, which takes
    some seconds where guests hang. Raises UnusableFileError when this QEMU has none of that name, MachineError when the
    one asked for does not run a guest.
    """
    if wanted == EMULATED:
        return Accelerator(EMULATED)
    if wanted not in ("auto", *program.accelerators):
        there = ", ".join(program.accelerators)
        raise UnusableFileError(f"{program.path} has no accelerator {wanted!r}; --accel takes auto, {there}")
    known = _key(program, wanted)
    kept = cache / "accelerator.json"
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found["key"] == known:
            return Accelerator(**found["accelerator"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not tried yet
    accelerator = _try(program, wanted, cache, note)
    cache.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"key": known, "accelerator": asdict(accelerator)}), encoding="utf-8")
    return accelerator


def _key(program: Program, wanted: str) -> list[str]:
    host = os.uname()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    device = str(os.access("/dev/kvm", os.R_OK | os.W_OK))
    return [program.path, program.version, host.nodename, host.release, boot, device, wanted]


def _try(program: Program, wanted: str, cache: Path, note: Callable[[str], None]) -> Accelerator:
    offered: Sequence[str] = [wanted] if wanted != "auto" else [n for n in NATIVE if n in program.accelerators]
    if offered:
        seconds = PATIENCE * len(offered)
        note(
            f"trying whether {' or '.join(offered)} runs a guest here: {seconds:g} s at most, once; the answer is kept"
        )
    reasons: list[str] = []
    for name in offered:
        reason = runs(program, name, cache)
        if not reason:
            return Accelerator(name, "; ".join(reasons))
        reasons.append(f"{name}: {reason}")
    if wanted != "auto":
        raise MachineError(f"QEMU's accelerator {'; '.join(reasons)}. Let it be found out (auto), or take tcg.")
    return Accelerator(EMULATED, "; ".join(reasons) or "this QEMU has none but tcg")


def runs(program: Program, name: str, cache: Path, patience: float = PATIENCE) -> str:
    """Boot the boot sector with an accelerator; say why it cannot be used, empty when it can.

    It is put into ``cache`` for that long. Raises MachineError when that cannot be written.
    """
    scratch = Scratch(cache / "probes")
    try:
        return _boot(program, name, scratch.path, patience)
    finally:
        scratch.remove()


def _boot(program: Program, name: str, folder: Path, patience: float) -> str:
    sector, console = folder / "sector", folder / "console"
    sector.write_bytes(boot_sector())
    command = [
        *(program.path, "-nodefaults", "-no-user-config", "-display", "none", "-accel", name, "-m", "16"),
        *("-serial", f"file:{console}", "-device", f"isa-debug-exit,iobase={EXIT_PORT:#x},iosize=4"),
        *("-drive", f"file={sector},format=raw,if=ide,snapshot=on"),
    ]
    # A guest that hangs would outlive a harness that is killed.
    watcher = Watcher()
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            process_group=watcher.group,
        ) as process:
            try:
                _, said = process.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                return f"opens, but a guest hangs in it (nothing within {patience:g} s)"
            finally:
                process.kill()
    finally:
        watcher.stop()
    if process.returncode == BOOTED and console.read_bytes() == SAID:
        return ""
    return said.strip().splitlines()[-1] if said.strip() else f"exit status {process.returncode}"
