"""Kernel modules compiled on the host against a DragonFly source tree's headers, as bsd.kmod.mk has it.

A module is a relocatable object, so that the compiler need not be DragonFly's. What was compiled is kept: the same
preprocessed text through the same compiler is the same module, in this run or a later one.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from msgport_vm.bounded import run
from msgport_vm.compiled import CompiledModules, copy_whole
from msgport_vm.dragonfly import era_of
from msgport_vm.machine import BuildError, MachineError, UnusableFileError
from msgport_vm.scratch import Scratch
from msgport_vm.userland import COMPILE_TIMEOUT, Toolchain, default_cache, find_compiler

FLAGS = (
    # What is tested is in the kernel: for the module -O2 takes twice the time and shows nothing more.
    *("-std=gnu99", "-Og", "-Wall", "-Werror"),
    *("-D__DragonFly__", "-U__linux__", "-U__linux", "-U__gnu_linux__", "-Ulinux", "-Uunix", "-U__FreeBSD__"),
    # A kernel before 3.4 may be built for one CPU; modules are for those that are not.
    *("-D_KERNEL", "-DKLD_MODULE", "-DSMP", "-nostdinc", "-ffreestanding", "-fno-builtin", "-fno-common", "-fno-pie"),
    # Time limits are held against ticks, which wrap.
    *("-fno-strict-aliasing", "-fno-strict-overflow"),
    *("-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-omit-frame-pointer"),
    *("-mcmodel=kernel", "-mno-red-zone", "-mno-mmx", "-mno-sse", "-mno-sse2", "-msoft-float"),
)
# Whatever the compiler turns on by itself for programs (Debian, Ubuntu) is not for a kernel.
IF_KNOWN = (
    *("-fcf-protection=none", "-fno-tree-vectorize", "-fno-tree-loop-distribute-patterns"),
    # With -Og gcc sees less far than it does with a kernel's -O2, and suspects more.
    "-Wno-maybe-uninitialized",
)
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

    def __init__(self, sysdir: Path, toolchain: Toolchain, folder: Path, cache: Path) -> None:
        """Lay out in ``folder`` what the kernel's own build would make; keep what is compiled in ``cache``.

        Raises UnusableFileError for a foreign tree, MachineError for a cache that cannot be written.
        """
        self.sysdir = sysdir.resolve()
        self.toolchain = toolchain
        self._folder = folder
        self._compiled = CompiledModules(cache)
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
        command = [*self.toolchain.command, "-Werror", flag, "-fsyntax-only", "-x", "c", "/dev/null"]
        try:
            return run(command, COMPILE_TIMEOUT).returncode == 0
        except subprocess.TimeoutExpired as error:
            raise MachineError(f"`{' '.join(command)}` does not end within {COMPILE_TIMEOUT:g} s") from error

    def require(self, kernel: str, osreldate: int) -> None:
        """Raise UnusableFileError if the tree's message ports are not those of the kernel with this version."""
        ours, its = era_of(self.osreldate), era_of(osreldate)
        if ours != its:
            raise UnusableFileError(
                f"modules for {kernel} (version {osreldate}, era {its}) cannot be built against {self.sysdir} (version "
                f"{self.osreldate}, era {ours}): name the sys folder of that kernel's own source with --sysdir"
            )

    def command(self, invariants: bool) -> list[str]:
        """The compiler and its flags for a module of this kernel, files and what to do with them left out."""
        headers = [word for folder in self._includes for word in ("-isystem", str(folder))]
        return [*self.toolchain.command, *self._flags_for(invariants), *headers]

    def _flags_for(self, invariants: bool) -> list[str]:
        return [*self._flags, *(["-DINVARIANTS"] if invariants else [])]

    def build(self, source: Path, invariants: bool) -> Path:
        """Compile ``source/NAME.c``, the folder's only C file, to ``source/NAME.ko``. Raises BuildError."""
        candidates = sorted(source.glob("*.c"))
        if len(candidates) != 1:
            raise BuildError(f"{source} holds {len(candidates)} C files; a module is exactly one, beside its Makefile")
        file = candidates[0]
        # Run beside the source: assertions have the name that it is given by in their text.
        command = [*self.command(invariants), file.name]
        text = _run([*command, "-E", "-P"], file)
        flags = self._flags_for(invariants)
        key = hashlib.sha256(repr((self.toolchain.version, flags, text)).encode()).hexdigest()[:32]
        module = file.with_suffix(".ko")
        try:
            if not self._compiled.copy(key, module):
                self._make(command, file, module)
                self._compiled.keep(key, module)
        except OSError as error:
            raise BuildError(f"{module} cannot be written: {error}") from error
        return module

    def _make(self, command: list[str], file: Path, module: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="build-", dir=self._folder) as aside:
            compiled, linked = Path(aside, f"{file.stem}.o"), Path(aside, f"{file.stem}.ko")
            _run([*command, "-c", "-o", str(compiled)], file)
            _run([shutil.which("ld") or "ld", "-r", "-d", "-o", str(linked), str(compiled)], file)
            copy_whole(linked, module)


class HostBuilds:
    """A HostBuilder with a folder of its own, for machines that have none."""

    def __init__(self, sysdir: Path, cache: Path | None = None) -> None:
        """Nothing is made before start()."""
        self._sysdir = sysdir
        self._cache = cache or default_cache()
        self._scratch: Scratch | None = None
        self._builder: HostBuilder | None = None

    def start(self) -> str:
        """Make it, once, and give the compiler's version. Raises MachineError."""
        if self._builder is None:
            toolchain = find_compiler()
            self._scratch = Scratch(self._cache / "builds")
            self._builder = HostBuilder(self._sysdir, toolchain, self._scratch.path, self._cache / "modules")
        return self._builder.toolchain.version

    def build(self, source: Path, invariants: bool) -> Path:
        """See HostBuilder.build."""
        self.start()
        assert self._builder is not None
        return self._builder.build(source, invariants)

    def close(self) -> None:
        """Remove its folder; safe to call twice."""
        scratch, self._scratch, self._builder = self._scratch, None, None
        if scratch is not None:
            scratch.remove()


def _option_headers(*folders: Path) -> set[str]:
    """The names of the configuration's headers that those in ``folders`` want."""
    return {
        name.decode()
        for folder in folders
        for header in folder.glob("*.h")
        for name in _OPTION_HEADER.findall(header.read_bytes())
    }


def _run(command: list[str], file: Path) -> str:
    try:
        done = run(command, COMPILE_TIMEOUT, file.parent)
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{file} was not compiled: {command[0]} does not end within {COMPILE_TIMEOUT:g} s") from error
    except OSError as error:
        raise BuildError(f"{file} could not be compiled: {error}") from error
    if done.returncode != 0:
        raise BuildError(f"{file} does not compile (exit status {done.returncode}):\n{done.stderr}", done.stderr)
    return done.stdout
