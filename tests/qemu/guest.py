"""The other end of a console: a script of what a guest says and what it waits for."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgport_vm.console import Console

TRANSCRIPTS = Path(__file__).parents[3] / "shared" / "transcripts" / "dragonfly-5.9"


@dataclass
class Guest:
    """Says texts in turn, each when what is typed holds the text's key.

    ``echo`` types back what it hears; ``hangs_up`` ends the line when all is said. ``heard`` is all that was typed.
    """

    script: Sequence[tuple[str, str]]
    echo: bool = False
    hangs_up: bool = False
    heard: str = field(default="", init=False)

    def play(self, line: socket.socket) -> None:
        """Say and hear all of it, or as much as there is someone at the other end."""
        with contextlib.suppress(BrokenPipeError):
            self._play(line)

    def _play(self, line: socket.socket) -> None:
        waited = ""
        for key, text in self.script:
            while key not in waited:
                typed = line.recv(4096).decode()
                if not typed:
                    return
                waited += typed
                self.heard += typed
                if self.echo:
                    line.sendall(typed.encode())
            waited = waited.partition(key)[2] if key else waited
            line.sendall(text.encode())
        if self.hangs_up:
            line.shutdown(socket.SHUT_WR)


@contextmanager
def guest_console(guest: Guest) -> Iterator[Console]:
    """A console with the guest at its other end."""
    here, there = socket.socketpair()
    thread = threading.Thread(target=guest.play, args=(there,))
    thread.start()
    try:
        yield Console(here)
    finally:
        here.shutdown(socket.SHUT_RDWR)
        thread.join()
        here.close()
        there.close()
