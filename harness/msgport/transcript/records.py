"""Records found in console text: docs/architecture.md, "Records", tells the format.

A record counts only when its checksum says so. Its length is known, so that one foreign piece that fell into it can be
cut out: every place for it is tried and the checksum tells which is right. Escape codes, carriage returns and line
wraps may fall anywhere, any number of times: they are never part of a record.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

HEADER = 11
"""Bytes of ``msgport:LL:``."""

TAIL = 9
"""Bytes of ``:CCCCCCCC``."""

SHORTEST = HEADER + len("NNNNNNNN:SSSS:k") + TAIL
LONGEST = 120

FOREIGN = 400
"""The longest foreign piece, in bytes, that is looked for inside a record."""

_NOISE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[@-Z\\^-~]|[\x00-\x09\x0b-\x1f\x7f]"
)
_HEADER = re.compile(r"msgport:([0-9a-f]{2}):")
_BODY = re.compile(r"([0-9a-f]{8}):([0-9a-f]{4}):([a-z]+)((?: [a-z]+=[!-9;-~]*)*)")
_WITHOUT_HEADER = re.compile(_BODY.pattern + r":[0-9a-f]{8}")
_HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Record:
    """One intact record: the load's nonce, its number in that load, its kind, its fields; ``line`` as printed."""

    nonce: int
    sequence: int
    kind: str
    fields: tuple[tuple[str, str], ...]
    line: str

    def field(self, key: str) -> str:
        """A field's value. Raises KeyError when the record has no such field."""
        return dict(self.fields)[key]


@dataclass(frozen=True)
class Found:
    """A record and where in the plain text it begins."""

    record: Record
    start: int


def plain(text: str) -> str:
    """Console text without escape codes and control characters; line feeds stay."""
    return _NOISE.sub("", text)


def find(text: str) -> list[Found]:
    """Find every record in plain text, in the order in which they begin."""
    lines = _Unwrapped(text)
    found: list[Found] = []
    for match in _HEADER.finditer(lines.text):
        start, length = match.start(), int(match[1], 16)
        if SHORTEST <= length <= LONGEST:
            window = lines.text[start : start + length + FOREIGN]
            found += [Found(_parse(line), lines.place(start)) for line in _cut_out(window, length)]
    # A piece that fell into the header hides it; what follows tells the header's length all the same.
    known = {each.record.line for each in found}
    for match in _WITHOUT_HEADER.finditer(lines.text):
        line = f"msgport:{len(match[0]) + HEADER:02x}:{match[0]}"
        if line not in known and _intact(line):
            found.append(Found(_parse(line), lines.place(match.start())))
    return sorted(found, key=lambda each: each.start)


class _Unwrapped:
    """Text without its line feeds, any of which may be a wrap inside a record, and where each character stood."""

    def __init__(self, text: str) -> None:
        lines = text.split("\n")
        self.text = "".join(lines)
        self._starts = list(accumulate(map(len, lines), initial=0))

    def place(self, at: int) -> int:
        """The place in the text with line feeds of the character at ``at`` in the text without."""
        return at + bisect_right(self._starts, at) - 1


def _intact(line: str) -> bool:
    """Tell whether a candidate is a record: its checksum is right and its fields can be read."""
    if not line.isascii() or line[-TAIL] != ":" or f"{zlib.crc32(line[:-TAIL].encode()):08x}" != line[1 - TAIL :]:
        return False
    return _BODY.fullmatch(line, HEADER, len(line) - TAIL) is not None


def _cut_out(window: str, length: int) -> list[str]:
    """The records of that length at the beginning of the window, at most one foreign piece cut out of each.

    More than one when the foreign piece holds, or is followed by, another record of the same length: then the header
    fits both, and all of them are real.
    """
    if len(window) >= length and _intact(window[:length]):
        return [window[:length]]
    return list(dict.fromkeys(filter(_intact, _candidates(window, length))))


def _candidates(window: str, length: int) -> Iterator[str]:
    """Every way to cut one piece out of the window that leaves something shaped like a record of that length."""
    body = length - TAIL
    # The checksum is whole and stands after the piece: find where it can end, then try every place for the piece.
    for end in range(length + 1, len(window) + 1):
        if window[end - TAIL] == ":" and _HEXADECIMAL.issuperset(window[end - TAIL + 1 : end]):
            for cut in range(HEADER, body + 1):
                yield window[:cut] + window[cut + end - length : end]
    # The piece fell into the checksum, which is known from what stands before it.
    if len(window) > body and window[body] == ":" and window[:body].isascii():
        checksum = f"{zlib.crc32(window[:body].encode()):08x}"
        for cut in range(body + 1, length):
            if window[body + 1 : cut] == checksum[: cut - body - 1] and checksum[cut - body - 1 :] in window[cut:]:
                yield f"{window[:body]}:{checksum}"


def _parse(line: str) -> Record:
    match = _BODY.fullmatch(line, HEADER, len(line) - TAIL)
    assert match, "only intact lines are parsed"
    fields = (field.split("=", 1) for field in match[4].split())
    return Record(int(match[1], 16), int(match[2], 16), match[3], tuple((key, value) for key, value in fields), line)
