"""What a model allows, for people and for programs: the output of ``msgport explore``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgport.counted import counted
from msgport.model.explore import Exploration
from msgport.scenario.canonical import content_hash
from msgport.scenario.outcome import ANYTHING, Outcome
from msgport.scenario.program import Variant

SCHEMA = "msgport-explore-1"

Explored = tuple[Variant, Exploration]


def as_text(model: str, explored: Iterable[Explored]) -> str:
    """One table a variant: a column for each observable, a row for each outcome."""
    return "\n\n".join(_table(model, variant, exploration) for variant, exploration in explored)


def as_json(model: str, explored: Iterable[Explored]) -> dict[str, Any]:
    """``{schema, model, variants: [{name, hash, observables, outcomes: [{values, ending}], states, complete}]}``."""
    return {
        "schema": SCHEMA,
        "model": model,
        "variants": [
            {
                "name": variant.name,
                "hash": content_hash(variant),
                "observables": _titles(variant),
                "outcomes": [
                    {"values": list(outcome.values), "ending": outcome.ending}
                    for outcome in sorted(exploration.outcomes)
                ],
                "states": exploration.states,
                "transitions": exploration.transitions,
                "complete": exploration.complete,
            }
            for variant, exploration in explored
        ],
    }


def _titles(variant: Variant) -> list[str]:
    return [str(observable) for observable in variant.observables] + ["said"] * variant.says


def _table(model: str, variant: Variant, exploration: Exploration) -> str:
    titles = _titles(variant)
    rows = [_row(outcome, len(titles)) for outcome in sorted(exploration.outcomes)]
    widths = [max(len(row[place]) for row in ([*titles, "ending"], *rows)) for place in range(len(titles) + 1)]
    count = len(exploration.outcomes)
    head = f"{variant.name}: the {model} model allows {counted(count, 'outcome')}"
    if ANYTHING in exploration.outcomes:
        head = f"{variant.name}: the {model} model allows anything: the page does not say what follows"
    cut = "" if exploration.complete else ", cut short: there may be more outcomes"
    lines = [f"{head} ({counted(exploration.states, 'state')}{cut})"]
    lines += [
        "  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in ([*titles, "ending"], *rows)
    ]
    return "\n".join(lines)


def _row(outcome: Outcome, count: int) -> list[str]:
    # A panic carries no values, and "anything" leaves them all open.
    values = outcome.values or ("",) * count
    return [*values, outcome.ending]
