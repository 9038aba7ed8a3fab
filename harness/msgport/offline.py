"""Saved console text judged afterwards: which variants it is of, and what they showed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from msgport.check.eras import inexpressible, substituted
from msgport.check.models import Models, consult, noting_odds, with_spin_builtin
from msgport.check.observed import StaleTranscriptError, gather
from msgport.check.page_examples import at_other_sizes
from msgport.check.verdict import Kind, untested
from msgport.counted import counted
from msgport.manual.api import Era
from msgport.report.data import VariantResult
from msgport.scenario.canonical import content_hash
from msgport.scenario.program import Variant
from msgport.transcript import Load, lives, read


class UnknownTranscriptError(Exception):
    """A transcript that none of the scenarios at hand can judge; the message says what it holds and what to do."""


def judge_transcript(
    text: str, variants: Iterable[Variant], by: Literal["both", "manual"], *, require_seen: bool = False
) -> list[VariantResult]:
    """Judge every variant that a transcript holds loads of, in the order of their first appearance.

    Raises UnknownTranscriptError when it holds none, or loads of a scenario that is not at hand; StaleTranscriptError
    when the scenario at hand is another version; ScenarioError when the scenario is wrong.
    """
    known = {content_hash(variant): variant for variant in variants}
    loads: dict[tuple[str, bool, Era], list[Load]] = {}
    nameless: list[Load] = []
    for load in read(*lives(text)).loads:
        whose = loads.setdefault((load.hash, load.spin_builtin, _era(load)), []) if load.hash else nameless
        whose.append(load)
    # An example of the manual's page prints a line for each CPU, however many the machine had.
    cpus = {int(n) for all_of in loads.values() for each in all_of if (n := each.environment.get("cpus", "")).isdigit()}
    known |= {content_hash(variant): variant for variant in at_other_sizes(known.values(), cpus)}
    if not loads:
        found = f"{counted(len(nameless), 'load')}, none with a begin record" if nameless else "no records of a module"
        raise UnknownTranscriptError(f"the transcript holds {found}: save the console from before the kldload on")
    results: list[VariantResult] = []
    for (version, spin_builtin, era), theirs in loads.items():
        if version not in known:
            raise _unknown(theirs[0], known.values())
        models = consult(known[version])
        if reason := inexpressible(models.variant, era):
            results.append(VariantResult(models.variant, untested(reason)))
            continue
        if spin_builtin:
            models = with_spin_builtin(models)
        # A load that lost its begin record may have been of any of them.
        observed = gather(models.variant, [*theirs, *nameless], {load.nonce: load.steps for load in theirs})
        verdict = models.judge(noting_odds(observed, models, theirs), by, require_seen=require_seen)
        if verdict.kind is Kind.VIOLATES and (why := _unsure(theirs, models)):
            verdict = replace(verdict, kind=Kind.INCONCLUSIVE, detail=f"{why}\n{verdict.detail}")
        results.append(VariantResult(models.variant, verdict, substituted=substituted(models.variant, era)))
    return results


def _unsure(loads: Iterable[Load], models: Models) -> str:
    """Say why the kernel may be of a kind that allows more, where the transcript does not tell what kind it is."""
    if any(load.headless for load in loads) and any(port.builtin for port in models.variant.ports):
        return "the record that tells the kind of the threads' built-in ports may be lost"
    if models.trip_assertions and any(load.environment.get("inv") != "1" for load in loads):
        return "it trips an assertion, which needs INVARIANTS: the module was built without, or does not tell"
    return ""


def _era(load: Load) -> Era:
    """The era that a load's module was made for; the models' own, E, when its env record is lost."""
    return next((era for era in Era if era == load.environment.get("era")), Era.E)


def _unknown(load: Load, variants: Iterable[Variant]) -> Exception:
    for variant in variants:
        if variant.name.startswith(load.scenario):
            return StaleTranscriptError(
                f"the transcript is of version {load.hash} of {load.scenario}, the scenario at hand "
                f"({variant.position.file}:{variant.position.line}) is {content_hash(variant)}: "
                "generate and run it again"
            )
    return UnknownTranscriptError(
        f"the transcript is of {load.scenario}, version {load.hash}, which is not at hand: name its scenario file"
    )
