"""Tables of what runs say of the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from msgport.cli import main
from msgport.manual.claims import CLAIMS
from msgport.report.claims import Coverage
from msgport.report.findings import as_markdown
from msgport.report.runs import Run, RunError, read_run


def variant(name: str, verdict: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "hash": f"hash of {name}",
        "verdict": verdict,
        "executions": 0,
        "seconds": 0.25,
        "seen": 0,
        "allowed": 0,
        "outcomes": [],
        "unseen": [],
    } | fields


def outcome(count: int, *deviations: str) -> dict[str, Any]:
    return {"count": count, "values": ["1"], "ending": "done", "deviations": list(deviations)}


DONE = {"ending": "done", "values": ["a", "b"]}
RUN = Run(
    "smp2",
    {
        "schema": 1,
        "complete": True,
        "ended": "done",
        "environment": {"kernel": "DragonFly 5.9", "cpus": 2},
        # As it was judged then; today other scenarios exercise the claims.
        "claims": {"getport.first": "deviates", "initmsg.or-flags": "deviates"},
        "variants": [
            variant("flags", "deviates", executions=9, outcomes=[outcome(7, "initmsg-assigns-flags")]),
            variant(
                "race",
                "conforms",
                executions=1000,
                seen=2,
                allowed=3,
                observables=["T0:r0", "T1:r0"],
                outcomes=[
                    {"count": 1, "ending": "deadlock@T1.2", "values": ["a", "-"], "deviations": []},
                    {"count": 999, "ending": "done", "values": ["b", "a"], "deviations": []},
                ],
                unseen=[DONE],
            ),
            variant("three", "untested", seconds=0.0, unseen=[DONE]),
            variant(
                "dies",
                "conforms",
                seconds=1.5,
                outcomes=[{"count": 1, "ending": "panic trap@T0.1", "values": [], "deviations": []}],
            ),
        ],
    },
)
COVERED = [
    Coverage(CLAIMS["getport.first"], ("race",), ()),
    Coverage(CLAIMS["initmsg.or-flags"], ("flags",), ("initmsg-assigns-flags",)),
    Coverage(CLAIMS["files.source"], (), ()),
]
TODAY = {name: f"hash of {name}" for name in ("flags", "race")}


def rows(text: str, title: str) -> list[list[str]]:
    section = text.split(f"## {title}\n\n")[1].split("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines()[2:]]


def test_a_run_is_summed_up() -> None:
    assert rows(as_markdown(COVERED, [RUN], TODAY), "Runs") == [
        ["smp2", "DragonFly 5.9", "2", "4: 2 conforms, 1 deviates, 1 untested", "1,009", "2 / 3", "0.5", "1.50"]
    ]


def test_how_a_kernel_was_built_or_booted_otherwise_than_most_is_told() -> None:
    environment = {"kernel": "DragonFly 5.9", "cpus": 2, "invariants": False, "spin_builtin": True}
    (row,) = rows(as_markdown(COVERED, [Run("other", {**RUN.data, "environment": environment})], TODAY), "Runs")
    assert row[1] == "DragonFly 5.9, without INVARIANTS, built-in spin ports"


def test_a_deviation_is_shown_where_it_was_observed_and_never_otherwise() -> None:
    found = {row[0]: row[2] for row in rows(as_markdown(COVERED, [RUN], TODAY), "Deviations")}
    assert found["`initmsg-assigns-flags`"] == "`flags`: smp2 7 of 9"
    assert found["`abort-only-in-flight`"] == "never"


def test_each_claim_has_its_verdict_on_each_run_or_the_reason_why_not() -> None:
    found = {row[0]: row[1:] for row in rows(as_markdown(COVERED, [RUN], TODAY), "Claims")}
    assert found["`getport.first`"][-1] == "conforms"
    assert found["`initmsg.or-flags`"][-1] == "deviates"
    assert "Not tested" in found["`files.source`"][0] and found["`files.source`"][-1] == "untestable"


def test_what_did_not_come_up_is_told_of_variants_that_ran() -> None:
    assert rows(as_markdown(COVERED, [RUN], TODAY), "Allowed and not seen") == [["`race`", "smp2", "1,000", "`a b`"]]


def test_what_did_more_than_one_thing_is_told_with_how_often_each() -> None:
    assert rows(as_markdown(COVERED, [RUN], TODAY), "Races") == [
        ["`race`", "T0:r0, T1:r0", "999 `b a`<br>1 `a - deadlock@T1.2`"]
    ]


def test_what_no_run_has_judged_as_it_is_today_is_told_with_why() -> None:
    today = {**TODAY, "flags": "another", "three": "hash of three", "new": "hash of new"}
    assert rows(as_markdown(COVERED, [RUN], today), "Not run") == [
        ["`flags`", "it has changed since"],
        ["`new`", "in none of these runs"],
        ["`three`", "in none of these runs"],
    ]


def test_a_catalogue_that_was_judged_whole_is_told_so() -> None:
    assert as_markdown(COVERED, [RUN], TODAY).endswith(
        "## Not run\n\nNothing: each of the 2 variants of the catalogue was judged as it is today.\n"
    )


@pytest.mark.parametrize(
    ("text", "complaint"), [(None, "cannot read"), ("{", "is not the JSON"), ('{"schema": 99}', "version 1")]
)
def test_what_is_no_run_is_told(tmp_path: Path, text: str | None, complaint: str) -> None:
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    with pytest.raises(RunError, match=complaint):
        read_run(tmp_path)


def test_the_command_prints_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.json").write_text(json.dumps(RUN.data))
    assert main(["claims", "--results", str(tmp_path)]) == 0
    assert f"| claim | what it says | {tmp_path.name} |" in capsys.readouterr().out
    assert main(["claims", "--results", str(tmp_path / "none")]) == 2
