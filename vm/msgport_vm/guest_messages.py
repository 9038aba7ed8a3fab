"""A guest kernel's message buffer, read from its memory: what a console loses stands there.

The layout is ``struct msgbuf`` of DragonFly's sys/msgbuf.h, the same in all releases.
"""

from __future__ import annotations

import struct
from pathlib import Path

from msgport_vm.memory_window import PAGE, looks, read_window
from msgport_vm.qmp import Monitor

_HEADER = struct.Struct("<IIIIQ")
"""Magic, size of the ring, index of the next character to be written, index of the oldest one, address of the ring."""

_MAGIC = (0x063062, 0x063064)
_LARGEST = 16 << 20
"""Bytes; a ring that claims more is not one."""


def read_messages(monitor: Monitor, aside: Path, address: int) -> str:
    """Read the text in the buffer whose ``struct msgbuf`` stands at an address, oldest first; empty if none does.

    ``aside`` is a file for QEMU to write to. Raises MachineError when QEMU does not answer.
    """
    for _ in looks() if address else ():
        magic, size, end, _, ring = _HEADER.unpack(_read(monitor, aside, address, _HEADER.size))
        if magic in _MAGIC and 0 < size <= _LARGEST:
            text = _read(monitor, aside, ring, size)
            # Newer releases let the indices run on; older ones keep them within the ring.
            oldest = end % size
            # What was written last is there, if the ring is.
            if text[oldest - 1]:
                return (text[oldest:] + text[:oldest]).replace(b"\0", b"").decode("utf-8", "replace")
    return ""


def _read(monitor: Monitor, aside: Path, address: int, size: int) -> bytes:
    """Exactly so many bytes; what is not there reads as zeros."""
    before = address % PAGE
    return read_window(monitor, aside, address, before + size)[before:][:size].ljust(size, b"\0")
