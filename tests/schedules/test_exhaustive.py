"""Every schedule that can differ, for every variant: nothing forbidden is ever seen, and all that is allowed is."""

from __future__ import annotations

import pytest

from msgport.check.models import consult
from msgport.check.verdict import Kind
from msgport.model import KERNEL, explore
from msgport.plan import EXHAUSTIVE_LIMIT, Grain, Mode, Plan
from msgport.scenario.outcome import ANYTHING
from msgport.scenario.program import Variant
from msgport.schedules import build, outcome_of, run_schedules
from msgport.selection import choose
from msgport_vm.controlled import ControlledMachine, Explored
from tests.model.random_variants import random_variant

CATALOGUE = choose([], None)

UNFINISHED = {"compete-three/P=spin", "domsg-shared-port/place=cross-cpu", "wait-shared-port/R=spin"}
"""Variants that have more schedules than are made here."""

SHARE = 0.05
TELLING = (1, *range(3, 12))
"""Seeds of random variants of which the model knows every outcome, none left open by reading what is not owned."""


@pytest.mark.parametrize("variant", CATALOGUE, ids=lambda variant: variant.name)
def test_every_schedule_conforms_or_deviates_as_listed(controlled: ControlledMachine, variant: Variant) -> None:
    result = run_schedules(controlled, consult(variant), Plan(Mode.EXHAUSTIVE))
    assert result.verdict.kind in (Kind.CONFORMS, Kind.DEVIATES), result.verdict
    assert result.schedules is not None
    assert result.schedules.executions + result.schedules.abandoned <= EXHAUSTIVE_LIMIT
    if variant.name not in UNFINISHED:
        assert result.schedules.complete
        assert result.verdict.unseen == ()


def test_few_variants_are_too_large() -> None:
    assert {variant.name for variant in CATALOGUE} >= UNFINISHED
    assert len(UNFINISHED) <= SHARE * len(CATALOGUE)


def explored(machine: ControlledMachine, policy: str, limit: int) -> Explored:
    *_, last = machine.explore(policy, limit)
    return last


@pytest.mark.parametrize("grain", Grain)
@pytest.mark.parametrize("seed", TELLING)
def test_leaving_out_what_cannot_differ_loses_no_outcome(
    controlled: ControlledMachine, seed: int, grain: Grain
) -> None:
    variant = random_variant(seed)
    kernel = explore(variant, KERNEL)
    assert kernel.complete and not kernel.unowned and ANYTHING not in kernel.outcomes
    controlled.load(build(controlled, variant))
    reduced = explored(controlled, f"exhaustive {grain}", 2000)
    everything = explored(controlled, f"all {grain}", 5000)
    seen = {outcome_of(variant, found) for found in everything.found}
    assert seen <= {outcome_of(variant, found) for found in reduced.found} or not reduced.complete
    if reduced.complete:
        assert {outcome_of(variant, found) for found in reduced.found} == kernel.outcomes
