"""What a model allows, for people and for programs: the output of ``msgport explore``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgport.counted import counted
from msgport.model.explore import Exploration
from msgport.report.screen import laid_out
from msgport.scenario.canonical import content_hash
from msgport.scenario.outcome import ANYTHING, Outcome
from msgport.scenario.program import Variant

SCHEMA = "msgport-explore-1"

INDENT = "  "

Explored = tuple[Variant, Exploration]


def as_text(model: str, explored: Iterable[Explored], width: int | None = None) -> str:
    """One table a variant: a column for each observable, a row for each outcome; folded where it is wider than that."""
    return "\n\n".join(_table(model, variant, exploration, width) for variant, exploration in explored)


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


def _table(model: str, variant: Variant, exploration: Exploration, width: int | None) -> str:
    titles = _titles(variant)
    rows = [[*titles, "ending"], *(_row(outcome, len(titles)) for outcome in sorted(exploration.outcomes))]
    count = len(exploration.outcomes)
    head = f"{variant.name}: the {model} model allows {counted(count, 'outcome')}"
    if ANYTHING in exploration.outcomes:
        head = f"{variant.name}: the {model} model allows anything: the page does not say what follows"
    cut = "" if exploration.complete else ", cut short: there may be more outcomes"
    lines = [f"{head} ({counted(exploration.states, 'state')}{cut})"]
    limit = None if width is None else width - len(INDENT)
    table = laid_out(rows, None)
    if limit is not None and max(map(len, table)) > limit:
        # Numbers tell which rows of its parts belong together.
        table = laid_out([[str(number or ""), *row] for number, row in enumerate(rows)], limit, kept=1)
    return "\n".join((*lines, *(INDENT + line for line in table)))


def _row(outcome: Outcome, count: int) -> list[str]:
    # A panic carries no values, and "anything" leaves them all open.
    values = outcome.values or ("",) * count
    return [*values, outcome.ending]
