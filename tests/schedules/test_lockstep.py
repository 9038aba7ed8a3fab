"""For every outcome that the kernel model allows, a path of the model leads the implementation there."""

from __future__ import annotations

import pytest

from msgport.lockstep import follow
from msgport.model import KERNEL, explore
from msgport.scenario.program import Variant
from msgport.selection import choose
from msgport_vm.controlled import ControlledMachine


@pytest.mark.parametrize("variant", choose([], None), ids=lambda variant: variant.name)
def test_the_machine_follows_the_model_to_each_outcome(controlled: ControlledMachine, variant: Variant) -> None:
    followed = list(follow(controlled, variant))
    assert [each for each in followed if not each.agrees] == []
    assert {each.got for each in followed} == explore(variant, KERNEL).outcomes
