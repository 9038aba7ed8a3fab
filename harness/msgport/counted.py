"""Numbers of things, for people."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """``1 variant``, ``2,000 variants``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
