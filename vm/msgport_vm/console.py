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

LINE = r"\A[^\n]*\n"
SET_UP = "PS1='msg''port# ';mp(){ s=$?;echo m''p-$1:$s;echo m''p-$1:$s;}"
"""What makes any sh(1) one that can be asked: a prompt of its own, and a short word that tells a command's end.

The end is told twice, because the kernel's own text can fall into the middle of anything.
"""
LONGEST = 200
"""Characters of a command at most: a terminal's line holds 255."""
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
        self._last = ""
        self.closed = False

    @property
    def received(self) -> int:
        """How many characters came until now, those not yet handed on included."""
        return self._consumed + len(self._waiting)

    @property
    def screen(self) -> str:
        """What was said last."""
        return (self._said + self._waiting)[-SCREEN:]

    @property
    def _waiting(self) -> str:
        """What came and was not handed on."""
        return self._last + str(self._spawn.buffer)

    def hear(self, patterns: Sequence[str], seconds: float) -> Heard | None:
        r"""Wait for a whole line or for one of the patterns; None when neither came in that many seconds.

        A pattern is looked for from the start of a line on, within it; ``\Z`` stands for "and nothing more came yet".
        """
        wanted = [rf"\A[^\n]*?(?:{pattern})" for pattern in patterns]
        try:
            which = self._spawn.expect([*wanted, LINE], timeout=max(seconds, 0))
        except pexpect.TIMEOUT:
            return None
        except (pexpect.EOF, OSError):
            self._end()
            return None
        # Every pattern begins where what waits begins: nothing comes before it.
        match = self._spawn.match
        assert isinstance(match, re.Match)
        text = match[0]
        self._hand_on(text)
        if which == len(wanted):
            return Heard(text)
        return Heard(text, which, match[1] or "" if match.re.groups else "")

    def flush(self) -> str:
        """Hand on what came and is no whole line."""
        text, self._last = self._last, ""
        with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF, OSError):
            self._spawn.expect(r"[\s\S]+", timeout=0)
            text += str(self._spawn.after)
        self._hand_on(text)
        return text

    def _end(self) -> None:
        """Keep what pexpect lays aside at the end of a stream."""
        if not self.closed:
            self.closed = True
            self._last = str(self._spawn.before or "")

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
            except (pexpect.EOF, OSError):
                self._end()
                return

    def _await_echo(self, length: int) -> None:
        with contextlib.suppress(pexpect.TIMEOUT):
            # It matches when so much waits, and takes nothing away.
            self._spawn.expect(rf"(?=[\s\S]{{{len(self._waiting) + length}}})", timeout=ECHO_COMES)

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
        """Type a shell command (at most LONGEST characters); the pattern of its end, whose group is its exit status.

        The shell was set up with SET_UP, or is by this command. What is typed comes back as an echo, which differs from
        what it makes the shell print.
        """
        self._number += 1
        self.send(f"{command};mp {self._number:04d}\r")
        return rf"mp-{self._number:04d}:(\d+)\r?\n"
