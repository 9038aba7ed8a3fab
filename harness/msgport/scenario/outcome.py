"""An outcome: what one execution of a variant makes observable, as text that model, module and transcript share.

A value is one of: a message's declared name, ``null``, ``stray`` (a message not of this execution), ``-`` (step not
reached or skipped), a decimal number, flags as ``manual.api.show_flags`` writes them, a queue as ``a+b`` or ``empty``,
or the lines said, joined with `` / `` (``none`` when there are none). An ending is ``done``, ``deadlock@T0.1+T2.3``
(every unfinished thread with the 1-based statement that it sleeps in, in column order) or ``panic CLASS@T0.1``
(``@ipi`` when it strikes in the delivery of an IPI).

The ``manual`` model permits more than one value where the page is silent: a pattern may hold ``*`` for a value,
``[+USER0-USER1]`` for flags of which only some are fixed, and the ending ``*`` for "anything at all".
"""

from __future__ import annotations

from dataclasses import dataclass

from msgport.manual.api import SHOWN_FLAGS

ANY = "*"


@dataclass(frozen=True, order=True)
class Outcome:
    """How an execution ended, and the value of each observable in the variant's order; a panic carries none."""

    ending: str
    values: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """``done``, ``deadlock``, ``panic``, or ``*`` for the pattern that matches anything."""
        return self.ending.split(" ")[0].split("@")[0]

    def __str__(self) -> str:
        """One line for people: the values, then the ending."""
        return " ".join((*self.values, self.ending))


ANYTHING = Outcome(ANY)


def value_matches(pattern: str, value: str) -> bool:
    """Tell whether an observed value is one that the pattern permits."""
    if pattern in (ANY, value):
        return True
    if not pattern.startswith("["):
        return False
    shown = set() if value == "0" else set(value.split("+"))
    if not shown <= set(SHOWN_FLAGS):
        return False
    signs = pattern[1:-1].replace("+", " +").replace("-", " -").split()
    return all((sign[1:] in shown) == (sign[0] == "+") for sign in signs)


def matches(pattern: Outcome, outcome: Outcome) -> bool:
    """Tell whether an observed outcome is one that the pattern permits.

    A pattern's ending is exact, ``*``, or ``panic *``/``deadlock *`` for any panic or deadlock at all.
    """
    if pattern.ending == ANY:
        return True
    if pattern.ending in ("panic *", "deadlock *"):
        return pattern.ending.split()[0] == outcome.kind
    return (
        pattern.ending == outcome.ending
        and len(pattern.values) == len(outcome.values)
        and all(map(value_matches, pattern.values, outcome.values))
    )
