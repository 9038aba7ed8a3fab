"""Kernel modules compiled on the host against a DragonFly source tree's headers, as bsd.kmod.mk has it.

A module is a relocatable object, so that the compiler need not be DragonFly's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from msgport_vm.dragonfly import era_of
from msgport_vm.machine import BuildError, UnusableFileError
from msgport_vm.userland import Toolchain

FLAGS = (
    *("-std=gnu99", "-O2", "-Wall", "-Werror"),
    *("-D__DragonFly__", "-U__linux__", "-U__linux", "-U__gnu_linux__", "-Ulinux", "-Uunix", "-U__FreeBSD__"),
    # A kernel before 3.4 may be built for one CPU; modules are for those that are not.
    *("-D_KERNEL", "-DKLD_MODULE", "-DSMP", "-nostdinc", "-ffreestanding", "-fno-builtin", "-fno-common", "-fno-pie"),
    *("-fno-strict-aliasing", "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-omit-frame-pointer"),
    *("-mcmodel=kernel", "-mno-red-zone", "-mno-mmx", "-mno-sse", "-mno-sse2", "-msoft-float"),
)
# Whatever the compiler turns on by itself for programs (Debian, Ubuntu) is not for a kernel.
IF_KNOWN = ("-fcf-protection=none", "-fno-tree-vectorize", "-fno-tree-loop-distribute-patterns")
# Up to 5.4 sys/types.h wants this of the include folder beside sys, which need not be there.
STDINT = "#include <machine/stdint.h>\n" + "".join(
    f"typedef __{name}_t {name}_t;\n"
    for sign in ("int", "uint")
    for name in (*(f"{sign}{width}" for width in (8, 16, 32, 64)), f"{sign}ptr", f"{sign}max")
)
_VERSION = re.compile(r"^#[ \t]*define[ \t]+__DragonFly_version[ \t]+(\d+)", re.MULTILINE)
_OPTION_HEADER = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*[<"]((?:opt|use)_\w+\.h)[>"]', re.MULTILINE)


def osreldate_of(sysdir: Path) -> int:
    """The ``__DragonFly_version`` of a source tree's ``sys`` folder. Raises UnusableFileError for a foreign folder."""
    header = sysdir / "sys" / "param.h"
    try:
        version = _VERSION.search(header.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise UnusableFileError(
            f"{sysdir} is not the sys folder of DragonFly's source: {header}: {error.strerror}"
        ) from error
    if version is None:
        raise UnusableFileError(f"{sysdir} is not the sys folder of DragonFly's source: {header} defines no version")
    return int(version[1])


class HostBuilder:
    """Compiles modules for one kernel. ``sysdir`` is the source tree's ``sys`` folder, ``osreldate`` its version."""

    def __init__(self, sysdir: Path, toolchain: Toolchain, folder: Path) -> None:
        """Lay out in ``folder`` what the kernel's own build would make. Raises UnusableFileError for a foreign tree."""
        self.sysdir = sysdir.resolve()
        self.toolchain = toolchain
        self._folder = folder
        platform = self.sysdir / "platform" / "pc64" / "include"
        processor = self.sysdir / "cpu" / "x86_64" / "include"
        for needed in (self.sysdir / "sys" / "msgport.h", platform, processor):
            if not needed.exists():
                raise UnusableFileError(
                    f"{sysdir} is not the sys folder of DragonFly's source: it has no {needed.relative_to(self.sysdir)}"
                )
        self.osreldate = osreldate_of(self.sysdir)
        # The kernel's build makes forwarding headers from machine/ to cpu/; two folders to search do the same.
        made = folder / "include"
        for parts, target in (
            (("platform", "machine"), platform),
            (("platform", "machine_base"), platform.parent),
            (("cpu", "machine"), processor),
            (("cpu", "cpu"), processor),
            (("cpu", "cpu_base"), processor.parent),
        ):
            link = made.joinpath(*parts)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        options = made / "options"
        options.mkdir()
        for name in {"opt_global.h"} | _option_headers(self.sysdir / "sys", platform, processor):
            (options / name).touch()
        (options / "stdint.h").write_text(STDINT)
        self._includes = [options, made / "platform", made / "cpu", self.sysdir]
        self._flags = [*FLAGS, *(flag for flag in IF_KNOWN if self._knows(flag))]

    def _knows(self, flag: str) -> bool:
        command = [self.toolchain.command, "-Werror", flag, "-fsyntax-only", "-x", "c", "/dev/null"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def require(self, kernel: str, osreldate: int) -> None:
        """Raise UnusableFileError if the tree's message ports are not those of the kernel with this version."""
        ours, its = era_of(self.osreldate), era_of(osreldate)
        if ours != its:
            raise UnusableFileError(
                f"modules for {kernel} (version {osreldate}, era {its}) cannot be built against {self.sysdir} (version "
                f"{self.osreldate}, era {ours}): name the sys folder of that kernel's own source with --sysdir"
            )

    def build(self, source: Path, invariants: bool) -> Path:
        """Compile ``source/NAME.c``, the folder's only C file, to ``source/NAME.ko``. Raises BuildError."""
        candidates = sorted(source.glob("*.c"))
        if len(candidates) != 1:
            raise BuildError(f"{source} holds {len(candidates)} C files; a module is exactly one, beside its Makefile")
        file = candidates[0]
        with tempfile.TemporaryDirectory(prefix="build-", dir=self._folder) as aside:
            compiled, module = Path(aside, f"{file.stem}.o"), Path(aside, f"{file.stem}.ko")
            headers = [word for folder in self._includes for word in ("-isystem", str(folder))]
            checks = ["-DINVARIANTS"] if invariants else []
            _run([self.toolchain.command, *self._flags, *checks, *headers, "-c", "-o", str(compiled), str(file)], file)
            _run([shutil.which("ld") or "ld", "-r", "-d", "-o", str(module), str(compiled)], file)
            return Path(shutil.move(module, file.with_suffix(".ko")))


def _option_headers(*folders: Path) -> set[str]:
    """The names of the configuration's headers that those in ``folders`` want."""
    return {
        name.decode()
        for folder in folders
        for header in folder.glob("*.h")
        for name in _OPTION_HEADER.findall(header.read_bytes())
    }


def _run(command: list[str], file: Path) -> None:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise BuildError(f"{file} could not be compiled: {error}") from error
    if done.returncode != 0:
        raise BuildError(f"{file} does not compile (exit status {done.returncode}):\n{done.stdout}", done.stdout)
