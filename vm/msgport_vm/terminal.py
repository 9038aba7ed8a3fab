"""A terminal put on a machine's console: what the machine says to the screen, what is typed to the machine."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

LEAVE = b"\x1d"
"""Ctrl-], as telnet(1) has it."""

SCROLLBACK = 64 << 10
"""Bytes of what was said before that are shown first."""

SLICE = 0.1
"""Seconds; what QEMU sends it writes to its log a moment later."""


@contextlib.contextmanager
def raw(keyboard: int) -> Iterator[None]:
    """Have a terminal hand on every key as it is pressed; it is itself again afterwards."""
    before = termios.tcgetattr(keyboard)
    tty.setraw(keyboard)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def attach(line: socket.socket, log: Path, keyboard: int, screen: int) -> bool:
    """Show what a machine says and hand it what is typed, until LEAVE is. False when the machine ended first.

    ``line`` is its console, ``log`` the file that all it says is appended to. Only the log is shown: it has what came
    before, and one stream can neither repeat nor lose anything where two would meet.
    """
    try:
        said = log.open("rb")
    except FileNotFoundError:
        # The folder of one that has ended is removed by whoever looks first.
        return False
    with said:
        said.seek(max(0, os.fstat(said.fileno()).st_size - SCROLLBACK))
        while True:
            _write(screen, said.read())
            ready, _, _ = select.select([line.fileno(), keyboard], [], [], SLICE)
            if line.fileno() in ready and not _drain(line):
                _write(screen, said.read())
                return False
            if keyboard in ready:
                typed = os.read(keyboard, 4096)
                before, left, _ = typed.partition(LEAVE)
                with contextlib.suppress(BrokenPipeError):
                    line.sendall(before)
                if left or not typed:
                    return True


def _drain(line: socket.socket) -> bool:
    """Take what came, which is in the log too; false at the line's end."""
    with contextlib.suppress(ConnectionResetError):
        return bool(line.recv(65536))
    return False


def _write(screen: int, text: bytes) -> None:
    while text:
        text = text[os.write(screen, text) :]
