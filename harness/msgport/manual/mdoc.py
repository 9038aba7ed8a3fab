"""An mdoc(7) page as data: its sections, what its SYNOPSIS declares, its literal displays.

Only what a page about functions needs is read: Dt, Dd, Sh, Nm, Nd, In, Fd, Ft, Fn, Fo, Fa, Fc, Bd and Ed; other macros
are markup of prose and passed over. No Python library reads mdoc; mandoc(1), which does, is not on every host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from msgport.manual.prototype import Prototype, parameters_of
from msgport.manual.roff import joined, macro_of, unescaped
from msgport.manual.source import ADVICE, Line, PageError

REQUIRED = ("NAME", "SYNOPSIS", "DESCRIPTION")
LAST = ("SEE ALSO", "STANDARDS", "HISTORY", "AUTHORS", "CAVEATS", "BUGS", "SECURITY CONSIDERATIONS")
"""Sections that a page must have, and those with one of which it ends (mdoc(7), "MANUAL STRUCTURE")."""

_WHOLE = f"get the whole page: {ADVICE}"
_CLOSING = frozenset(".,:;)]?!")
_OPENING = frozenset("([|")
_BLANK = frozenset(("Pp", "sp", "Lp", "PP"))


@dataclass(frozen=True)
class Section:
    """A section's title and the line of its ``.Sh``."""

    title: str
    line: int


@dataclass(frozen=True)
class Declared:
    """A function of the SYNOPSIS and the line of its ``.Fn`` or ``.Fo``."""

    prototype: Prototype
    line: int


@dataclass(frozen=True)
class Literal:
    """A literal display: what it shows, each line under its number in the page; ``markup`` is a macro's line in it."""

    section: str
    line: int
    lines: tuple[Line, ...]
    markup: int = 0


@dataclass(frozen=True)
class Page:
    """What was read of a page. ``date`` is that of its ``.Dd``, as it stands; ``names`` are those of its NAME."""

    file: str
    title: str
    volume: str
    date: str
    names: tuple[str, ...]
    about: str
    sections: tuple[Section, ...]
    headers: tuple[str, ...]
    functions: tuple[Declared, ...]
    literals: tuple[Literal, ...]


def parse(lines: Iterable[Line], file: str) -> Page:
    """Read a page. Raises PageError where it is no mdoc page, contradicts itself or stops before its end."""
    reading = _Reading(file)
    for line in joined(tuple(lines)):
        reading.take(line)
    return reading.page()


@dataclass
class _Reading:
    """The page as far as it has been read."""

    file: str
    title: str = ""
    volume: str = ""
    date: str = ""
    about: str = ""
    last: int = 0
    names: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    functions: list[Declared] = field(default_factory=list)
    literals: list[Literal] = field(default_factory=list)
    _empty: bool = False
    _returns: Line | None = None
    _open: tuple[str, int, list[str]] | None = None
    _displays: list[tuple[bool, int]] = field(default_factory=list)
    _shown: list[Line] = field(default_factory=list)
    _markup: int = 0

    def take(self, line: Line) -> None:
        """Read the next line."""
        self.last = line.number
        macro = macro_of(line.text)
        if macro is None:
            self._empty = False
            if self._literal:
                self._shown.append(Line(line.number, unescaped(line.text)))
            return
        name, arguments = macro
        if name == "Sh":
            self._section(" ".join(arguments), line.number)
        elif name:
            self._empty = False
            self._macro(name, list(arguments), line.number)

    @property
    def _literal(self) -> bool:
        return bool(self._displays) and self._displays[-1][0]

    @property
    def _now(self) -> str:
        return self.sections[-1].title if self.sections else ""

    def _fail(self, line: int, what: str, advice: str = _WHOLE) -> PageError:
        return PageError(self.file, line, what, advice)

    def _macro(self, name: str, arguments: list[str], number: int) -> None:
        match name:
            case "TH":
                raise self._fail(number, "this is a page in man(7) macros, not mdoc(7)", ADVICE)
            case "Dt":
                self.title, self.volume = [*arguments, "", ""][:2]
            case "Dd":
                self.date = re.sub(r"^\$Mdocdate:\s*|\s*\$$", "", " ".join(arguments))
            case "Bd":
                literal = any(argument in ("-literal", "-unfilled") for argument in arguments)
                self._displays.append((literal, number))
                if literal:
                    self._shown, self._markup = [], 0
            case "Ed":
                if not self._displays:
                    raise self._fail(number, "this .Ed closes no display (.Bd)", "mend it, or " + _WHOLE)
                literal, begun = self._displays.pop()
                if literal:
                    self.literals.append(Literal(self._now, begun, tuple(self._shown), self._markup))
            case _ if self._literal:
                if name in _BLANK:
                    self._shown.append(Line(number, ""))
                else:
                    self._markup = self._markup or number
            case _ if self._now == "NAME":
                if name == "Nm":
                    self.names += _words(arguments)
                elif name == "Nd":
                    self.about = " ".join(arguments)
            case _ if self._now == "SYNOPSIS":
                self._synopsis(name, arguments, number)

    def _synopsis(self, name: str, arguments: list[str], number: int) -> None:
        if self._open and name in ("Ft", "Fn", "Fo", "In"):
            raise self._unclosed()
        match name:
            case "In":
                self.headers += _words(arguments)
            case "Fd":
                if match := re.match(r"#\s*include\s*[<\"](.+?)[>\"]", " ".join(arguments)):
                    self.headers.append(match[1])
            case "Ft" | "Vt":
                self._complete(number)
                self._returns = Line(number, " ".join(arguments))
            case "Fn":
                function, *parameters = [*_words(arguments), ""]
                self._declare(function, parameters[:-1], number)
            case "Fo":
                function, *_ = [*_words(arguments), ""]
                self._open = (function, number, [])
            case "Fa" if self._open:
                self._open[2].extend(_words(arguments))
            case "Fc":
                if not self._open:
                    raise self._fail(number, "this .Fc closes no .Fo", "mend it, or " + _WHOLE)
                function, begun, parameters = self._open
                self._open = None
                self._declare(function, parameters, begun)

    def _declare(self, function: str, parameters: Sequence[str], number: int) -> None:
        if not re.fullmatch(r"\w+", function):
            raise self._fail(number, f"a function needs a name, and {function!r} is none", "mend it, or " + _WHOLE)
        returns = self._returns.text if self._returns else "int"
        self._returns = None
        flat = tuple(each for parameter in parameters for each in parameters_of(parameter))
        self.functions.append(Declared(Prototype(returns, function, flat), number))

    def _section(self, title: str, number: int) -> None:
        if self._displays:
            begun = self._displays[-1][1]
            raise self._fail(
                begun, f"the display (.Bd) that begins here is still open at section {title}, line {number}"
            )
        self._end_section(number)
        self.sections.append(Section(title.upper(), number))
        self._empty = True

    def _end_section(self, number: int) -> None:
        if self._open:
            raise self._unclosed()
        self._complete(number)
        if self._empty and self.sections:
            raise self._fail(self.sections[-1].line, f"section {self._now} holds nothing")

    def _complete(self, number: int) -> None:
        if self._returns:
            raise self._fail(self._returns.number, f"no function (.Fn) follows this return type up to line {number}")

    def _unclosed(self) -> PageError:
        assert self._open
        return self._fail(self._open[1], f"the declaration of {self._open[0]} (.Fo) that begins here is never closed")

    def page(self) -> Page:
        """All of it. Raises PageError when the page is not whole."""
        for literal, begun in self._displays:
            what = "literal display" if literal else "display"
            raise self._fail(
                begun, f"the {what} (.Bd) that begins here is never closed: the page is cut off at line {self.last}"
            )
        titles = [section.title for section in self.sections]
        if not self.title:
            raise self._fail(1, "it has no title (.Dt): the page's beginning is missing")
        missing = [title for title in REQUIRED if title not in titles]
        ended = any(title in LAST for title in titles)
        if missing == ["SYNOPSIS"] and ended:
            name = f"{self.title.lower()}({self.volume})"
            what = f"{name} has no SYNOPSIS: it is about no functions"
            raise PageError(self.file, 0, what, f"give msgport(9): {ADVICE}")
        if missing:
            raise self._fail(self.last, f"the page ends here without {' and '.join(missing)}: it is not whole")
        if not ended:
            raise self._fail(
                self.last,
                f"the page ends here, in section {titles[-1]}, and has none of {', '.join(LAST[:4])} "
                "with which a page ends: it is cut off",
            )
        self._end_section(self.last)
        return Page(
            self.file,
            self.title,
            self.volume,
            self.date,
            tuple(self.names),
            self.about,
            tuple(self.sections),
            tuple(self.headers),
            tuple(self.functions),
            tuple(self.literals),
        )


def _words(arguments: Iterable[str]) -> list[str]:
    """A macro's arguments without the punctuation that mdoc lets stand among them."""
    return [word for word in arguments if word not in _CLOSING and word not in _OPENING]
