"""The commands that run nothing: explore, generate, claims, check."""

from __future__ import annotations

import json
import resource
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from msgport.cli import main


def explored(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, int]]:
    assert main(["explore", *arguments, "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    return [(variant["name"], len(variant["outcomes"])) for variant in data["variants"]]


def test_a_thread_port_on_three_cpus_may_break_causal_order_and_a_spin_port_may_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert explored(capsys, "causal-order") == [("causal-order/P=thread", 2), ("causal-order/P=spin", 1)]


def test_explore_prints_a_row_for_each_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "causal-order/P=thread"]) == 0
    out = capsys.readouterr().out
    assert "allows 2 outcomes" in out
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["T0:r0", "T1:r0", "T2:r0", "T2:r1", "ending"],
        ["0", "m", "a", "b", "done"],
        ["0", "m", "b", "a", "done"],
    ]


def test_explore_folds_what_is_wider_than_the_terminal_and_numbers_its_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert main(["explore", "causal-order/P=thread"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")] == [
        "      T0:r0   T1:r0   T2:r0",
        "  1   0       m       a",
        "  2   0       m       b",
        "      T2:r1   ending",
        "  1   b       done",
        "  2   a       done",
    ]


def test_explore_says_where_the_page_leaves_everything_open(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "double-send", "--model", "manual"]) == 0
    assert "allows anything" in capsys.readouterr().out


def test_explore_loads_nothing_that_only_a_run_needs() -> None:
    code = (
        "import sys; from msgport.cli import main; main(['explore', 'causal-order']);"
        "sys.exit(bool({'rich', 'jinja2', 'msgport_vm'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_generate_writes_a_source_and_a_makefile_for_each_variant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "two-senders", "--out", str(tmp_path / "out")]) == 0
    sources = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(sources) == 2
    for source in sources:
        assert source.suffix == ".c" and "DECLARE_MODULE" in source.read_text()
        assert f"KMOD=\t{source.stem}" in (source.parent / "Makefile").read_text().replace("= ", "=\t")


@pytest.mark.parametrize("era", ["A", "B", "C", "D", "E"])
def test_generate_writes_the_api_of_the_era_asked_for(
    era: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "two-senders/P=spin", "--era", era, "--out", str(tmp_path)]) == 0
    source = Path(capsys.readouterr().out.strip()).read_text()
    arguments = source.partition("lwkt_initport_spin(")[2].partition(");")[0].count(",") + 1
    assert arguments == {"A": 1, "B": 2, "C": 2, "D": 3, "E": 3}[era]


def test_generate_into_a_place_that_cannot_be_written_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["generate", "say", "--out", str(tmp_path / "file")]) == 2
    assert "cannot write to" in capsys.readouterr().err


def test_generate_onto_a_full_disk_leaves_no_half_of_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        status = main(["generate", "say", "--out", str(tmp_path)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 2 and "cannot write to" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_claims_maps_each_claim_to_its_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", "--format", "json"]) == 0
    claims = {claim["id"]: claim for claim in json.loads(capsys.readouterr().out)["claims"]}
    assert "fifo-one-sender" in claims["getport.first"]["scenarios"]
    states = {claim["state"] for claim in claims.values()}
    assert states == {"covered", "deviating", "untestable"}
    assert all(claim["untestable"] for claim in claims.values() if claim["state"] == "untestable")


def test_claims_prints_a_count_of_every_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split(":")[0].endswith("claims")


def test_tables_of_runs_are_not_had_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    kept = Path(__file__).parents[2] / "results" / "dragonfly-5.9" / "smp1"
    assert main(["claims", "--results", str(kept), "--format", "json"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "--results gives Markdown" in told.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("two-sender", "did you mean two-senders"),
        ("two-senders/P=panic", "two-senders/P=spin"),
        ("nowhere/else.msgport", "cannot read the scenario file"),
        ("/etc", "cannot read the scenario file"),
    ],
)
def test_an_unknown_scenario_is_a_usage_error_that_names_what_there_is(
    name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", name]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("expression", ["and", "(two", "two or", "two senders", "nothing-has-this-name"])
def test_an_expression_that_chooses_nothing_is_a_usage_error(
    expression: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", "two-senders", "-k", expression]) == 2
    assert "-k" in capsys.readouterr().err


def test_an_expression_chooses_by_name_and_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert [name for name, _ in explored(capsys, "two-senders", "-k", "not spin and getport.first")] == [
        "two-senders/P=thread"
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cpus", "0"], "argument --cpus: '0' is not a whole number above 0"),
        (["--time", "-1"], "argument --time: '-1' is not a number of seconds from 0.001 to 86400"),
        (["--seed", "x"], "argument --seed: 'x' is not a whole number"),
        (["--judge", "moon"], "argument --judge: invalid choice: 'moon'"),
        (["--era", "Z"], "argument --era: invalid choice: 'Z'"),
        (["--grain", "sand"], "argument --grain: invalid choice: 'sand'"),
        (["--nosuch"], "unrecognized arguments: --nosuch"),
    ],
)
def test_a_bad_option_is_a_usage_error_in_three_lines(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", *arguments])
    assert ended.value.code == 2
    usage, error, more = capsys.readouterr().err.splitlines()
    assert usage == "usage: msgport run [options] [SCENARIO ...]"
    assert error.startswith(f"msgport run: {said}") and "<" not in error
    assert more == "`msgport run --help` tells more"


OWN = "MSGPORT {}\n{{ port P owner T0; msg a reply T0.port }}\n T0 ;\n r0 = {} P ;\nsometimes {}\n"


@pytest.mark.parametrize("command", ["explore", "check"])
@pytest.mark.parametrize(("call", "expected"), [("waitport", "deadlock"), ("getport", "0:r0 != a")])
def test_two_files_that_call_different_things_by_one_name_are_refused(
    command: str, call: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = tmp_path / "one.msgport", tmp_path / "other.msgport"
    one.write_text(OWN.format("poll", "getport", "0:r0 = null"))
    other.write_text(OWN.format("poll", call, expected))
    (tmp_path / "console.txt").write_text("")
    transcript = [str(tmp_path / "console.txt")] if command == "check" else []
    assert main([command, *transcript, str(one), str(other)]) == 2
    err = capsys.readouterr().err
    assert f"{one} and {other} both call a scenario poll" in err and "another title" in err


def test_a_file_with_the_name_of_a_catalogue_scenario_beside_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.msgport"
    own.write_text(OWN.format("double-send", "getport", "0:r0 = null"))
    assert main(["explore", "double-send", str(own)]) == 2
    assert f"and {own} both call a scenario double-send" in capsys.readouterr().err


def test_the_same_scenario_given_twice_is_taken_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, copy = tmp_path / "one.msgport", tmp_path / "copy.msgport"
    one.write_text(OWN.format("poll", "getport", "0:r0 = null"))
    copy.write_text("# Saved again.\n" + one.read_text())
    assert explored(capsys, str(one), str(one), str(copy)) == [("poll", 1)]


BAD = """MSGPORT bad
claims: getport.first
{{ port P owner T1; msg a reply T0.port }}
 T0          | T1               ;
 sendmsg P a | {statement} ;
{expectation}
"""


@pytest.mark.parametrize(
    ("statement", "expectation", "place", "said"),
    [
        ("r0 = waitport Q", "always done", "5:", "Q"),
        ("r0 = error a", "always done", "5:", "does not own"),
        ("r0 = waitport P", "always 1:r0 = null", "6:", "wrong"),
        ("r0 = waitport P", "always 1:r9 = a", "6:", "r9"),
        ("r0 = = P", "always done", "5:", ""),
    ],
)
def test_a_wrong_scenario_is_refused_at_its_place_before_anything_runs(
    statement: str, expectation: str, place: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.msgport"
    file.write_text(BAD.format(statement=statement, expectation=expectation))
    results = tmp_path / "results"
    assert main(["run", str(file), "--results", str(results)]) == 2
    err = capsys.readouterr().err
    assert f"{file}:{place}" in err and said in err and "^" in err
    assert not results.exists()


def test_a_wrong_expectation_is_told_beside_the_outcomes_and_its_hint_prints_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.msgport"
    text = BAD.format(statement="r0 = waitport P", expectation="always 1:r0 = null")
    file.write_text(text.replace("{ port", "vary: P = thread | spin\n{ port"))
    assert main(["run", str(file)]) == 2
    err = capsys.readouterr().err
    assert "the manual model allows 1:r0=a done" in err
    (hint,) = [line for line in err.splitlines() if "prints every outcome" in line]
    words = shlex.split(hint.split("`")[1])
    assert words == ["msgport", "explore", "--model", "manual", f"{file}/P=thread"]
    assert main(words[1:]) == 2
    out, err = capsys.readouterr()
    assert [line.split() for line in out.splitlines()[1:]] == [["T1:r0", "ending"], ["a", "done"]]
    assert f"{file}:7:1: bad/P=thread: this expectation is wrong" in err and "P=spin" not in err


def test_a_variant_that_a_file_does_not_have_is_a_usage_error_that_names_those_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.msgport"
    file.write_text(OWN.format("poll", "getport", "0:r0 = null"))
    assert main(["explore", f"{file}/P=moon"]) == 2
    assert f"{file} has no variant P=moon; it has\n  {file}\n" in capsys.readouterr().err


def test_a_transcript_without_records_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "console.txt").write_text("login: root\n# kldload ./x.ko\n")
    assert main(["check", str(tmp_path / "console.txt")]) == 2
    assert "no records of a module" in capsys.readouterr().err


def test_a_transcript_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "console.txt")]) == 2
    assert "cannot read" in capsys.readouterr().err
