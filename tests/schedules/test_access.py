"""Schedules that stop before every access to what is shared: what the model takes for one step may be cut anywhere."""

from __future__ import annotations

import pytest

from msgport.check.models import consult
from msgport.check.verdict import Kind
from msgport.plan import Grain, Mode, Plan
from msgport.scenario.program import Variant
from msgport.schedules import run_schedules
from msgport.selection import choose
from msgport_vm.controlled import ControlledMachine

SCHEDULES = 150


@pytest.mark.parametrize("variant", choose([], None), ids=lambda variant: variant.name)
def test_calls_cut_at_any_access_conform_or_deviate_as_listed(controlled: ControlledMachine, variant: Variant) -> None:
    verdict = run_schedules(controlled, consult(variant), Plan(Mode.RANDOM, Grain.ACCESS, SCHEDULES)).verdict
    assert verdict.kind in (Kind.CONFORMS, Kind.DEVIATES), verdict
