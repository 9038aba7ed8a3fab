"""Panics in console text: what the kernel said, which class it is, and what else went wrong with it."""

from __future__ import annotations

import re
from itertools import takewhile

from msgport.manual.panics import OTHER, classify, classify_function, may_be_known, may_be_left
from msgport.transcript.load import Panic
from msgport_vm.deaths import LINES, Role, first, matches

_ANNOUNCED = re.compile("(?<!reboot after )panic: ")
_SECONDARY = LINES["secondary panic"].pattern
_FRAME = re.compile(r"^(\w+)\(\) at \1\+", re.M)
_CPUS = (LINES["cpu"].pattern, LINES["others stop"].pattern)
_CUT = re.compile(r"cpuid = \d+")
_ASSERTION = re.compile(r"assertion.* failed in \S+ at \S+:\d+\s*$")

LEGIBLE = 8
"""A panic's text of fewer characters was torn away: no kernel is that curt."""

LONGEST = 1000
"""Characters of a panic's text at most that are looked at."""

CONTINUED = 3
"""How many lines a panic's text may go on for: some have a line feed in them, others are wrapped by a terminal."""


def find(text: str, start: int, end: int) -> Panic | None:
    """The first panic or trap in plain text from ``start`` to ``end``; what follows it belongs to it."""
    part = text[start:end]
    announced = sorted({match.end() for match in matches(part, Role.PANIC)} | _torn_into(part))
    trap = first(part, Role.TRAP)
    if not announced and first(part, Role.TRAP, Role.SIGN) is None:
        return None
    name: str | None = None
    if trap and (not announced or trap.start() < announced[0]):
        said = part[trap.start() :].partition("\n")[0]
    elif announced:
        name, said = _read(part[announced[0] : announced[0] + (1 + CONTINUED) * LONGEST])
        later = {classify(_line(part, at)) for at in announced[1:]} - {OTHER}
        if later - {name} or (name in (None, OTHER) and (announced[1:] or _SECONDARY.search(part))):
            # Another CPU panicked at the same moment, and their words stand in each other.
            name = None
        traced = _traced(part)
        if name is None:
            name = traced
        elif traced not in (None, name) and not announced[1:]:
            # What is left of a text that lost words may read as another's.
            name = None
    else:
        name, said = _traced(part), "a panic whose text was lost"
    cpus = {int(match["cpu"]) for line in _CPUS for match in line.finditer(part)}
    return Panic(name, said.strip(), cpus.pop() if len(cpus) == 1 else None)


def _ends(line: str) -> bool:
    """Tell whether a line is what a kernel prints after a panic's text."""
    return any(matches(line, Role.AFTER, Role.SIGN))


def _torn_into(text: str) -> set[int]:
    """Where a panic is announced in the middle of a word, a record's perhaps, and what follows is one of ours."""
    ends = (match.end() for match in _ANNOUNCED.finditer(text))
    return {end for end in ends if classify(_line(text, end)) != OTHER}


def _line(text: str, start: int) -> str:
    """The rest of the line from there on; no more of it than a panic's text has (a kernel may go on for ever)."""
    end = text.find("\n", start, start + LONGEST)
    return text[start : end if end >= 0 else start + LONGEST]


def _traced(text: str) -> str | None:
    """The class that the stack trace of a panic tells."""
    functions = (classify_function(match[1]) for match in _FRAME.finditer(text))
    return next((name for name in functions if name is not None), None)


def _read(text: str) -> tuple[str | None, str]:
    """Class and text of a panic whose text this begins with; no class when it may be a known one that is torn."""
    said, *lines = text.split("\n")
    joined = said
    for line in ("", *takewhile(lambda line: not _ends(line), lines[:CONTINUED])):
        joined += " " + line
        if classify(joined) != OTHER:
            return classify(joined), joined
    # The panicking CPU skips the console lock: another's text may stand in the middle of this one.
    followed = bool(lines) and _ends(lines[0])
    whole = _ASSERTION.search(said) if "assertion" in said else followed and not _CUT.search(said)
    torn = not whole or len(said.strip()) < LEGIBLE or may_be_known(joined) or may_be_left(said)
    return (None if torn else OTHER), said


def better(one: Panic | None, other: Panic) -> Panic:
    """What two channels tell of one panic: a class before none or other, and none where two are told."""
    if one is None or one.name == other.name:
        return one or other
    known = [each for each in (one, other) if each.name not in (None, OTHER)]
    if len(known) == 2:
        return Panic(None, one.text, one.cpu)
    # Of the two, a text of no class is the spoilt one.
    return known[0] if known else (one if one.name is None else other)
