"""Verdicts: what was observed of a variant, judged by what the two models allow."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from msgport.check.observed import UNKNOWN_STEP, Observation, Observed
from msgport.scenario.condition import Expectation, holds
from msgport.scenario.outcome import Outcome, matches
from msgport.scenario.program import Variant
from msgport.transcript.load import RingEntry

IPI = "ipi"
"""The step of a panic that strikes in the delivery of an IPI, wherever the threads stand."""

BOUND = 3.0
"""Unseen in n executions: with 95 % confidence its share is below 3/n."""


class Kind(StrEnum):
    """What can be said of a variant, from best to worst; ``untested`` stands apart."""

    UNTESTED = "untested"
    CONFORMS = "conforms"
    DEVIATES = "deviates"
    INCONCLUSIVE = "inconclusive"
    VIOLATES = "violates"


_BADNESS = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True)
class Nearest:
    """The allowed outcome with the fewest differences from a forbidden one.

    ``differences`` are (observable or ``ending``, observed, allowed).
    """

    outcome: Outcome
    differences: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Row:
    """One observed outcome: how often, since which iteration, who allows it, under which named deviations.

    ``manual`` and ``kernel`` are None when it cannot be told: the step of a panic is unknown and several are allowed.
    ``forbidden`` says by what, one sentence each: empty unless it makes the variant violate.
    """

    outcome: Outcome
    count: int
    exact: bool
    first: int
    manual: bool | None
    kernel: bool | None
    deviations: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    nearest: Nearest | None = None
    trace: tuple[RingEntry, ...] = ()


@dataclass(frozen=True)
class Unseen:
    """A ``sometimes`` that no execution fulfilled; ``bound`` is the 95 % upper bound of its share, at most 1."""

    expectation: Expectation
    executions: int
    bound: float


@dataclass(frozen=True)
class Verdict:
    """A variant's verdict with all that it rests on.

    ``allowed`` is how many definite outcomes the judging model allows, ``seen`` how many of those were observed,
    ``unseen`` the others. ``problems`` says why observations may be incomplete.
    """

    kind: Kind
    detail: str
    executions: int = 0
    rows: tuple[Row, ...] = ()
    seen: int = 0
    allowed: int = 0
    unseen: tuple[Outcome, ...] = ()
    unseen_sometimes: tuple[Unseen, ...] = ()
    problems: tuple[str, ...] = ()


def untested(reason: str) -> Verdict:
    """The verdict on a variant that was not run here."""
    return Verdict(Kind.UNTESTED, reason)


def judge(
    variant: Variant,
    observed: Observed,
    manual: Collection[Outcome],
    kernel: Collection[Outcome],
    by: Literal["both", "manual"] = "both",
    *,
    require_seen: bool = False,
    deviations: Callable[[Outcome], Sequence[str]] = lambda _: (),
) -> Verdict:
    """Judge what was observed. ``manual`` and ``kernel`` are the outcomes, or patterns, that the models allow.

    ``by`` says whose word counts; ``deviations`` names the deviations behind an outcome outside the manual. With
    ``require_seen`` an unseen ``sometimes`` makes the variant inconclusive.
    """
    rows = _united(_row(variant, each, observed, manual, kernel, by, deviations) for each in observed.observations)
    judging = manual if by == "manual" else kernel
    definite = sorted(each for each in judging if not _open(each))
    seen = {row.outcome for row in rows}
    unseen = tuple(outcome for outcome in definite if outcome not in seen)
    sometimes = _sometimes(variant, observed, rows)
    kind, detail = _kind(rows, observed, sometimes, by, require_seen)
    return Verdict(
        kind,
        detail,
        observed.executions,
        tuple(sorted(rows, key=lambda row: (-_BADNESS[_row_kind(row, by)], -row.count, row.outcome))),
        len(definite) - len(unseen),
        len(definite),
        unseen,
        sometimes,
        observed.problems,
    )


def claim_verdicts(verdicts: Iterable[tuple[Variant, Verdict]]) -> dict[str, Kind]:
    """The verdict on each claim: the worst of its variants'."""
    claims: dict[str, Kind] = {}
    for variant, verdict in verdicts:
        for claim in variant.claims:
            claims[claim] = worst((claims.get(claim, Kind.UNTESTED), verdict.kind))
    return claims


def worst(kinds: Iterable[Kind]) -> Kind:
    """The worst of some variants' verdicts, ``untested`` only if all are, or if there are none."""
    return max(kinds, key=_BADNESS.__getitem__, default=Kind.UNTESTED)


def _kind(
    rows: Sequence[Row], observed: Observed, sometimes: Sequence[Unseen], by: str, require_seen: bool
) -> tuple[Kind, str]:
    """The verdict and its reason. A violation wins: what was seen was seen, whatever was lost beside it."""
    kinds = [_row_kind(row, by) for row in rows]
    bad = [row for row, kind in zip(rows, kinds, strict=True) if kind is Kind.VIOLATES]
    if bad:
        return Kind.VIOLATES, "; ".join(dict.fromkeys(reason for row in bad for reason in row.forbidden))
    if observed.problems:
        return Kind.INCONCLUSIVE, "; ".join(observed.problems)
    if not rows:
        return Kind.INCONCLUSIVE, "nothing was observed"
    if Kind.INCONCLUSIVE in kinds:
        row = rows[kinds.index(Kind.INCONCLUSIVE)]
        return (
            Kind.INCONCLUSIVE,
            f"{row.outcome}: the models allow this panic in some steps, and which it was is unknown",
        )
    if require_seen and sometimes:
        return Kind.INCONCLUSIVE, f"never seen: {'; '.join(each.expectation.text for each in sometimes)}"
    if Kind.DEVIATES in kinds:
        names = dict.fromkeys(name for row in rows for name in row.deviations)
        return Kind.DEVIATES, ", ".join(names) if names else "outside the manual, inside the kernel model"
    return Kind.CONFORMS, ""


def _row_kind(row: Row, by: str) -> Kind:
    if row.forbidden:
        return Kind.VIOLATES
    if None in (row.manual, row.kernel if by == "both" else True):
        return Kind.INCONCLUSIVE
    return Kind.CONFORMS if row.manual else Kind.DEVIATES


def _row(
    variant: Variant,
    observation: Observation,
    observed: Observed,
    manual: Collection[Outcome],
    kernel: Collection[Outcome],
    by: str,
    deviations: Callable[[Outcome], Sequence[str]],
) -> Row:
    outcome = _placed(observation, manual if by == "manual" else kernel)
    in_manual, in_kernel = (_allows(model, outcome, observation.steps) for model in (manual, kernel))
    forbidden: list[str] = []
    if by == "manual" and in_manual is False:
        forbidden.append("an outcome that the manual does not permit")
    elif by == "both" and in_kernel is False:
        also = "" if in_manual is not False else ", nor does the manual permit it"
        forbidden.append(f"an outcome that the kernel is not known to show{also}")
    for expectation in variant.expectations:
        if expectation.model == "both" and expectation.quantifier != "sometimes":
            value = holds(expectation.condition, outcome, variant.index)
            if value is (expectation.quantifier == "never"):
                forbidden.append(f"{variant.position.file}:{expectation.line}: broken: {expectation.text}")
    return Row(
        outcome,
        observation.count,
        observation.exact,
        observation.first,
        in_manual,
        in_kernel,
        tuple(deviations(outcome)) if in_manual is False and in_kernel else (),
        tuple(forbidden),
        _nearest(variant, outcome, manual if by == "manual" else kernel) if forbidden else None,
        observed.traces.get(observation.outcome, ()),
    )


def _united(rows: Iterable[Row]) -> list[Row]:
    """One row an outcome: panics whose steps were known in some loads only may turn out to be the same."""
    united: dict[Outcome, Row] = {}
    for row in rows:
        if before := united.get(row.outcome):
            row = Row(
                row.outcome,
                before.count + row.count,
                before.exact and row.exact,
                before.first,
                before.manual,
                before.kernel,
                before.deviations,
                before.forbidden,
                before.nearest,
                before.trace or row.trace,
            )
        united[row.outcome] = row
    return list(united.values())


def _open(pattern: Outcome) -> bool:
    """Tell whether an allowed outcome leaves something open: then it cannot be called seen or unseen."""
    return (
        pattern.ending == "*" or pattern.ending.endswith(" *") or any(v == "*" or v[:1] == "[" for v in pattern.values)
    )


def _placed(observation: Observation, allowed: Collection[Outcome]) -> Outcome:
    """The outcome with the step of a panic filled in, where there is only one that it can have been."""
    ending, _, step = observation.outcome.ending.partition("@")
    if observation.outcome.kind != "panic":
        return observation.outcome
    places = {each.ending.removeprefix(ending + "@") for each in allowed if each.ending.startswith(ending + "@")}
    if step == UNKNOWN_STEP and observation.steps:
        places &= observation.steps | {IPI}
    elif step != UNKNOWN_STEP:
        # A thread stands in that step, but the panic may have struck in an IPI that its CPU took meanwhile.
        places &= {step, IPI}
    if step != UNKNOWN_STEP and (step in places or not places):
        return observation.outcome
    return Outcome(f"{ending}@{places.pop()}") if len(places) == 1 else observation.outcome


def _allows(allowed: Collection[Outcome], outcome: Outcome, steps: Collection[str]) -> bool | None:
    """Whether a model allows it; None when it allows such a panic in several steps, and this one's is unknown.

    ``steps`` are those that it can have been, empty when nothing is known.
    """
    if any(matches(pattern, outcome) for pattern in allowed):
        return True
    if outcome.kind == "panic" and outcome.ending.endswith(f"@{UNKNOWN_STEP}"):
        before, _, _ = outcome.ending.rpartition("@")
        places = {each.ending.removeprefix(f"{before}@") for each in allowed if each.ending.startswith(f"{before}@")}
        return None if places & {*steps, IPI} or (places and not steps) else False
    return False


def _nearest(variant: Variant, outcome: Outcome, allowed: Collection[Outcome]) -> Nearest | None:
    """The allowed outcome with the fewest differing values; among those one with the same ending."""
    names = list(variant.index)

    def differences(other: Outcome) -> tuple[tuple[str, str, str], ...]:
        values = zip(names, outcome.values, other.values, strict=False)
        ending = [("ending", outcome.ending, other.ending)] if other.ending != outcome.ending else []
        return (
            *((n, a, b) for n, a, b in values if not matches(Outcome("done", (b,)), Outcome("done", (a,)))),
            *ending,
        )

    found = min(
        ((len(found := differences(each)), each.ending != outcome.ending, each, found) for each in allowed),
        default=None,
    )
    return Nearest(found[2], found[3]) if found else None


def _sometimes(variant: Variant, observed: Observed, rows: Sequence[Row]) -> tuple[Unseen, ...]:
    return tuple(
        Unseen(each, observed.executions, min(1.0, BOUND / observed.executions) if observed.executions else 1.0)
        for each in variant.expectations
        if each.quantifier == "sometimes"
        and each.model != "manual"
        and not any(holds(each.condition, row.outcome, variant.index) for row in rows)
    )
