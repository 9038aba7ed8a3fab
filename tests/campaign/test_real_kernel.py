"""What a real DragonFly kernel printed, judged again: results/dragonfly-5.9."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from msgport.cli import main
from msgport.offline import judge_transcript
from msgport.selection import choose

RESULTS = Path(__file__).parent.parent.parent / "results" / "dragonfly-5.9"
RUNS = sorted(path.name for path in RESULTS.iterdir() if path.is_dir())


def test_there_are_runs_on_one_two_and_four_cpus_with_spin_ports_built_in_and_without_invariants() -> None:
    assert RUNS == ["smp1", "smp2", "smp4", "smp4-long", "smp4-no-invariants", "smp4-spin"]


@pytest.mark.parametrize("run", RUNS)
def test_the_console_of_a_real_kernel_is_judged_as_it_was_then(run: str) -> None:
    then = json.loads((RESULTS / run / "results.json").read_text())
    verdicts = {each["name"]: each["verdict"] for each in then["variants"] if each["verdict"] != "untested"}
    console = (RESULTS / run / "console.txt").read_bytes().decode("utf-8", errors="surrogateescape")
    results = judge_transcript(console, choose([], None), "both")
    assert {result.variant.name: str(result.verdict.kind) for result in results} == verdicts
    assert set(verdicts.values()) <= {"conforms", "deviates"}
    assert then["environment"]["dragonfly"] is True and then["complete"] is True


@pytest.mark.parametrize("run", RUNS)
def test_what_a_real_kernel_did_is_still_what_was_counted(run: str) -> None:
    then = {each["name"]: each for each in json.loads((RESULTS / run / "results.json").read_text())["variants"]}
    console = (RESULTS / run / "console.txt").read_bytes().decode("utf-8", errors="surrogateescape")
    for result in judge_transcript(console, choose([], None), "both"):
        assert result.verdict.executions == then[result.variant.name]["executions"]
        assert result.verdict.seen == then[result.variant.name]["seen"]


def test_the_findings_show_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--results", *(str(RESULTS / run) for run in RUNS)]) == 0
    page = (RESULTS.parent.parent / "docs" / "findings.md").read_text(encoding="utf-8")
    assert page.partition("smp* -->\n\n")[2] == capsys.readouterr().out
