"""What the manual's own examples printed on a real DragonFly kernel, judged again."""

from __future__ import annotations

from pathlib import Path

import pytest

from msgport.offline import judge_transcript
from msgport.selection import choose

RESULTS = Path(__file__).parents[2] / "results" / "dragonfly-5.9-page-examples"


@pytest.mark.parametrize(
    ("run", "names"),
    [
        ("smp1", ["example-1-on-1-cpus", "example-2-on-1-cpus"]),
        ("smp2", ["example-1-on-2-cpus", "example-2"]),
        ("smp4", ["example-1", "example-2"]),
        ("smp4-spin", ["example-1", "example-2"]),
    ],
)
def test_both_examples_conform_on_a_real_kernel(run: str, names: list[str]) -> None:
    text = (RESULTS / f"{run}.txt").read_bytes().decode("utf-8", errors="surrogateescape")
    results = judge_transcript(text, choose(["example-1", "example-2"], None), "both")
    assert [result.variant.name for result in results] == names
    assert {str(result.verdict.kind) for result in results} == {"conforms"}
    assert all(result.verdict.executions == 1 for result in results)
