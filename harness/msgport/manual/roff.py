"""What roff(7) does to text before mdoc(7) sees it: escapes, continued lines, the arguments of a macro."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgport.manual.source import Line

# groff_char(7): the special characters that stand in C or in what surrounds it.
_CHARACTERS = {
    **{"aq": "'", "dq": '"', "rs": "\\", "bs": "\\", "ha": "^", "ti": "~", "ga": "`", "at": "@", "sh": "#", "Do": "$"},
    **{"lB": "[", "rB": "]", "lC": "{", "rC": "}", "la": "<", "ra": ">", "sl": "/", "ba": "|", "or": "|", "ul": "_"},
    **{"mi": "-", "hy": "-", "en": "-", "em": "--", "pl": "+", "eq": "=", "mu": "*", "**": "*", "<=": "<=", ">=": ">="},
    **{"lq": '"', "rq": '"', "oq": "'", "cq": "'", "bu": "*", "co": "(c)", "rg": "(r)", "tm": "(tm)", "->": "->"},
}
_ESCAPE = re.compile(
    r"""\\(?:
      (?P<comment>["#].*)
    | \[(?P<long>[^\]\n]*)\]
    | \((?P<two>..)
    | [fFmMgkV*n](?:\[[^\]\n]*\]|\(..|.)     # fonts, colours, registers, strings
    | s(?:[+-]?\([0-9]{2}|\[[^\]\n]*\]|[+-]?[0-9]'?)   # sizes
    | [ABbCDHhLlNoRSvwXxZ]'[^'\n]*'                 # what takes an argument in quotes
    | (?P<one>.)
    )""",
    re.VERBOSE,
)
_ONE = {"e": "\\", "\\": "\\", "-": "-", "'": "'", "`": "`", " ": " ", "0": " ", "~": " ", "t": "\t", ".": "."}
_NOTHING = frozenset("&|^:%/,)cdupraz{}!?")
_ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|((?:\\.|[^\s\\]|\\$)+)')


def unescaped(text: str) -> str:
    r"""The characters that a line of roff text puts on paper: ``\e`` is a backslash, ``\&`` nothing."""
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    name = match["long"] if match["long"] is not None else match["two"]
    if name is not None:
        return _CHARACTERS.get(name, "")
    one: str | None = match["one"]
    if one is None or one in _NOTHING:
        return ""
    # An escape that roff does not know stands for its character.
    return _ONE.get(one, one)


def joined(lines: Sequence[Line]) -> Iterator[Line]:
    """The lines with each that a backslash at its end continues joined to the next, under the first one's number."""
    pending: Line | None = None
    for line in lines:
        text = line.text if pending is None else pending.text + line.text
        number = line.number if pending is None else pending.number
        comment = text.startswith(('.\\"', "'\\\""))
        if not comment and (len(text) - len(text.rstrip("\\"))) % 2:
            pending = Line(number, text[:-1])
        else:
            pending = None
            yield Line(number, text)
    if pending is not None:
        yield pending


def macro_of(text: str) -> tuple[str, tuple[str, ...]] | None:
    """A line's macro or request and its arguments, escapes undone; None for text, ``""`` for a comment."""
    if text[:1] not in (".", "'"):
        return None
    name, _, rest = text[1:].lstrip(" \t").partition(" ")
    if not name or name.startswith("\\"):
        return "", ()
    name, tab, more = name.partition("\t")
    found: list[str] = []
    for match in _ARGUMENT.finditer(more + " " + rest if tab else rest):
        quoted, plain = match[1], match[2]
        if quoted is None and plain.startswith('\\"'):
            break
        found.append(unescaped(quoted.replace('""', '"') if quoted is not None else plain))
    return name, tuple(found)
