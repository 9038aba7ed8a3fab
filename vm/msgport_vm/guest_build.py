"""Kernel modules compiled inside a guest, by its own make, cc and bsd.kmod.mk, and brought back over its console.

A module comes back as gzip's output in uuencode's base64, 76 characters a line: both are in DragonFly's base, and
gzip's CRC-32 and length tell whether text of the kernel's fell into it. What was compiled is kept, as what is compiled
on the host is: a guest that is brought back to its saved state has it on its CD all the same.
"""

from __future__ import annotations

import binascii
import gzip
import hashlib
import re
import shlex
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgport_vm.compiled import CompiledModules, copy_whole
from msgport_vm.dragonfly import era_of, missing_for_build
from msgport_vm.machine import BuildError, MachineError, UnusableFileError

SCRIPT = Path(__file__).parent / "probe" / "guest_build.sh"

BUILD_TIMEOUT = 600.0
"""Seconds of silence in which a build has to say something."""

ANSWER_TIMEOUT = 60.0
ATTEMPTS = 3
"""How often a module is sent when other text falls into it."""

WAYS_OUT = (
    "Compile modules here, against the kernel's source: --sysdir DIR. Or use an image where both are: the compiler, "
    "make and bsd.kmod.mk are in DragonFly's base; the source comes with `cd /usr && make src-create-shallow`, or from "
    "release media with `tar -C / -xjf /usr/src-sys.tar.bz2`, which --sysdir can be given as well when it is unpacked "
    "here"
)

_LACKS = re.compile(r"^lacks:(\S+)\s*$", re.M)
_SYS = re.compile(r"^sys:(/\S+)\s*$", re.M)
_VERSION = re.compile(r"^#\s*define\s+__DragonFly_version\s+(\d+)", re.M)
_COMPILER = re.compile(r"^(?!lacks:|sys:|#)(\S*(?:cc|clang)\b.*\d.*?)\s*$", re.M)
_SENT = re.compile(r"^begin-base64 \d+ \S+\r?\n(.*?)^====", re.M | re.S)

Shell = Callable[[Sequence[Path], str, float], tuple[int, str]]
"""Has files on the mounted CD and runs the script there with arguments, with seconds of silence that it may keep; gives
its exit status and what it said. Raises MachineError when the guest dies of it."""


@dataclass(frozen=True)
class Tools:
    """What a guest compiles with: its compiler's version line, and its kernel's source and the version of that."""

    compiler: str
    sysdir: str
    osreldate: int


def read_tools(said: str) -> Tools:
    """Read what ``guest_build.sh tools`` said. Raises MachineError that names all that is missing."""
    missing = [f"no {name}" for name in _LACKS.findall(said)]
    found, version, compiler = _SYS.search(said), _VERSION.search(said), _COMPILER.search(said)
    if found is None:
        missing.append("no kernel source in /usr/src/sys or /sys")
    elif version is None:
        missing.append(f"no version in {found[1]}/sys/param.h")
    if missing:
        raise MachineError(f"modules cannot be compiled in the guest: it has {', '.join(missing)}. {WAYS_OUT}", said)
    assert found is not None and version is not None
    return Tools(compiler[1] if compiler else "cc, which does not tell its version", found[1], int(version[1]))


def makefile(name: str, invariants: bool) -> str:
    """The Makefile of a module of one file; ``invariants`` has it assert what the kernel asserts."""
    # A kernel before 3.4 may be built for one CPU; modules are for those that are not.
    # Newer releases' bsd.kmod.mk sets CFLAGS anew.
    flags = ["-DSMP", *(["-DINVARIANTS"] if invariants else [])]
    return f"KMOD=\t{name}\nSRCS=\t{name}.c\nCOPTS+=\t{' '.join(flags)}\n\n.include <bsd.kmod.mk>\n"


def received(said: str) -> bytes | None:
    """The module in what ``guest_build.sh send`` said; None when it is not there, or not whole."""
    sent = _SENT.search(said)
    if sent is None:
        return None
    try:
        return gzip.decompress(binascii.a2b_base64(sent[1]))
    except (binascii.Error, EOFError, OSError, zlib.error):
        return None


class GuestBuilder:
    """Compiles modules in one guest, which runs nothing else meanwhile.

    ``identity`` is what tells its compiler and its source from those of another guest: its image and its kernel.
    """

    def __init__(self, shell: Shell, folder: Path, identity: object, cache: Path) -> None:
        """Lay files for the CD in ``folder``; keep what is compiled in ``cache``.

        Raises MachineError for a cache that cannot be written.
        """
        self._shell = shell
        self._folder = folder / "for-guest"
        self._folder.mkdir()
        self._identity = identity
        self._compiled = CompiledModules(cache)

    def tools(self) -> Tools:
        """Ask the guest what it compiles with. Raises MachineError when something is missing."""
        return read_tools(self._shell([SCRIPT], "tools", ANSWER_TIMEOUT)[1])

    def kept(self, source: Path, invariants: bool) -> Path | None:
        """``source/NAME.ko`` if the same source was compiled before, else None. Raises BuildError."""
        file = _only(source)
        module = file.with_suffix(".ko")
        try:
            return module if self._compiled.copy(self._key(file, invariants), module) else None
        except OSError as error:
            raise BuildError(f"{module} cannot be written: {error}") from error

    def build(self, source: Path, invariants: bool) -> Path:
        """Compile ``source/NAME.c``, the folder's only C file, to ``source/NAME.ko``.

        Raises BuildError, and MachineError when the guest dies of it.
        """
        if (known := self.kept(source, invariants)) is not None:
            return known
        file = _only(source)
        key, module = self._key(file, invariants), file.with_suffix(".ko")
        # What is on the CD is known by its path.
        aside = self._folder / key
        try:
            aside.mkdir(exist_ok=True)
            (aside / "Makefile").write_text(makefile(file.stem, invariants), encoding="utf-8")
            shutil.copyfile(file, aside / file.name)
            came = aside / module.name
            came.write_bytes(self._fetch([SCRIPT, aside / "Makefile", aside / file.name], file))
            copy_whole(came, module)
            self._compiled.keep(key, module)
        except OSError as error:
            raise BuildError(f"{module} cannot be written: {error}") from error
        return module

    def _fetch(self, files: list[Path], file: Path) -> bytes:
        name = shlex.quote(file.stem)
        status, said = self._shell(files, f"make {name}", BUILD_TIMEOUT)
        if status != 0:
            if lacking := missing_for_build(said):
                raise BuildError(f"the guest lacks {lacking[0]}. {WAYS_OUT}", said)
            raise BuildError(f"{file} does not compile in the guest (exit status {status}):\n{said}", said)
        for _ in range(ATTEMPTS):
            status, sent = self._shell(files, f"send {name}", ANSWER_TIMEOUT)
            if status != 0:
                raise BuildError(f"the guest does not give {file.stem}.ko: {sent.strip()}", said + sent)
            content = received(sent)
            if content is not None:
                self._shell(files, "clean", ANSWER_TIMEOUT)
                return content
        raise BuildError(
            f"{file.stem}.ko did not come whole over the guest's console, {ATTEMPTS} times: other text is in it", sent
        )

    def _key(self, file: Path, invariants: bool) -> str:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise BuildError(f"{file} cannot be read: {error}") from error
        shape = ("in the guest", self._identity, makefile(file.stem, invariants), text)
        return hashlib.sha256(repr(shape).encode()).hexdigest()[:32]


def require_era(kernel: str, osreldate: int, tools: Tools) -> None:
    """Raise UnusableFileError if the guest's source has other message ports than its kernel with this version."""
    ours, its = era_of(tools.osreldate), era_of(osreldate)
    if ours != its:
        raise UnusableFileError(
            f"modules for {kernel} (version {osreldate}, era {its}) cannot be compiled in the guest, whose "
            f"{tools.sysdir} is of version {tools.osreldate}, era {ours}: name that kernel's own source with --sysdir"
        )


def _only(source: Path) -> Path:
    candidates = sorted(source.glob("*.c"))
    if len(candidates) != 1:
        raise BuildError(f"{source} holds {len(candidates)} C files; a module is exactly one, beside its Makefile")
    return candidates[0]
