"""A run as KTAP, version 1: what kernel test runners read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgport.check.verdict import Kind
from msgport.report.data import VariantResult

_WORDS = {
    Kind.CONFORMS: ("ok", ""),
    Kind.DEVIATES: ("ok", ""),
    Kind.VIOLATES: ("not ok", ""),
    Kind.INCONCLUSIVE: ("not ok", ""),
    Kind.UNTESTED: ("ok", " # SKIP"),
}


def ktap(results: Sequence[VariantResult]) -> Iterator[str]:
    """The lines of the report, without line ends."""
    yield "KTAP version 1"
    yield f"1..{len(results)}"
    for number, result in enumerate(results, 1):
        verdict = result.verdict
        for row in verdict.rows:
            yield f"# {_one_line(str(row.outcome))}: {'' if row.exact else 'at least '}{row.count}"
        word, directive = _WORDS[verdict.kind]
        detail = _one_line(verdict.detail)
        if directive:
            yield f"{word} {number} {result.variant.name}{directive} {detail}"
        else:
            if detail:
                yield f"# {verdict.kind}: {detail}"
            yield f"{word} {number} {result.variant.name}"


def _one_line(text: str) -> str:
    """Text that cannot be taken for a directive or for another line."""
    return " ".join(text.split()).replace("#", "\\#")
