"""The panics that a kernel's message ports can raise, and the words that announce each: reads ``panics.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

OTHER = "other"

SLIPS = 2
"""So many characters of a known text may be spoilt: an escape that noise makes takes the next one along."""

FOREIGN = 100
"""So many characters of others may stand in one: a line that another CPU prints meanwhile, and some addresses."""

_ADDRESS = "(?:0x)?[0-9a-f]+"
_BESIDE = re.compile(
    r"""
    [0x]*f{3,}[0-9a-f]+ | [0x]*[0-9a-f]{6,}                           # an address, or what is left of one
    | (?:[ ]at)?[ .][^\s"]*(?:[/.]|c:)[^\s"]*\s*$ | :\d+\s*$          # the place in the source
    | \S*d[ ]=[ ]\d+\s*$ | \w*ginning[ ]at[ ]frame.*                  # the end of the line behind it
    """,
    re.VERBOSE,
)
"""What of a panic's line is no wording, whole or in part."""


@dataclass(frozen=True)
class PanicClass:
    """One way to panic: its name, what it is, its texts and assertions as ``panics.toml`` has them.

    ``invariants`` tells whether only INVARIANTS kernels have it. ``frame`` is empty when no stack trace tells it.
    """

    name: str
    about: str
    texts: tuple[str, ...] = ()
    assertions: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    invariants: bool = False
    frame: str = ""

    @property
    def wordings(self) -> tuple[str, ...]:
        """All that announces it, without white space; ``%p`` for an address."""
        new = (f'assertion "{e}" failed in {f} at' for e in self.assertions for f in self.functions)
        # Before 2.12.
        old = (f"assertion: {e} in {f}" for e in self.assertions for f in self.functions)
        return tuple("".join(wording.split()) for wording in (*self.texts, *new, *old))


def _read() -> Iterator[PanicClass]:
    text = resources.files("msgport.manual").joinpath("panics.toml").read_text(encoding="utf-8")
    for each in tomllib.loads(text)["panic"]:
        lists = {key: tuple(each.pop(key, ())) for key in ("texts", "assertions", "functions")}
        yield PanicClass(**{"invariants": bool(lists["assertions"]), **each, **lists})


PANICS = tuple(_read())

ASSERTIONS = frozenset(panic.name for panic in PANICS if panic.invariants)
"""The classes that only a kernel with INVARIANTS has."""


def _pattern(wording: str) -> str:
    # Before 2.12 an assertion ended with its function's name: the whole of it.
    end = r"(?!\w)" if wording.startswith("assertion:") else ""
    return _ADDRESS.join(map(re.escape, wording.split("%p"))) + end


_PATTERNS = tuple((re.compile("|".join(map(_pattern, panic.wordings))), panic.name) for panic in PANICS)


def classify(text: str) -> str:
    """Name the panic that ``text`` (what follows ``panic: ``, possibly over several lines) announces."""
    squeezed = "".join(text.split())
    return next((name for pattern, name in _PATTERNS if pattern.search(squeezed)), OTHER)


def classify_function(function: str) -> str | None:
    """Name the panic that a function in a stack trace tells; None when it tells none, or more than one."""
    return next((panic.name for panic in PANICS if panic.frame and panic.frame == function), None)


def may_be_known(text: str) -> bool:
    """Tell whether a text that announces ``other`` may be a known one that others' words fell into."""
    squeezed = "".join(re.sub(r"0x[0-9a-f]+", "", text).split())
    wordings = (wording.replace("%p", "") for panic in PANICS for wording in panic.wordings)
    return any(
        len(squeezed) - len(wording) <= FOREIGN and _common(squeezed, wording) >= len(wording) - SLIPS
        for wording in wordings
    )


def may_be_left(line: str) -> bool:
    """Tell whether a line that announces ``other`` may be what is left of a known one: all of it stands in that."""
    left = "".join(_BESIDE.sub("", line).split())
    return any(_common(left, wording) >= len(left) - SLIPS for panic in PANICS for wording in panic.wordings)


def _common(one: str, other: str) -> int:
    """The length of the longest common subsequence."""
    places = {c: sum(1 << at for at, each in enumerate(other) if each == c) for c in set(other)}
    row = (1 << len(other)) - 1
    for character in one:
        here = row & places.get(character, 0)
        row = (row + here | row - here) & (1 << len(other)) - 1
    return len(other) - row.bit_count()
