"""A scenario's expectations judged against what the models allow: a wrong one is an error in the file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from msgport.scenario.condition import Expectation, holds
from msgport.scenario.outcome import Outcome, matches
from msgport.scenario.program import Variant


@dataclass(frozen=True)
class WrongExpectation:
    """An expectation that a model contradicts.

    ``counterexample`` is an outcome, each value with its name; None when no outcome is the one hoped for.
    """

    variant: str
    file: str
    expectation: Expectation
    model: str
    counterexample: str | None

    @property
    def reason(self) -> str:
        """What the model allows instead."""
        return f"the {self.model} model allows {self.counterexample or 'no such outcome'}"

    def __str__(self) -> str:
        """``FILE:LINE: ...``, for people."""
        return f"{self.file}:{self.expectation.line}: {self.variant}: `{self.expectation.text}` is wrong: {self.reason}"


def wrong_expectations(
    variant: Variant, manual: Collection[Outcome], kernel: Collection[Outcome]
) -> Iterator[WrongExpectation]:
    """Every expectation of a variant that a model it binds contradicts.

    ``always`` is wrong if an outcome is known to break it; ``never`` if one is known to fulfil it; ``sometimes`` if
    none may fulfil it. An outcome of which the page leaves a value open contradicts nothing that speaks of the value.
    """
    for expectation in variant.expectations:
        for model, outcomes in (("manual", manual), ("kernel", kernel)):
            if expectation.model in ("both", model):
                found, counterexample = _contradicted(expectation, sorted(outcomes), variant)
                if found:
                    shown = _labelled(counterexample, variant) if counterexample is not None else None
                    yield WrongExpectation(variant.name, variant.position.file, expectation, model, shown)


def _labelled(outcome: Outcome, variant: Variant) -> str:
    """``0:r0=a 1:r0=null done``."""
    values = (f"{name.removeprefix('T')}={value}" for name, value in zip(variant.index, outcome.values, strict=False))
    return " ".join((*values, outcome.ending))


def _contradicted(
    expectation: Expectation, outcomes: Sequence[Outcome], variant: Variant
) -> tuple[bool, Outcome | None]:
    values = [(outcome, holds(expectation.condition, outcome, variant.index)) for outcome in outcomes]
    if expectation.quantifier == "sometimes":
        return all(value is False for _, value in values), None
    wrong = expectation.quantifier == "never"
    counterexample = next((outcome for outcome, value in values if value is wrong), None)
    return counterexample is not None, counterexample


def undeclared(
    manual: Collection[Outcome], kernel: Collection[Outcome], deviations: Callable[[Outcome], Sequence[str]]
) -> list[Outcome]:
    """The outcomes that the kernel model allows outside the manual without a named deviation: a fault of ours."""
    return [
        outcome
        for outcome in sorted(kernel)
        if not any(matches(pattern, outcome) for pattern in manual) and not deviations(outcome)
    ]
