"""Two runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from msgport.cli import main
from msgport.report.compare import as_text, compare
from msgport.report.runs import Run


def variant(name: str, verdict: str, outcomes: dict[str, int], program: str = "same") -> dict[str, Any]:
    return {
        "name": name,
        "hash": program,
        "verdict": verdict,
        "executions": sum(outcomes.values()),
        "outcomes": [{"values": text.split(), "ending": "done", "count": count} for text, count in outcomes.items()],
    }


def run(*variants: dict[str, Any], **environment: Any) -> Run:
    data = {"schema": 1, "complete": True, "ended": "done", "environment": environment, "variants": list(variants)}
    return Run("r", data)


def told(old: Run, new: Run) -> str:
    return "\n".join(as_text(compare(old, new)))


def test_runs_that_did_the_same_are_alike_whatever_the_counts() -> None:
    old = run(variant("v", "conforms", {"a": 200, "b": 100}))
    new = run(variant("v", "conforms", {"a": 1, "b": 299}))
    assert compare(old, new).exit_status == 0
    assert told(old, new) == (
        "1 variant compared: 0 of another verdict, 0 more of other outcomes, "
        "0 whose rarer outcomes came up in one run only, 1 alike"
    )


def test_a_new_violation_is_told_with_its_outcome_and_gives_status_1() -> None:
    old = run(variant("v", "conforms", {"a": 300}), kernel="stock")
    new = run(variant("v", "violates", {"a": 200, "b": 100}), kernel="mine")
    assert compare(old, new).exit_status == 1
    text = told(old, new)
    assert text.startswith("kernel: stock -> mine\n\nv: conforms -> violates\n")
    assert "    only in the new run: b  (100 of 300)\n" in text


def test_a_new_run_that_broke_off_is_no_pass() -> None:
    old = run(variant("v", "conforms", {"a": 3}), variant("w", "conforms", {"a": 3}))
    new = run(variant("v", "conforms", {"a": 3}))
    new.data.update(complete=False, ended="machine-failure")
    assert compare(old, new).exit_status == 3
    assert told(old, new).endswith("The new run broke off (machine-failure): what it did not come to is not compared.")


def test_what_violated_before_is_no_new_violation() -> None:
    both = run(variant("v", "violates", {"b": 3}))
    assert compare(both, both).exit_status == 0


def test_a_variant_newly_inconclusive_gives_status_3() -> None:
    assert compare(run(variant("v", "conforms", {"a": 3})), run(variant("v", "inconclusive", {}))).exit_status == 3


@pytest.mark.parametrize(
    ("count", "of", "others", "real"), [(1, 1, 1, False), (1, 300, 300, False), (100, 300, 300, True)]
)
def test_an_outcome_that_may_be_missing_by_chance_is_no_real_difference(
    count: int, of: int, others: int, real: bool
) -> None:
    old = run(variant("v", "conforms", {"b": count, "a": of - count} if of > count else {"b": count}))
    new = run(variant("v", "conforms", {"a": others}))
    (difference,) = compare(old, new).differences
    assert ("b" in difference.real) is real
    assert ("only in the old run: b" in told(old, new)) is real


def test_only_the_same_program_is_compared_and_the_rest_is_told_with_why() -> None:
    old = run(
        variant("gone", "conforms", {}), variant("changed", "conforms", {}, "1"), variant("small", "untested", {})
    )
    new = run(
        variant("changed", "violates", {}, "2"),
        variant("small", "conforms", {"a": 3}),
        variant("added", "conforms", {}),
    )
    comparison = compare(old, new)
    assert comparison.uncompared == {
        "only in the old run": ("gone",),
        "not the same program in both": ("changed",),
        "untested in the old run": ("small",),
        "only in the new run": ("added",),
    }
    assert comparison.exit_status == 3


def test_the_command_compares_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, verdict in (("old", "conforms"), ("new", "violates")):
        (tmp_path / name).mkdir()
        data = run(variant("v", verdict, {"a": 3}), kernel=name, extra={"memory": name}).data
        (tmp_path / name / "results.json").write_text(json.dumps(data))
    assert main(["compare", str(tmp_path / "old"), str(tmp_path / "new"), "--format", "json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "msgport-compare-1"
    assert said["environment"]["memory"] == {"old": "old", "new": "new"}
    assert said["differences"][0]["verdict"] == {"old": "conforms", "new": "violates"}
    assert main(["compare", str(tmp_path / "old"), str(tmp_path / "none")]) == 2
    assert "cannot read" in capsys.readouterr().err
