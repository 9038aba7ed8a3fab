"""A person's terminal on a machine's console: what was said, what is said, what is typed, and the way out."""

from __future__ import annotations

import os
import pty
import select
import socket
import termios
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from msgport_vm.terminal import LEAVE, SCROLLBACK, attach, raw

PATIENCE = 20.0


@dataclass
class Sitting:
    """Somebody at a console: ``typed`` is the keyboard's other end, ``shown`` the screen's, ``line`` the machine's."""

    log: Path
    line: socket.socket
    typed: int
    shown: int
    left: list[bool] = field(default_factory=list)
    thread: threading.Thread | None = None

    def say(self, text: bytes) -> None:
        """Have the machine say something, which QEMU sends and writes to its log."""
        with self.log.open("ab") as log:
            log.write(text)
        self.line.sendall(text)

    def see(self, text: bytes) -> bytes:
        """Wait until something has been shown; all that was shown up to then, since the last time."""
        seen = b""
        while text not in seen:
            ready, _, _ = select.select([self.shown], [], [], PATIENCE)
            piece = os.read(self.shown, 65536) if ready else b""
            assert piece, f"{text!r} was never shown, but {seen!r}"
            seen += piece
        return seen

    def end(self) -> bool:
        """Wait for the sitting's end, and tell whether the person left."""
        assert self.thread is not None
        self.thread.join(PATIENCE)
        return self.left[0]


@pytest.fixture
def sitting(tmp_path: Path) -> Iterator[Sitting]:
    log = tmp_path / "console.log"
    log.write_bytes(b"x" * SCROLLBACK + b"booted\r\n# ")
    here, there = socket.socketpair()
    keyboard, typed = os.pipe()
    shown, screen = os.pipe()
    sitting = Sitting(log, there, typed, shown)

    def sit() -> None:
        sitting.left.append(attach(here, log, keyboard, screen))
        os.close(screen)

    sitting.thread = threading.Thread(target=sit)
    sitting.thread.start()
    yield sitting
    os.close(typed)
    sitting.thread.join(PATIENCE)
    for end in (keyboard, shown):
        os.close(end)
    here.close()
    there.close()


def test_what_was_said_is_shown_first_and_what_is_said_then_once(sitting: Sitting) -> None:
    shown = sitting.see(b"# ")
    assert shown.endswith(b"booted\r\n# ") and len(shown) == SCROLLBACK
    sitting.say(b"one\r\n")
    sitting.say(b"two\r\n")
    assert sitting.see(b"two\r\n") == b"one\r\ntwo\r\n"


def test_what_is_typed_before_the_way_out_reaches_the_machine_and_the_rest_does_not(sitting: Sitting) -> None:
    os.write(sitting.typed, b"ls\r\x03" + LEAVE + b"rm\r")
    assert sitting.end() is True
    assert sitting.line.recv(100) == b"ls\r\x03"


def test_the_last_words_of_a_machine_that_ends_are_shown(sitting: Sitting) -> None:
    sitting.see(b"# ")
    sitting.say(b"Uptime: 9s\r\n")
    sitting.line.shutdown(socket.SHUT_RDWR)
    assert sitting.end() is False
    assert sitting.see(b"9s\r\n") == b"Uptime: 9s\r\n"


def test_a_machine_whose_folder_has_just_gone_has_ended(tmp_path: Path) -> None:
    here, there = socket.socketpair()
    with here, there:
        assert attach(here, tmp_path / "console.log", 0, 1) is False


def test_a_terminal_is_itself_again_afterwards() -> None:
    controller, keyboard = pty.openpty()
    try:
        before = termios.tcgetattr(keyboard)
        with pytest.raises(KeyboardInterrupt), raw(keyboard):
            assert not termios.tcgetattr(keyboard)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
            raise KeyboardInterrupt
        assert termios.tcgetattr(keyboard) == before
    finally:
        os.close(controller)
        os.close(keyboard)
