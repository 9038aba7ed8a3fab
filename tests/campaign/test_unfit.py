"""Which variants a machine cannot run, and the reason given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from msgport.campaign import unfit
from msgport.check.models import consult
from msgport.selection import choose
from msgport_vm.machine import Facts

FACTS = Facts("ssh", "DragonFly 6.4", True, "E", True, 4, 4, "real", "cc 8.3")


@pytest.mark.parametrize(
    ("name", "facts", "reason"),
    [
        ("two-senders/P=spin", FACTS, ""),
        ("two-senders/P=spin", replace(FACTS, cpus=2), "needs 3 CPUs, the machine has 2"),
        ("double-send", FACTS, ""),
        ("double-send", replace(FACTS, invariants=False), "needs INVARIANTS: off"),
        ("double-send", replace(FACTS, invariants=None), "needs INVARIANTS: unknown"),
        ("double-send", replace(FACTS, expendable=False), "--allow-panic"),
        ("domsg-to-oneself", replace(FACTS, expendable=False), "--allow-panic"),
        # The special ports panic without INVARIANTS, too.
        ("special-take/op=getport", replace(FACTS, invariants=False), ""),
    ],
)
def test_a_variant_is_untested_for_a_reason(name: str, facts: Facts, reason: str) -> None:
    (variant,) = choose([name], None)
    found = unfit(consult(variant), facts)
    assert reason in found and bool(reason) == bool(found)
