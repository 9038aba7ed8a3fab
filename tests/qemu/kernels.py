"""Kernels to boot in tests: kernel/kernel.c, compiled as one of DragonFly's lies in its file."""

from __future__ import annotations

import subprocess
from pathlib import Path

from msgport_vm.userland import find_compiler

SOURCE = Path(__file__).parent / "kernel" / "kernel.c"
VERSION = "DragonFly 9.9-TINY #7: a kernel of tests"
FLAGS = (
    *("-std=gnu99", "-O1", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-pie", "-fno-stack-protector"),
    *("-mcmodel=kernel", "-mno-red-zone", "-mno-sse", "-fno-asynchronous-unwind-tables", "-nostdlib", "-static"),
    *("-Wl,-e,btext", "-Wl,--build-id=none", "-Wl,-z,max-page-size=0x200000"),
)


def compile_kernel(
    file: Path, *extra: str, version: str = VERSION, address: int = 0xFFFFFFFF80200000, debug: bool = False
) -> Path:
    """Compile a kernel that says it is ``version``, for an address; ``extra`` goes to the compiler."""
    define = f'-DVERSION="{version}"'
    place = f"-Wl,-Ttext-segment={address:#x}"
    command = [*find_compiler().command, *FLAGS, define, place, *(["-g"] if debug else []), *extra, "-o", str(file)]
    subprocess.run([*command, str(SOURCE)], check=True)
    return file
