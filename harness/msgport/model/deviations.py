"""Which named deviations a kernel's outcome owes its place outside the manual to."""

from __future__ import annotations

from dataclasses import replace

from msgport.model.explore import explore
from msgport.model.semantics import DEVIATIONS, KERNEL, MANUAL, Deviation, Semantics
from msgport.scenario.outcome import Outcome, matches
from msgport.scenario.program import Variant


def deviations_of(variant: Variant, outcome: Outcome, kernel: Semantics = KERNEL) -> tuple[str, ...]:
    """Name the deviations without which a kernel could not show an outcome that the manual does not permit.

    Empty when the manual permits the outcome, and when no deviation explains it. Where several would do, each by
    itself, they are a smallest set that has to go before the outcome does.
    """
    if any(matches(pattern, outcome) for pattern in explore(variant, MANUAL).outcomes):
        return ()

    def shows(without: tuple[Deviation, ...]) -> bool:
        semantics: Semantics = replace(kernel, **{d.field: getattr(MANUAL, d.field) for d in without})
        return any(matches(pattern, outcome) for pattern in explore(variant, semantics).outcomes)

    if shows(DEVIATIONS):
        return ()
    alone = [d for d in DEVIATIONS if not shows((d,))]
    if not alone:
        alone = list(DEVIATIONS)
        for d in DEVIATIONS:
            rest = [other for other in alone if other is not d]
            if not shows(tuple(rest)):
                alone = rest
    return tuple(d.name for d in alone)
