"""DDB, the kernel's debugger, asked at its prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgport_vm.console import Console
from msgport_vm.deaths import LINES

DEBUGGER = r"db> \Z"
MORE = r"--More--[\r\x08 ]*\Z"
REBOOT = LINES["reboot"].pattern.pattern
"""What a kernel without a debugger says instead of the prompt."""

QUESTIONS = ("trace", "ps")
SILENCE = 5.0
MOST_LINES = 3000
"""A listing longer than this is a debugger that goes round in circles (a corrupted list)."""


def question(console: Console, questions: Sequence[str] = QUESTIONS, silence: float = SILENCE) -> Iterator[str]:
    """Ask each question in turn, turning pages; yield what the console says, until the debugger says no more."""
    for asked in questions:
        console.send(asked + "\r")
        for _ in range(MOST_LINES):
            heard = console.hear([DEBUGGER, MORE], silence)
            if heard is None:
                yield console.flush()
                return
            yield heard.text
            if heard.which == 0:
                break
            if heard.which == 1:
                console.send(" ")
        else:
            return
