"""Schedules on the command line: what is asked for, what is refused, what the results say."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import msgport.report
from msgport.cli import main

SCHEMA = json.loads((Path(msgport.report.__file__).parent / "results.schema.json").read_text())


def run(tmp_path: Path, *arguments: str) -> int:
    return main(["run", *arguments, "--results", str(tmp_path / "r")])


def test_the_results_tell_how_schedules_were_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "two-senders/P=spin", "--schedule", "exhaustive") == 0
    assert "complete for 1 of 1 variants" in capsys.readouterr().out
    data = json.loads((tmp_path / "r" / "results.json").read_text())
    jsonschema.validate(data, SCHEMA)
    (variant,) = data["variants"]
    assert variant["schedules"]["mode"] == "exhaustive"
    assert variant["schedules"]["complete"] is True
    assert variant["schedules"]["executions"] == variant["executions"] > 3
    assert all(outcome["schedule"] for outcome in variant["outcomes"])


def test_an_enumeration_cut_short_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "two-senders/P=spin", "--schedule", "exhaustive", "--iterations", "5") == 0
    assert "cut short: two-senders/P=spin" in capsys.readouterr().out


def test_a_schedule_from_the_results_is_replayed(tmp_path: Path) -> None:
    assert run(tmp_path, "two-senders/P=spin", "--schedule", "random", "--iterations", "50") == 0
    (variant,) = json.loads((tmp_path / "r" / "results.json").read_text())["variants"]
    for number, outcome in enumerate(variant["outcomes"]):
        folder = tmp_path / str(number)
        assert run(folder, "two-senders/P=spin", "--replay", outcome["schedule"]) == 0
        (again,) = json.loads((folder / "r" / "results.json").read_text())["variants"]
        assert [(each["values"], each["ending"]) for each in again["outcomes"]] == [
            (outcome["values"], outcome["ending"])
        ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--schedule", "pct", "--target", "qemu"], "--schedule pct is for --target userland"),
        (["--schedule", "random", "--time", "1"], "counts schedules, not seconds"),
        (["--grain", "access"], "--grain is for --schedule exhaustive, --schedule random, --schedule pct, --replay"),
        (["--grain", "call"], "--schedule free does not use it"),
        (["--depth", "3"], "--depth is for --schedule pct; --schedule free does not use it: leave it out"),
        (["--schedule", "random", "--depth", "3"], "--schedule random does not use it"),
        (["--schedule", "exhaustive", "--seed", "0"], "--seed is for --schedule free, --schedule random"),
        (["--replay", "T0", "--seed", "1"], "--replay does not use it"),
        (["--replay", "T0", "--iterations", "1"], "--iterations is for --schedule free, --schedule exhaustive"),
        (["--schedule", "random", "--replay", "T0"], "give one of them"),
        (["--replay", "T0 X9"], "'X9' in the schedule"),
        (["--replay", "T0 T1*0"], "'T1*0' in the schedule"),
        (["--replay", "T0*900"], "'T0*900', its word 1, cannot go on"),
        (["--schedule", "pct", "--depth", "65"], "--depth is 1 to 64"),
        (["--schedule", "pct", "--era", "A"], "machines that run freely"),
    ],
)
def test_what_cannot_be_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(tmp_path, "two-senders/P=spin", *arguments) == 2
    assert said in capsys.readouterr().err


def test_a_replay_is_of_one_variant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "two-senders", "--replay", "T0") == 2
    assert "of one variant" in capsys.readouterr().err
