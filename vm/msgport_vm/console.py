"""A guest's serial console: text line by line, prompts as they stand, a shell that is asked with echo-proof markers.

pexpect does the reading and the matching. Nothing is thrown away: every character is handed on exactly once.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pexpect
from pexpect.fdpexpect import fdspawn

SCREEN = 4000
"""How many characters of what was said last are kept to be shown when something goes wrong."""

LINE = r"[^\n]*\n"
SET_PROMPT = "PS1='msg''port# '"
PROMPT = r"msgport# \Z"
PROMPT_COMES = 1.0
"""Seconds that a prompt may take after a command's end; one that never comes (torn by kernel text) is not missed."""


BURST = 32
ECHO_COMES = 0.25
"""Characters typed at once, and the seconds that their echo may take before the next; without echo it is a pause."""


@dataclass(frozen=True)
class Heard:
    """Text that came; ``which`` is the place of the pattern that it ends with, None for an ordinary line.

    ``group`` is what the pattern's first group matched, empty when it has none.
    """

    text: str
    which: int | None = None
    group: str = ""


class Console:
    """One end of a serial line."""

    def __init__(self, connection: socket.socket) -> None:
        """Read and write this socket, which stays the caller's to close."""
        self._connection = connection
        self._spawn = fdspawn(
            connection, encoding="utf-8", codec_errors="replace", use_poll=True, timeout=None, maxread=65536
        )
        self._consumed = 0
        self._said = ""
        self._number = 0
        self.closed = False

    @property
    def received(self) -> int:
        """How many characters came until now, those not yet handed on included."""
        return self._consumed + len(self._spawn.buffer)

    @property
    def screen(self) -> str:
        """What was said last."""
        return (self._said + self._spawn.buffer)[-SCREEN:]

    def hear(self, patterns: Sequence[str], seconds: float) -> Heard | None:
        r"""Wait for a whole line or for one of the patterns; None when neither came in that many seconds.

        A pattern is looked for from the start of a line on, within it; ``\Z`` stands for "and nothing more came yet".
        """
        wanted = [rf"[^\n]*?(?:{pattern})" for pattern in patterns]
        try:
            which = self._spawn.expect([*wanted, LINE], timeout=max(seconds, 0))
        except pexpect.TIMEOUT:
            return None
        except (pexpect.EOF, OSError):
            self.closed = True
            return None
        before, match = self._spawn.before, self._spawn.match
        assert isinstance(before, str) and isinstance(match, re.Match)
        text = before + match[0]
        self._hand_on(text)
        if which == len(wanted):
            return Heard(text)
        return Heard(text, which, match[1] or "" if match.re.groups else "")

    def flush(self) -> str:
        """Hand on what came and is no whole line."""
        text = self._spawn.buffer
        assert isinstance(text, str)
        self._spawn.buffer = ""
        self._hand_on(text)
        return text

    def _hand_on(self, text: str) -> None:
        self._consumed += len(text)
        self._said = (self._said + text)[-SCREEN:]

    def send(self, text: str) -> None:
        """Type something, no faster than it is echoed: a serial driver's buffer is short, and what is over is lost.

        A console that is gone is found out by what it does not say.
        """
        for at in range(0, len(text), BURST):
            piece = text[at : at + BURST]
            try:
                self._connection.sendall(piece.encode())
                if at + BURST < len(text):
                    self._await_echo(len(piece))
            except (OSError, pexpect.EOF):
                self.closed = True
                return

    def _await_echo(self, length: int) -> None:
        wanted = self.received + length
        end = time.monotonic() + ECHO_COMES
        while self.received < wanted and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(pexpect.TIMEOUT):
                self._spawn.buffer += self._spawn.read_nonblocking(4096, left)

    def settle(self) -> str:
        """Hand on what follows a command's end, up to the next prompt: what is typed before it would mix with it."""
        end = time.monotonic() + PROMPT_COMES
        said = ""
        while (left := end - time.monotonic()) > 0:
            heard = self.hear([PROMPT], left)
            if heard is None:
                break
            said += heard.text
            if heard.which == 0:
                break
        return said

    def ask(self, command: str) -> str:
        """Type a shell command (at most 200 characters); the pattern of its end, whose group is its exit status.

        What is typed comes back as an echo, which differs from what it makes the shell print. It is printed twice,
        because the kernel's own text can fall into the middle of anything.
        """
        self._number += 1
        mark = f"p-{self._number:04d}"
        self.send(f"{command};s=$?;echo m''{mark}:$s;echo m''{mark}:$s\r")
        return rf"m{mark}:(\d+)\r?\n"
