"""An outcome as a row of numbers, the form in which a module counts and compares it.

A row holds, for each thread, the statement that it was left asleep in (0: it finished); then each observable in the
variant's order, a queue taking one place for every message and one more; then, when the variant says something, the
number of the line for each thing said. Numbers that a module names are written by their names in C.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from msgport.manual.api import FLAGS, show_flags
from msgport.scenario.outcome import ANY, Outcome
from msgport.scenario.program import Observable, Variant
from msgport.scenario.statements import STATEMENTS

NONE, NULL, STRAY, EMPTY, ANYTHING = "MPT_NONE", "MPT_NULL", "MPT_STRAY", "MPT_EMPTY", "MPT_ANY"
NUMBERS = {name: -0x7FFFFFFFFFFFFFFF + place for place, name in enumerate((NONE, NULL, STRAY, EMPTY, ANYTHING))}
"""What the names stand for in a module."""

KINDS = {"message": "m", "number": "n", "flags": "f"}
"""The kind of a statement's result, as ``Place`` has it."""


@dataclass(frozen=True)
class Place:
    """Where an observable lies in a row: first number, how many, and its kind: m, n, f (flags), or q (queue)."""

    observable: Observable
    at: int
    width: int
    kind: str


class Layout:
    """The rows of one variant."""

    def __init__(self, variant: Variant) -> None:
        """Lay them out. ValueError for an observable that is no such thing."""
        self.variant = variant
        self.messages = {message.name: str(number) for number, message in enumerate(variant.messages)}
        results = {
            f"{thread.name}:{statement.register}": STATEMENTS[statement.op].result
            for thread in variant.threads
            for statement in thread.body
        }
        at = len(variant.threads)
        places = []
        for observable in variant.observables:
            match observable.kind:
                case "register":
                    kind = KINDS[results[observable.subject] or ""]
                case "error" | "calls":
                    kind = "n"
                case "flags":
                    kind = "f"
                case "queue":
                    kind = "q"
                case other:
                    raise ValueError(f"a module cannot observe {other!r}")
            width = len(variant.messages) + 1 if kind == "q" else 1
            places.append(Place(observable, at, width, kind))
            at += width
        self.places = tuple(places)
        self.register = {place.observable.subject: place.at for place in places if place.observable.kind == "register"}
        said = [s.arguments[0] for thread in variant.threads for s in thread.body if s.op == "say"]
        self.lines = {text: number for number, text in enumerate(dict.fromkeys(map(str, said)))}
        self.says_at = at
        self.says_width = len(said)
        self.width = at + self.says_width

    def row(self, outcome: Outcome) -> tuple[str, ...]:
        """Write an outcome as a row. ValueError for one that has another shape, or is a pattern (``*`` apart)."""
        expected = len(self.places) + bool(self.variant.says)
        if outcome.kind not in ("done", "deadlock") or len(outcome.values) != expected:
            raise ValueError(f"{self.variant.name}: no module can look for the outcome {str(outcome)!r}")
        row = list(self._ending(outcome.ending))
        for place, value in zip(self.places, outcome.values, strict=False):
            row += self._value(place, value)
        if self.variant.says:
            row += self._said(outcome.values[-1])
        return tuple(row)

    def outcome(self, row: Sequence[int]) -> Outcome:
        """Read a row of numbers as the outcome that a module means by it. ValueError for one of another width."""
        if len(row) != self.width:
            raise ValueError(f"{self.variant.name}: a row of {len(row)} numbers where there are {self.width}")
        asleep = [f"{thread.name}.{step}" for thread, step in zip(self.variant.threads, row, strict=False) if step]
        values = [self.text(place.kind, row[place.at : place.at + place.width]) for place in self.places]
        if self.variant.says:
            lines = list(self.lines)
            values.append(" / ".join(lines[n] for n in row[self.says_at :] if n != NUMBERS[NONE]) or "none")
        return Outcome("deadlock@" + "+".join(asleep) if asleep else "done", tuple(values))

    def text(self, kind: str, numbers: Sequence[int]) -> str:
        """Write an observable's numbers as an outcome does; ``kind`` as in ``Place``."""
        if kind == "q":
            return "+".join(self._name(number) for number in numbers if number != NUMBERS[EMPTY]) or "empty"
        (number,) = numbers
        if number == NUMBERS[NONE]:
            return "-"
        return {"m": self._name, "f": show_flags}.get(kind, str)(number)

    def _name(self, number: int) -> str:
        special = {NUMBERS[NONE]: "-", NUMBERS[NULL]: "null", NUMBERS[STRAY]: "stray"}
        known = 0 <= number < len(self.variant.messages)
        return special.get(number) or (self.variant.messages[number].name if known else "stray")

    def _ending(self, ending: str) -> list[str]:
        _, _, steps = ending.partition("@")
        asleep = dict(step.rsplit(".", 1) for step in steps.split("+")) if steps else {}
        if unknown := asleep.keys() - {thread.name for thread in self.variant.threads}:
            raise ValueError(f"{self.variant.name}: there is no thread {unknown.pop()!r} for {ending!r}")
        return [str(int(asleep.get(thread.name, "0"))) for thread in self.variant.threads]

    def _value(self, place: Place, value: str) -> list[str]:
        if value == ANY:
            return [ANYTHING] * place.width
        try:
            match place.kind:
                case "q":
                    inside = [] if value == "empty" else [self._message(name) for name in value.split("+")]
                    return (inside + [EMPTY] * place.width)[: place.width]
                case _ if value == "-":
                    return [NONE]
                case "m":
                    return [self._message(value)]
                case "f":
                    return [str(sum(FLAGS[name] for name in value.split("+")) if value != "0" else 0)]
                case _:
                    return [str(int(value))]
        except (KeyError, ValueError):
            raise ValueError(
                f"{self.variant.name}: no module can look for the value {value!r} of {place.observable}"
            ) from None

    def _message(self, name: str) -> str:
        return {"null": NULL, "stray": STRAY, "-": NONE}.get(name) or self.messages[name]

    def _said(self, value: str) -> list[str]:
        if value == ANY:
            return [ANYTHING] * self.says_width
        said = [] if value == "none" else value.split(" / ")
        if len(said) > self.says_width or any(line not in self.lines for line in said):
            raise ValueError(f"{self.variant.name}: no column says {value!r}")
        return ([str(self.lines[line]) for line in said] + [NONE] * self.says_width)[: self.says_width]


def is_wild(rows: tuple[tuple[str, ...], ...]) -> bool:
    """Whether a table of rows leaves a value open."""
    return any(ANYTHING in row for row in rows)


def longest_text(layout: Layout) -> int:
    """An upper bound of the bytes that a row's values or its ending take, written as an outcome writes them."""
    name = max([len(message) for message in layout.messages] + [len("stray")])
    flags = sum(len(flag) + 1 for flag in FLAGS)
    widths = {"m": name, "n": 20, "f": flags, "q": (name + 1) * (len(layout.messages) + 1)}
    values = sum(widths[place.kind] + 1 for place in layout.places)
    # A ring shows the result of every statement, observed or not.
    ops = {statement.op for thread in layout.variant.threads for statement in thread.body}
    results = [widths[KINDS[result]] for op in ops if (result := STATEMENTS[op].result)]
    return max(values, longest_ending(layout), *results) + 1


def longest_ending(layout: Layout) -> int:
    """Bytes of the longest ``deadlock@...`` there can be."""
    steps = (len(re.sub(r"\s", "", thread.name)) + 2 + len(str(len(thread.body))) for thread in layout.variant.threads)
    return len("deadlock@") + sum(steps)
