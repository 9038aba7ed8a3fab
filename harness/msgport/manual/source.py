"""The text of a manual page's file: plain, compressed with gzip, or copied from gitweb with its line numbers."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LARGEST = 1 << 22
"""Bytes of text that a manual page may have; the largest of the system's own has a tenth of it."""

ADVICE = "on DragonFly `man -w 9 msgport` names the file; in the source tree it is share/man/man9/msgport.9"

_MACRO = re.compile(r"[.'][ \t]*[A-Za-z]")
_SECTION = re.compile(r"\.[ \t]*(?:Dd|Dt|Sh|TH|SH)\b")
_NUMBERED = re.compile(r"[ \t]*([0-9]+)(?:[ \t](.*))?$")
_GZIP = b"\x1f\x8b"
_PACKERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x9d": "compress"}


class PageError(Exception):
    """A page that cannot be read: the message says what is wrong, in which file and line, and what to do next."""

    def __init__(self, file: str, line: int, what: str, advice: str = "") -> None:
        """``line`` is the page's own, from 1; 0 when it is about the whole file."""
        place = f"{file}:{line}" if line else file
        super().__init__(f"{place}: {what}{'; ' if advice else ''}{advice}")


@dataclass(frozen=True)
class Line:
    """One line of the page and its number there, from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class Source:
    """A page's lines. ``label`` stands for it in C: the file, if a compiler finds these very lines in it."""

    file: str
    label: str
    lines: tuple[Line, ...]


def source_of(data: bytes, file: str) -> Source:
    """The lines of a page from the bytes of its file; ``file`` names it in errors. Raises PageError."""
    text = _decoded(_unpacked(data, file), file)
    if not text.strip():
        raise PageError(file, 0, "it is empty", f"get the page anew: {ADVICE}")
    rows = text.split("\n")
    if rows[-1] == "":
        rows.pop()
    if not any(_SECTION.match(row) for row in rows):
        if any((match := _NUMBERED.match(row)) and _SECTION.match(match[2] or "") for row in rows):
            return Source(file, f"{file} (numbered)", tuple(_numbered(rows, file)))
        raise PageError(file, 1, _foreign(text, rows), ADVICE)
    packed = data.startswith(_GZIP)
    lines = tuple(Line(number, row) for number, row in enumerate(rows, 1))
    return Source(file, f"{file} (unpacked)" if packed else file, lines)


def _unpacked(data: bytes, file: str) -> bytes:
    for magic, packer in _PACKERS.items():
        if data.startswith(magic):
            raise PageError(file, 0, f"it is packed with {packer}", "unpack it first; only gzip is unpacked here")
    if data.startswith(_GZIP):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            data = unpacker.decompress(data, LARGEST + 1)
        except zlib.error as error:
            raise PageError(file, 0, f"its gzip data is damaged ({error})", f"get it anew: {ADVICE}") from error
        if len(data) <= LARGEST and not unpacker.eof:
            raise PageError(file, 0, "its gzip data is cut off", f"get the whole file: {ADVICE}")
    if len(data) > LARGEST:
        raise PageError(file, 0, f"it is larger than {LARGEST >> 20} MiB: that is no manual page", ADVICE)
    return data


def _decoded(data: bytes, file: str) -> str:
    if b"\0" in data:
        raise PageError(
            file, data.count(b"\n", 0, data.index(b"\0")) + 1, "it is no text: it holds a zero byte", ADVICE
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    # A browser's copy has no-break spaces where the page has blanks.
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\N{NO-BREAK SPACE}", " ")


def _numbered(rows: Sequence[str], file: str) -> Iterator[Line]:
    """The page's own lines of a copy that has a number before each. Raises PageError when a number is missing."""
    matches = [_NUMBERED.match(row) for row in rows]
    first = next((at for at, match in enumerate(matches) if match and int(match[1]) == 1), None)
    if first is None:
        begins = next(int(match[1]) for match in matches if match)
        raise PageError(file, 1, f"the copy begins with line {begins} of the page", "copy the whole page again")
    expected = 1
    for at, match in enumerate(matches[first:], first + 1):
        if match and int(match[1]) == expected:
            yield Line(expected, match[2] or "")
            expected += 1
        elif match and int(match[1]) > expected:
            raise PageError(
                file, at, f"line {int(match[1])} of the page follows line {expected - 1}", "copy the whole page again"
            )
        elif any(later and int(later[1]) == expected for later in matches[at:]):
            raise PageError(
                file, at, f"this has no line number, but line {expected} of the page follows", "copy the page again"
            )
        else:
            # What stands below the page on gitweb's page.
            return


def _foreign(text: str, rows: Sequence[str]) -> str:
    """Say what a text without a section macro may be."""
    if re.match(r"\s*<(?:!doctype|html|\?xml|head|body)", text, re.IGNORECASE):
        return "this is HTML, not the page's source (a web view of it offers the raw file)"
    if "\b" in text or any(re.match(r"[A-Z][A-Z0-9_.-]+\([1-9]\w*\)\s", row) for row in rows):
        return "this is a rendered page, not its source"
    if any(row.startswith(".so ") for row in rows):
        return f"this only refers to another page: {next(row for row in rows if row.startswith('.so '))[4:].strip()}"
    if any(_MACRO.match(row) or row.startswith('.\\"') for row in rows):
        return "this is a piece of a roff text without any section (.Sh): the page is cut off"
    return "this is no manual page: it has no mdoc macro at all"
