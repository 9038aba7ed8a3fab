"""What all loads of one variant observed, taken together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from msgport.scenario.canonical import content_hash
from msgport.scenario.outcome import Outcome
from msgport.scenario.program import Variant
from msgport.transcript.load import Load, RingEntry

UNKNOWN_STEP = "?"
"""Stands for the step of a panic until a model tells that there is only one; an observed ending only."""


class StaleTranscriptError(Exception):
    """A transcript was made from another version of the scenario; its outcomes mean something else."""


@dataclass(frozen=True)
class Observation:
    """An outcome that was observed: ``count`` times, or at least so often when not ``exact``, first at ``first``.

    ``load`` is the place of the load that showed it first. ``steps`` are the steps that a panic can have struck in,
    as the step array tells: empty when that is unknown, and for what is no panic.
    """

    outcome: Outcome
    count: int
    exact: bool
    first: int
    load: int
    steps: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Observed:
    """All that is known of a variant's executions.

    ``executions`` is how many there were at least, deaths included. ``traces`` maps an outcome to the ring entries of
    the execution that showed it, of a panic too where memory held them. ``problems`` says why the observations may be
    incomplete.
    """

    observations: tuple[Observation, ...]
    executions: int
    traces: Mapping[Outcome, tuple[RingEntry, ...]]
    problems: tuple[str, ...]


def gather(
    variant: Variant,
    loads: Iterable[Load],
    steps: Mapping[int, Collection[str]] | None = None,
    rings: Mapping[int, tuple[RingEntry, ...]] | None = None,
) -> Observed:
    """Add up the loads of one variant.

    ``steps`` maps a load's nonce to the steps (``T0.1``) that its threads stood in when the machine panicked: one, when
    it is known which thread it was; ``rings`` to what memory held then of its last execution, which the module could
    not print any more. Raises StaleTranscriptError for a load of another content hash.
    """
    expected = content_hash(variant)
    found: dict[tuple[Outcome, frozenset[str]], Observation] = {}
    traces: dict[Outcome, tuple[RingEntry, ...]] = {}
    problems: list[str] = []
    executions = 0
    for place, load in enumerate(loads):
        if load.hash and load.hash != expected:
            raise StaleTranscriptError(
                f"{variant.name}: the transcript is of version {load.hash} of this scenario, the scenario at hand "
                f"({variant.position.file}:{variant.position.line}) is {expected}; generate and run it again"
            )
        problems += [f"load {load.nonce:08x}: {problem}" for problem in load.problems]
        if not load.hash:
            # Whose outcomes these are is lost with the begin record.
            continue
        observations = _of_load(variant, load, place, problems, (steps or {}).get(load.nonce, ()))
        for each in observations:
            key = each.outcome, each.steps
            found[key] = _add(found[key], each) if key in found else each
            if each.outcome.kind == "panic" and (trace := (rings or {}).get(load.nonce)):
                traces.setdefault(each.outcome, trace)
        executions += max(load.iterations or 0, sum(each.count for each in observations))
        frozen = next((each for each in load.sightings if each.number == load.frozen and each.whole), None)
        if frozen and load.trace:
            traces.setdefault(_outcome(variant, load, frozen.outcome), load.trace)
    return Observed(tuple(found.values()), executions, traces, tuple(problems))


def _of_load(
    variant: Variant, load: Load, place: int, problems: list[str], steps: Collection[str]
) -> list[Observation]:
    observations: list[Observation] = []
    for sighting in load.sightings:
        outcome = _outcome(variant, load, sighting.outcome)
        if not sighting.whole or len(outcome.values) != len(variant.index):
            # Without the end record this may be its last words; what was told whole stands.
            problems.append(f"load {load.nonce:08x}: outcome {sighting.number} was told only in part")
        elif variant.says and not load.complete:
            problems.append(f"load {load.nonce:08x}: some of the lines said may be lost")
        else:
            observations.append(Observation(outcome, sighting.count, sighting.exact, sighting.first, place))
    if load.panic is not None and load.ended is None:
        if load.panic.name is None:
            problems.append(f"load {load.nonce:08x}: the machine died of something else: {load.panic.text}")
        else:
            # The lines between are all that a counted execution leaves: the iteration of a panic is not told.
            ending = f"panic {load.panic.name}@{next(iter(steps)) if len(steps) == 1 else UNKNOWN_STEP}"
            first = max((each.first for each in load.sightings), default=0)
            observations.append(Observation(Outcome(ending), 1, True, first, place, frozenset(steps)))
    return observations


def _outcome(variant: Variant, load: Load, outcome: Outcome) -> Outcome:
    """The outcome as the model has it: what a column says is its value, and stands in records of its own."""
    if not variant.says:
        return outcome
    return Outcome(outcome.ending, (" / ".join(each.line for each in load.said) or "none",))


def _add(one: Observation, other: Observation) -> Observation:
    return Observation(one.outcome, one.count + other.count, one.exact and other.exact, one.first, one.load, one.steps)
