"""Panics in console text: what the kernel said, which class it is, and what else went wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from msgport.manual.panics import OTHER, classify, classify_function

_PANIC = re.compile(r"panic: (.*)")
_WORD = re.compile(r"\w")
_DEATH = re.compile(
    r'^Debugger\("panic"\)|^panic\(\) at panic\+|^Trace beginning at frame |SECONDARY PANIC ON CPU', re.M
)
_TRAP = re.compile(r"Fatal (?:trap \d+|double fault)\b.*|DOUBLE FAULT - KERNEL STACK GUARD HIT!")
_SECONDARY = re.compile(r"SECONDARY PANIC ON CPU")
_FRAME = re.compile(r"^(\w+)\(\) at \1\+", re.M)
_AFTERWARDS = re.compile(r"^(?:cpuid = |Trace beginning at|Debugger\(|CPU\d+ stopping|Stopped at|Uptime:|db> )")
_CPU = re.compile(r"^cpuid = (\d+)$", re.M)
_CUT = re.compile(r"cpuid = \d+")
_ASSERTION = re.compile(r"assertion.* failed in \S+ at \S+:\d+\s*$")
_BEGINS_LIKE_OURS = re.compile(r"assertion|lwkt_|port |can't wait|message could")

LEGIBLE = 8
"""A panic's text of fewer characters was torn away: no kernel is that curt."""

CONTINUED = 3
"""How many lines a panic's text may go on for: some have a line feed in them, others are wrapped by a terminal."""


@dataclass(frozen=True)
class Panic:
    """How a machine died.

    ``name`` is a class from ``manual.panics``, or None when neither the text nor the stack trace tells it, or the text
    announces a trap: then nothing follows from it about the message ports. ``text`` is what the kernel said; ``cpu``
    which CPU panicked, None when that line is torn.
    """

    name: str | None
    text: str
    cpu: int | None = None


def find(text: str, start: int, end: int) -> Panic | None:
    """The first panic or trap in plain text from ``start`` to ``end``; what follows it belongs to it."""
    part = text[start:end]
    trap = _TRAP.search(part)
    announced = [match for match in _PANIC.finditer(part) if _announces(match)]
    panic = announced[0] if announced else None
    death = _DEATH.search(part)
    first = min((match.start() for match in (trap, panic, death) if match), default=None)
    if first is None:
        return None
    name: str | None = None
    if trap and (panic is None or trap.start() < panic.start()):
        said = trap[0]
    elif panic:
        name, said = _read(part[panic.start() :])
        if name in (None, OTHER) and (announced[1:] or _SECONDARY.search(part)):
            # Another CPU panicked at the same moment, and their words stand in each other.
            name = _traced(part[first:])
    else:
        name, said = _traced(part[first:]), "a panic whose text was lost"
    cpu = _CPU.search(part, first)
    return Panic(name, said.strip(), int(cpu[1]) if cpu else None)


def _traced(text: str) -> str | None:
    """The class that the stack trace of a panic tells."""
    functions = (classify_function(match[1]) for match in _FRAME.finditer(text))
    return next((name for name in functions if name is not None), None)


def _announces(match: re.Match[str]) -> bool:
    """Tell a panic from a word that ends in "panic:" (a sysctl, a module's name)."""
    return match.start() == 0 or not _WORD.match(match.string, match.start() - 1) or classify(match[1]) != OTHER


def _read(text: str) -> tuple[str | None, str]:
    """Class and text of a panic that begins with ``panic: ``."""
    lines = text.removeprefix("panic: ").split("\n")
    said = lines[0]
    for more in range(1, 1 + CONTINUED):
        if classify(said) != OTHER:
            return classify(said), said
        if more >= len(lines) or _AFTERWARDS.match(lines[more]):
            break
        # A terminal's wrap cuts anywhere, even inside a word.
        for joined in (said + lines[more], said + " " + lines[more]):
            if classify(joined) != OTHER:
                return classify(joined), joined
        said += " " + lines[more]
    # The panicking CPU skips the console lock: another's text may stand in the middle of this one.
    said = lines[0]
    followed = len(lines) > 1 and _AFTERWARDS.match(lines[1])
    whole = _ASSERTION.search(said) or (not _CUT.search(said) and (followed or not _BEGINS_LIKE_OURS.match(said)))
    return (OTHER if whole and len(said.strip()) >= LEGIBLE else None), said
