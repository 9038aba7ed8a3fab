"""The map of the manual: each claim, the scenarios that exercise it, and what the models say of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from msgport.check.models import Models
from msgport.manual.claims import CLAIMS, Claim
from msgport.scenario.outcome import matches

SCHEMA = "msgport-claims-1"


@dataclass(frozen=True)
class Coverage:
    """A claim with the scenarios that name it, and the named deviations that their variants can show."""

    claim: Claim
    scenarios: tuple[str, ...]
    deviations: tuple[str, ...]

    @property
    def state(self) -> str:
        """``covered``, ``deviating`` (covered, and the kernel is known to differ), ``untestable`` or ``uncovered``."""
        if self.scenarios:
            return "deviating" if self.deviations else "covered"
        return "untestable" if self.claim.untestable else "uncovered"


def coverage(catalogue: Iterable[Models]) -> list[Coverage]:
    """Every claim, in the page's order, with what exercises it."""
    scenarios: dict[str, dict[str, None]] = {}
    deviations: dict[str, dict[str, None]] = {}
    for models in catalogue:
        named = _deviations(models)
        for claim in models.variant.claims:
            scenarios.setdefault(claim, {})[models.variant.scenario] = None
            deviations.setdefault(claim, {}).update(dict.fromkeys(named))
    return [
        Coverage(claim, tuple(scenarios.get(claim.id, ())), tuple(deviations.get(claim.id, ())))
        for claim in CLAIMS.values()
    ]


def _deviations(models: Models) -> list[str]:
    outside = [
        outcome
        for outcome in models.kernel.outcomes
        if not any(matches(pattern, outcome) for pattern in models.manual.outcomes)
    ]
    return sorted({name for outcome in outside for name in models.deviations(outcome)})


def as_text(covered: Iterable[Coverage]) -> str:
    """A paragraph a claim, by the page's sections, and the counts."""
    everything = list(covered)
    lines: list[str] = []
    for section, group in groupby(everything, key=lambda each: each.claim.section):
        lines += ["", section]
        for each in group:
            lines.append(f"  {each.state:<10} {each.claim.id}")
            lines += textwrap.wrap(each.claim.text, 100, initial_indent=" " * 13, subsequent_indent=" " * 13)
            for label, text in (
                ("read as", each.claim.reading),
                ("by", ", ".join(each.scenarios)),
                ("differs", ", ".join(each.deviations)),
                ("why not", each.claim.untestable if not each.scenarios else ""),
            ):
                if text:
                    head = " " * 13 + f"{label}: "
                    lines += textwrap.wrap(text, 100, initial_indent=head, subsequent_indent=" " * len(head))
    lines += ["", _counts(everything)]
    return "\n".join(lines).lstrip("\n")


def _counts(everything: list[Coverage]) -> str:
    states = [each.state for each in everything]
    counted = ", ".join(
        f"{states.count(state)} {state}"
        for state in ("covered", "deviating", "untestable", "uncovered")
        if state in states
    )
    return f"{len(states)} claims: {counted}"


def as_json(covered: Iterable[Coverage]) -> dict[str, Any]:
    """``{schema, claims: [{id, section, text, reading, state, scenarios, deviations, untestable}]}``."""
    return {
        "schema": SCHEMA,
        "claims": [
            {
                "id": each.claim.id,
                "section": each.claim.section,
                "text": each.claim.text,
                "reading": each.claim.reading,
                "state": each.state,
                "scenarios": list(each.scenarios),
                "deviations": list(each.deviations),
                "untestable": each.claim.untestable,
            }
            for each in covered
        ],
    }
