"""What the releases of an era keep from a variant: what they cannot show of it, what they show by another way."""

from __future__ import annotations

from msgport.manual.api import PRIVATE, Era
from msgport.scenario.program import Variant


def inexpressible(variant: Variant, era: Era) -> str:
    """Say why a variant cannot be judged on kernels of an era; empty when it can."""
    if era in (Era.A, Era.B) and "lwkt_dropmsg" in _functions(variant):
        return (
            f"lwkt_dropmsg of era {era} tells nothing, and asserts that the message is queued: it came to what the "
            "models know in era C (DragonFly 3.4)"
        )
    return ""


def substituted(variant: Variant, era: Era) -> tuple[str, ...]:
    """The functions that a variant calls and that an era hides, so that its module does by itself what they do."""
    return tuple(sorted(PRIVATE[era] & _functions(variant)))


def _functions(variant: Variant) -> frozenset[str]:
    return frozenset(f"lwkt_{statement.op}" for thread in variant.threads for statement in thread.body)
