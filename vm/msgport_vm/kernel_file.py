"""A DragonFly kernel in a file, as ``make kernel`` leaves it: kernel, kernel.stripped or kernel.debug."""

from __future__ import annotations

import hashlib
import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection

from msgport_vm.machine import UnusableFileError

BASE = 0xFFFFFFFF80000000
"""The kernel's virtual address of physical address 0 (vmparam.h: KERNBASE)."""

LOWEST, HIGHEST = 2 << 20, 1 << 30
"""Physical addresses between which a kernel lies: below is the boot loader's, above it has mapped nothing."""

SYMBOL = struct.Struct("<IBBHQQ")
"""An entry of a symbol table: name, type and binding, visibility, section, value, size."""

WORDING = "DragonFly "


@dataclass(frozen=True)
class Segment:
    """A part of memory: its physical address, its content, and its size in bytes, of which the rest is zeros."""

    address: int
    content: bytes
    size: int


@dataclass(frozen=True)
class KernelFile:
    """A kernel: its entry point (virtual), its version line, its segments from the lowest on.

    ``symbols`` and ``names`` are its symbol table and the names in it, both empty when it was stripped of them.
    ``digest`` is the file's SHA-256, in hexadecimal.
    """

    entry: int
    version: str
    segments: tuple[Segment, ...]
    symbols: bytes
    names: bytes
    digest: str


def is_elf64(file: Path) -> bool:
    """Tell whether a file begins as an ELF file of 64 bits does. Raises UnusableFileError when it cannot be read."""
    try:
        with file.open("rb") as content:
            return content.read(5) == b"\x7fELF\x02"
    except OSError as error:
        raise UnusableFileError(f"cannot read the kernel {file}: {error.strerror}") from error


def read_kernel(file: Path) -> KernelFile:
    """Read a kernel. Raises UnusableFileError, which tells what the file is instead."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UnusableFileError(f"cannot read the kernel {file}: {error.strerror}") from error
    try:
        return _read(ELFFile(io.BytesIO(content)), content)
    except _NoKernelError as error:
        raise UnusableFileError(f"{file} is no kernel of DragonFly for x86-64: {error}") from error
    except (ELFError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError, struct.error) as error:
        # pyelftools is not of one mind about how to complain of a damaged file.
        raise UnusableFileError(f"{file} is not a whole ELF file: {error}") from error


class _NoKernelError(Exception):
    """It is something else; the message says what."""


def _read(elf: ELFFile, content: bytes) -> KernelFile:
    if (elf.elfclass, elf.little_endian, elf["e_machine"]) != (64, True, "EM_X86_64"):
        raise _NoKernelError(f"it is a program of {elf.elfclass} bits for {elf.get_machine_arch()}")
    if elf["e_type"] != "ET_EXEC":
        raise _NoKernelError("it is not linked to run at an address of its own (a module?)")
    segments = tuple(sorted(_segments(elf, len(content)), key=lambda segment: segment.address))
    if not segments:
        raise _NoKernelError("nothing of it is to be loaded")
    entry = elf["e_entry"] - BASE
    if not any(segment.address <= entry < segment.address + len(segment.content) for segment in segments):
        raise _NoKernelError(f"its entry point, {elf['e_entry']:#x}, is not in it")
    table = elf.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        table = None
    version = _version(table or elf.get_section_by_name(".dynsym"), segments)
    symbols, names = (table.data(), table.stringtable.data()) if table is not None else (b"", b"")
    return KernelFile(elf["e_entry"], version, segments, symbols, names, hashlib.sha256(content).hexdigest())


def _segments(elf: ELFFile, length: int) -> Iterator[Segment]:
    for segment in elf.iter_segments("PT_LOAD"):
        address = segment["p_vaddr"] - BASE
        if not LOWEST <= address <= address + segment["p_memsz"] <= HIGHEST:
            raise _NoKernelError(f"a part of it goes to {segment['p_vaddr']:#x}, where no kernel is")
        if segment["p_offset"] + segment["p_filesz"] > length or segment["p_filesz"] > segment["p_memsz"]:
            raise ValueError("it is cut off, or its program header is damaged")
        yield Segment(address, segment.data(), segment["p_memsz"])


def _version(table: Section | None, segments: tuple[Segment, ...]) -> str:
    """Read the string that the symbol ``version`` stands for: every kernel of the BSDs says there what it is."""
    if not isinstance(table, SymbolTableSection):
        raise _NoKernelError("it has no symbols at all; strip it as the kernel's own build does")
    # By hand: pyelftools takes seconds to make objects of tens of thousands of symbols.
    names = {match.start() for match in re.finditer(rb"version\0", table.stringtable.data())}
    addresses = [value for name, _, _, _, value, _ in SYMBOL.iter_unpack(table.data()) if name in names]
    for at in (address - BASE for address in addresses):
        for segment in segments:
            if segment.address <= at < segment.address + len(segment.content):
                text = segment.content[at - segment.address :].partition(b"\0")[0]
                said = text.decode("ascii", "replace").partition("\n")[0].strip()
                if not said.startswith(WORDING):
                    raise _NoKernelError(f"it says of itself that it is {said[:60]!r}")
                return said
    raise _NoKernelError("it does not say what version it is (no symbol `version`)")
