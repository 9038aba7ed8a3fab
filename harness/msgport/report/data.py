"""A run as plain data: what ``results.json`` and ``--format json`` hold, as ``results.schema.json`` says."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from msgport.check.verdict import Kind, Row, Verdict, claim_verdicts
from msgport.scenario.canonical import content_hash
from msgport.scenario.outcome import Outcome
from msgport.scenario.program import Variant

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Schedules:
    """How a variant's executions were interleaved, where that was chosen: see docs/schedules.md.

    ``abandoned`` executions were cut off because they could show nothing new; ``complete``: every schedule that can
    differ was made. ``first`` is the schedule that led first to each outcome, ``steps`` what was done in it, for the
    outcomes that are forbidden.
    """

    mode: str
    grain: str
    seed: int | None
    depth: int | None
    executions: int
    abandoned: int
    complete: bool
    first: Mapping[Outcome, str]
    steps: Mapping[Outcome, tuple[str, ...]]


@dataclass(frozen=True)
class VariantResult:
    """One variant's part of a run. Paths are relative to the results folder, or None when there is no such file.

    ``substituted`` names the functions of the page that the kernel's era keeps from the variant's module, which does
    by itself what they do.
    """

    variant: Variant
    verdict: Verdict
    seconds: float = 0.0
    transcript: str | None = None
    module: str | None = None
    substituted: tuple[str, ...] = ()
    schedules: Schedules | None = None


def exit_status(results: Sequence[VariantResult]) -> int:
    """0: all conform, or deviate as listed; 1: a violation; 3: something inconclusive, or nothing judged."""
    kinds = {result.verdict.kind for result in results}
    if Kind.VIOLATES in kinds:
        return 1
    judged = kinds - {Kind.UNTESTED}
    return 3 if Kind.INCONCLUSIVE in judged or not judged else 0


def run_data(
    environment: Mapping[str, Any], results: Sequence[VariantResult], *, complete: bool = True, ended: str = "done"
) -> dict[str, Any]:
    """The run as the schema has it. ``ended``: a word of the schema, ``done`` if it is complete.

    ``environment`` is the stamp: what ``Machine.boot`` told (``dataclasses.asdict(facts)``), with ``seed``, ``judge``
    and whatever else a reader needs to run it again. The versions of msgport and Python are added to it.
    """
    claims = claim_verdicts((result.variant, result.verdict) for result in results)
    return {
        "schema": SCHEMA_VERSION,
        "complete": complete,
        "ended": ended,
        "environment": {
            **environment,
            "msgport": version("msgport"),
            "python": platform.python_version(),
        },
        "variants": [_variant(result) for result in results],
        "claims": {claim: str(kind) for claim, kind in sorted(claims.items())},
    }


def _variant(result: VariantResult) -> dict[str, Any]:
    variant, verdict = result.variant, result.verdict
    return {
        "name": variant.name,
        "scenario": variant.scenario,
        "choices": dict(variant.choices),
        "claims": list(variant.claims),
        "hash": content_hash(variant),
        "observables": list(variant.index),
        "verdict": str(verdict.kind),
        "detail": verdict.detail,
        "executions": verdict.executions,
        "seconds": round(result.seconds, 3),
        "schedules": _schedules(result.schedules),
        "outcomes": [_row(row, result.schedules) for row in verdict.rows],
        "seen": verdict.seen,
        "allowed": verdict.allowed,
        "unseen": [asdict(outcome) for outcome in verdict.unseen],
        "unseen_sometimes": [
            {"expectation": each.expectation.text, "executions": each.executions, "bound": each.bound}
            for each in verdict.unseen_sometimes
        ],
        "problems": list(verdict.problems),
        "substituted": list(result.substituted),
        "transcript": result.transcript,
        "module": result.module,
    }


def _schedules(schedules: Schedules | None) -> dict[str, Any] | None:
    if schedules is None:
        return None
    data = asdict(replace(schedules, first={}, steps={}))
    return {key: value for key, value in data.items() if key not in ("first", "steps")}


def _row(row: Row, schedules: Schedules | None) -> dict[str, Any]:
    return {
        "ending": row.outcome.ending,
        "values": list(row.outcome.values),
        "count": row.count,
        "exact": row.exact,
        "first": row.first,
        "manual": row.manual,
        "kernel": row.kernel,
        "deviations": list(row.deviations),
        "forbidden": list(row.forbidden),
        "nearest": asdict(row.nearest.outcome) if row.nearest else None,
        "trace": [asdict(entry) for entry in row.trace],
        "schedule": schedules.first.get(row.outcome) if schedules else None,
        "steps": list(schedules.steps.get(row.outcome, ())) if schedules else [],
    }
