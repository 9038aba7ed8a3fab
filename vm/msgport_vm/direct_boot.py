"""A DragonFly kernel made into what QEMU boots by itself with ``-kernel``, without DragonFly's boot loader.

The result is one multiboot image for physical address BASE: a stub of ours (stub/boot.S), page tables, the kernel's
segments and symbols, its environment, and the metadata that a kernel finds its loader's gifts by (sys/linker.h).
"""

from __future__ import annotations

import io
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from elftools.elf.elffile import ELFFile

from msgport_vm.bounded import run
from msgport_vm.kernel_file import KernelFile
from msgport_vm.machine import MachineError

STUB = Path(__file__).parent / "stub" / "boot.S"

BASE = 1 << 20
PAGE = 4096
TABLES = BASE + PAGE
STACK = TABLES + 4 * PAGE
"""Where the stack begins, which grows down through a page of its own."""

PARAMETERS = 32
"""Where in the stub its parameters stand: behind the multiboot header."""

PRESENT, WRITABLE, USER, LARGE = 1, 2, 4, 0x80
"""Of a page table's entry (AMD64 Architecture Programmer's Manual, volume 2, 5.3)."""

NAME, TYPE, ADDRESS, SIZE, METADATA = 1, 2, 3, 4, 0x8000
SYMBOLS, SYMBOLS_END, ENVIRONMENT, HOWTO, KERNEL_END, MEMORY_MAP = (METADATA | kind for kind in (3, 4, 6, 7, 8, 0x1001))
"""Kinds of records in the metadata (sys/linker.h: MODINFO_*, MODINFOMD_*; machine/metadata.h)."""

SERIAL = 0x1000
"""To boot with the console on the serial line (sys/reboot.h: RB_SERIAL)."""

MAP_ROOM = 20 * 64
"""Bytes for the memory map: 64 entries, of which QEMU's machines have some ten."""


ASSEMBLE_TIMEOUT = 60.0
"""Seconds for the stub, which takes a tenth of one where nothing is wrong."""


def assemble(compiler: Sequence[str], folder: Path) -> bytes:
    """Assemble the stub in a folder. Raises MachineError when the compiler does not make x86 code."""
    made = folder / "stub.o"
    command = [*compiler, "-m64", f"-DBASE={BASE:#x}", "-c", "-o", str(made), str(STUB)]
    try:
        done = run(command, ASSEMBLE_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"{compiler[0]} does not assemble the boot stub within {ASSEMBLE_TIMEOUT:g} s") from error
    if done.returncode != 0:
        said = done.stdout + done.stderr
        raise MachineError(f"{compiler[0]} does not assemble the boot stub, which is x86 code", said)
    code = ELFFile(io.BytesIO(made.read_bytes())).get_section_by_name(".text")
    assert code is not None
    return bytes(code.data())


def pack(kernel: KernelFile, environment: Mapping[str, str], stub: bytes) -> bytes:
    """Give the image that boots a kernel with these variables in its environment."""
    memory = bytearray()

    def put(address: int, content: bytes) -> None:
        memory.extend(bytes(max(0, address + len(content) - BASE - len(memory))))
        memory[address - BASE : address - BASE + len(content)] = content

    def append(content: bytes, alignment: int = PAGE) -> int:
        memory.extend(bytes(-len(memory) % alignment))
        memory.extend(content)
        return BASE + len(memory) - len(content)

    put(TABLES, _page_tables())
    for segment in kernel.segments:
        put(segment.address, segment.content.ljust(segment.size, b"\0"))
    start = kernel.segments[0].address
    records = [(NAME, b"/boot/kernel/kernel\0"), (TYPE, b"elf kernel\0"), (ADDRESS, _quad(start))]
    if kernel.symbols:
        symbols = append(_sized(kernel.symbols) + _sized(kernel.names))
        end = BASE + len(memory)
        records += [(SIZE, _quad(end - start)), (SYMBOLS, _quad(symbols)), (SYMBOLS_END, _quad(end))]
    else:
        records += [(SIZE, _quad(BASE + len(memory) - start))]
    variables = append(b"".join(f"{name}={value}\0".encode() for name, value in environment.items()) + b"\0")
    records += [(ENVIRONMENT, _quad(variables)), (HOWTO, struct.pack("<i", SERIAL))]

    # The kernel takes memory from the page behind all this on. The memory map comes last: only the stub knows its size.
    metadata = BASE + len(memory) + -len(memory) % PAGE
    length = sum(len(_record(kind, content)) for kind, content in [*records, (KERNEL_END, _quad(0))])
    map_at = metadata + length + 8
    free = map_at + MAP_ROOM + 8
    free += -free % PAGE
    records += [(KERNEL_END, _quad(free)), (MEMORY_MAP, bytes(MAP_ROOM))]
    append(b"".join(_record(kind, content) for kind, content in records) + bytes(8))
    append(b"")

    put(BASE, stub)
    put(BASE + PARAMETERS, struct.pack("<QIIII", kernel.entry, TABLES, STACK - 16, map_at, map_at + MAP_ROOM))
    put(STACK - 16, struct.pack("<IIII", 0, metadata, free, 0))
    return bytes(memory)


def _page_tables() -> bytes:
    """Map every GB of the address space to the first GB of memory, as DragonFly's boot loader does."""
    flags = PRESENT | WRITABLE | USER
    level_4 = struct.pack("<Q", TABLES + PAGE | flags) * 512
    level_3 = struct.pack("<Q", TABLES + 2 * PAGE | flags) * 512
    level_2 = b"".join(struct.pack("<Q", number << 21 | LARGE | flags) for number in range(512))
    return level_4 + level_3 + level_2


def _quad(number: int) -> bytes:
    return struct.pack("<Q", number)


def _sized(content: bytes) -> bytes:
    return _quad(len(content)) + content + bytes(-len(content) % 8)


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)
