"""Part of a guest kernel's memory, read through QEMU with the page tables of a CPU, whatever state the guest is in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from msgport_vm.qmp import Monitor, RefusedError

PAGE = 4096
WINDOW = 2 << 20
"""Bytes from where the first module goes. A module is some 100 KB, and few are there at a time."""

NOT_THERE = "Invalid addr"

GAP = 32 * PAGE
"""Where so much is missing, there are no more modules. (Asking for each page takes time.)"""

TRIES, PAUSE = 20, 0.01
"""How often to look, and the seconds between: a CPU that is just in a program may not have all of the kernel mapped."""


def looks() -> Iterator[None]:
    """As many looks at memory as are worth it while what is wanted does not show."""
    for _ in range(TRIES):
        yield
        time.sleep(PAUSE)


def read_modules(monitor: Monitor, aside: Path, address: int) -> bytes:
    """Read the window that begins where the first module stands, one at least; zeros where it cannot be seen.

    ``aside`` is a file for QEMU to write to. Raises MachineError when QEMU does not answer.
    """
    window = b""
    for _ in looks():
        window = read_window(monitor, aside, address)
        if any(window):
            break
    return window


def read_window(monitor: Monitor, aside: Path, address: int, size: int = WINDOW) -> bytes:
    """Read virtual memory from the page of ``address`` on, ``size`` bytes at most, up to the first long gap.

    Pages that are not there read as zeros.

    ``aside`` is a file for QEMU to write to. Raises MachineError when QEMU does not answer.
    """
    start = address & -PAGE
    end = start + size
    memory = bytearray()
    missing = 0
    try:
        while start + len(memory) < end and missing < GAP:
            at = start + len(memory)
            try:
                # QEMU takes addresses as signed numbers.
                monitor.execute("memsave", val=at - 2**64 if at >= 2**63 else at, size=end - at, filename=str(aside))
                refused = False
            except RefusedError as error:
                if NOT_THERE not in str(error):
                    raise
                refused = True
            # QEMU writes what it can read until it comes to a page that is not there.
            there = aside.read_bytes() if aside.exists() else b""
            aside.unlink(missing_ok=True)
            memory += there
            missing = 0 if there else missing
            if refused:
                memory += bytes(PAGE - len(memory) % PAGE)
                missing += PAGE
    finally:
        aside.unlink(missing_ok=True)
    return bytes(memory)
