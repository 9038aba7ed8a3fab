"""What a page's SYNOPSIS declares, held against what each era of DragonFly has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from msgport.manual.api import PRIVATE, Era, function_names, prototypes
from msgport.manual.mdoc import Page
from msgport.manual.prototype import Prototype
from msgport.manual.source import ADVICE, PageError


class Drift(StrEnum):
    """How a function differs between a page and an era."""

    CHANGED = "changed"  # both have it, with other parameters or another return type
    PRIVATE = "private"  # the era has it, but a module cannot call it
    ABSENT = "absent"  # only other eras have it
    UNKNOWN = "unknown"  # no era has it
    UNDOCUMENTED = "undocumented"  # the era has it, the page does not declare it


@dataclass(frozen=True)
class Change:
    """One function that differs. ``line`` is the page's, 0 for what it does not declare."""

    kind: Drift
    function: str
    line: int
    page: Prototype | None
    era: Prototype | None

    @property
    def about(self) -> str:
        """Say in words what differs."""
        match self.kind:
            case Drift.CHANGED:
                assert self.page and self.era
                return f"other {' and '.join(self.page.differences(self.era))}"
            case Drift.PRIVATE:
                return "private to lwkt_msgport.c: a module cannot call it"
            case Drift.ABSENT:
                return f"there in era {', '.join(era for era in Era if self.function in prototypes(era))} only"
            case Drift.UNKNOWN:
                return "no era has such a function"
            case Drift.UNDOCUMENTED:
                return "the page does not declare it"


def check_subject(page: Page) -> None:
    """PageError unless the page declares functions of message ports."""
    if not any(declared.prototype.name in function_names() for declared in page.functions):
        synopsis = next(section.line for section in page.sections if section.title == "SYNOPSIS")
        raise PageError(
            page.file,
            synopsis,
            f"{page.title.lower()}({page.volume}) is not about message ports: its SYNOPSIS has none of their functions",
            f"give msgport(9): {ADVICE}",
        )


def drift(page: Page, era: Era) -> tuple[Change, ...]:
    """How the page's SYNOPSIS differs from an era: its own functions in its order, then those that it lacks."""
    has = prototypes(era)
    found: list[Change] = []
    for declared in page.functions:
        written, there = declared.prototype, has.get(declared.prototype.name)
        if there is not None:
            kind = Drift.CHANGED if written.differences(there) else None
        elif written.name in PRIVATE.get(era, ()):
            kind = Drift.PRIVATE
        else:
            kind = Drift.ABSENT if written.name in function_names() else Drift.UNKNOWN
        if kind is not None:
            found.append(Change(kind, written.name, declared.line, written, there))
    declares = {declared.prototype.name for declared in page.functions}
    found += [Change(Drift.UNDOCUMENTED, name, 0, None, has[name]) for name in has if name not in declares]
    return tuple(found)


def eras_of(page: Page) -> tuple[tuple[Era, ...], bool]:
    """The eras that the page's SYNOPSIS fits best, and whether all that it declares is there in them as declared.

    A page that goes on declaring what has become private is still of that era.
    """
    scores: dict[Era, tuple[int, int]] = {}
    for era in Era:
        kinds = [change.kind for change in drift(page, era)]
        wrong = sum(kinds.count(kind) for kind in (Drift.CHANGED, Drift.ABSENT, Drift.UNKNOWN))
        scores[era] = wrong, kinds.count(Drift.PRIVATE)
    best = min(scores.values())
    return tuple(era for era, score in scores.items() if score == best), best[0] == 0


def unlisted(page: Page) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The functions that NAME lists and SYNOPSIS does not declare, and the reverse."""
    declared = [each.prototype.name for each in page.functions]
    return (
        tuple(name for name in page.names if name not in declared),
        tuple(name for name in declared if name not in page.names),
    )
