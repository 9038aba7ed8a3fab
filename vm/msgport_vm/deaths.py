"""How a dying DragonFly kernel is known by what it prints: the one reader of ``deaths.toml``. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources


class Role(StrEnum):
    """What a line tells: see ``deaths.toml``."""

    PANIC = "panic"
    TRAP = "trap"
    SIGN = "sign"
    AFTER = "after"


@dataclass(frozen=True)
class Line:
    """A kind of line that a dying kernel prints; ``pattern`` is looked for within one line."""

    name: str
    role: Role
    pattern: re.Pattern[str]


def _read() -> Mapping[str, Line]:
    text = resources.files("msgport_vm").joinpath("deaths.toml").read_text(encoding="utf-8")
    lines = (
        Line(each["name"], Role(each["role"]), re.compile(each["pattern"], re.MULTILINE))
        for each in tomllib.loads(text)["line"]
    )
    return {line.name: line for line in lines}


LINES = _read()


def matches(text: str, *roles: Role) -> Iterator[re.Match[str]]:
    """Where a text holds lines of these roles, each kind in turn."""
    return (match for line in LINES.values() if line.role in roles for match in line.pattern.finditer(text))


def first(text: str, *roles: Role) -> re.Match[str] | None:
    """The first place where a text holds a line of one of these roles."""
    return min(matches(text, *roles), key=re.Match.start, default=None)


def death(console: str) -> str:
    """The first line with which a kernel says why it dies, or else that it does; empty when there is none."""
    found = first(console, Role.PANIC, Role.TRAP) or first(console, Role.SIGN)
    # A serial console ends its lines with \r\n.
    return re.split(r"[\r\n]", console[found.start() :], maxsplit=1)[0] if found else ""
