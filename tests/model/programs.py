"""Scenario text to the outcomes that a model allows, as sorted lines."""

from __future__ import annotations

from msgport.model import KERNEL, MANUAL, Semantics, explore
from msgport.scenario.parser import parse
from msgport.scenario.program import Variant


def variant(text: str) -> Variant:
    """Parse a scenario that has neither title, expectations nor choices."""
    (only,) = parse(f"MSGPORT test\n{text.strip()}\n", "test.msgport")
    return only


def outcomes(text: str, semantics: Semantics) -> list[str]:
    """Explore fully, with nobody reading what is not theirs."""
    found = explore(variant(text), semantics)
    assert found.complete
    assert not found.unowned
    return sorted(map(str, found.outcomes))


def kernel(text: str) -> list[str]:
    """Every outcome that the kernel can show."""
    return outcomes(text, KERNEL)


def manual(text: str) -> list[str]:
    """Every outcome that the manual permits."""
    return outcomes(text, MANUAL)
