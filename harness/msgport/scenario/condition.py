"""Conditions over outcomes, as ``always``, ``never`` and ``sometimes`` write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from msgport.scenario.outcome import Outcome, value_matches


@dataclass(frozen=True)
class Equal:
    """``1:r0 = a``: the observable, written as ``str(Observable)``, has this value."""

    observable: str
    value: str


@dataclass(frozen=True)
class Ending:
    """``done``, ``deadlock``, ``panic``, ``panic getport-illegal``, ``panic getport-illegal@T0.1``: a prefix match.

    ``text`` matches an ending that equals it, or goes on after it with ``@`` or a space.
    """

    text: str


@dataclass(frozen=True)
class Not:
    """``~ p``."""

    operand: Condition


@dataclass(frozen=True)
class All:
    """``p /\\ q``; true when empty."""

    operands: tuple[Condition, ...]


@dataclass(frozen=True)
class Some:
    """``p \\/ q``; false when empty."""

    operands: tuple[Condition, ...]


Condition = Equal | Ending | Not | All | Some


@dataclass(frozen=True)
class Expectation:
    """One expectation line that applies to a variant.

    ``model`` says whom it binds: ``both`` when unmarked (the two models and, unless ``sometimes``, the target),
    ``manual`` or ``kernel`` when marked so. ``text`` is the line as written and ``line`` where it stands.
    """

    quantifier: Literal["always", "never", "sometimes"]
    condition: Condition
    model: Literal["both", "manual", "kernel"] = "both"
    text: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)


def holds(condition: Condition, outcome: Outcome, index: Mapping[str, int]) -> bool | None:
    """Evaluate a condition on an outcome (Kleene's three values).

    ``index`` maps ``str(observable)`` to its place in ``outcome.values``. None means that it cannot be told: the
    outcome is a pattern that leaves the value open. In an outcome without values (a panic) every ``Equal`` is false.
    """
    match condition:
        case Equal(observable, value):
            if outcome.ending == "*":
                return None
            if not outcome.values:
                return False
            seen = outcome.values[index[observable]]
            # A pattern that permits the value may permit others too.
            return seen == value or (None if value_matches(seen, value) else False)
        case Ending(text):
            if outcome.ending == "*":
                return None
            if outcome.ending.endswith(" *"):
                return text == outcome.kind or (None if text.startswith(outcome.kind) else False)
            return outcome.ending == text or outcome.ending.startswith((text + "@", text + " "))
        case Not(operand):
            inner = holds(operand, outcome, index)
            return None if inner is None else not inner
        case All(operands):
            inners = [holds(each, outcome, index) for each in operands]
            return False if False in inners else (None if None in inners else True)
        case Some(operands):
            inners = [holds(each, outcome, index) for each in operands]
            return True if True in inners else (None if None in inners else False)
