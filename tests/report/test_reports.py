"""Reports of runs that were made by hand: what each reader of them gets to see."""

from __future__ import annotations

import io
import json
import re
from importlib.resources import files

import jsonschema
import pytest
from rich.console import Console

from msgport.check.observed import Observation, Observed
from msgport.check.verdict import Kind, Verdict, judge, untested
from msgport.report.data import VariantResult, exit_status, run_data
from msgport.report.ktap import ktap
from msgport.report.progress import RunProgress
from msgport.report.text import print_report
from msgport.scenario.outcome import Outcome
from msgport.scenario.parser import parse
from msgport.transcript.load import RingEntry

VARIANT = parse(
    """MSGPORT pair
about: Two messages arrive in the order sent.
claims: getport.first
{ port P owner T1; msg a reply T0.port; msg b reply T0.port }
 T0          | T1              ;
 sendmsg P a | r0 = waitport P ;
 sendmsg P b | r1 = waitport P ;
always 1:r0 = a
""",
    "pair.msgport",
)[0]
RIGHT = Outcome("done", ("a", "b"))
WRONG = Outcome("done", ("b", "a"))
STUCK = Outcome("deadlock@T1.2", ("a", "-"))
TRACE = (
    RingEntry(0, 100, "T0", 1, "-", "-"),
    RingEntry(1, 250, "T1", 1, "b", "DONE+REPLY"),
)


def result(*seen: tuple[Outcome, int], problems: tuple[str, ...] = ()) -> VariantResult:
    observations = tuple(Observation(outcome, count, True, 4, 0) for outcome, count in seen)
    observed = Observed(observations, sum(count for _, count in seen), {WRONG: TRACE, STUCK: TRACE}, problems)
    return VariantResult(VARIANT, judge(VARIANT, observed, [RIGHT], [RIGHT]), 0.5, "pair/transcript.txt", "pair/m.c")


def text(*results: VariantResult, width: int = 100, verbose: bool = False) -> str:
    out = io.StringIO()
    print_report(Console(file=out, width=width, highlight=False), results, None, "Target hand.", verbose=verbose)
    return out.getvalue()


def test_the_table_has_a_row_for_each_variant() -> None:
    row = next(line for line in text(result((RIGHT, 1234))).splitlines() if "pair" in line)
    assert row.split() == ["pair", "1,234", "1", "/", "1", "conforms"]


def test_a_violation_shows_the_nearest_allowed_outcome_and_marks_what_differs() -> None:
    lines = text(result((WRONG, 3), (RIGHT, 7))).splitlines()
    at = next(place for place, line in enumerate(lines) if line.split()[:1] == ["observed"])
    assert lines[at].split() == ["observed", "b", "a", "done"]
    assert lines[at + 1].split() == ["nearest", "allowed", "a", "b", "done"]
    assert [lines[at].index(" b ") + 1, lines[at].index(" a ") + 1] == [
        p for p, c in enumerate(lines[at + 2]) if c == "^"
    ]


def test_a_violation_names_the_claim_the_count_and_the_broken_expectation() -> None:
    shown = text(result((WRONG, 3), (RIGHT, 7)))
    assert "claim getport.first:" in shown
    assert "in 3 of 10 executions" in shown
    assert "pair.msgport:8: broken: always 1:r0 = a" in shown


def test_a_trace_is_a_timeline_with_a_column_for_each_thread() -> None:
    lines = text(result((WRONG, 1))).splitlines()
    head, first, second = lines[next(p for p, line in enumerate(lines) if "ticks" in line) :][:3]
    assert first.index("1 sendmsg P a") == head.index("T0 (CPU 0)")
    assert second.index("1 r0 = waitport P -> b [DONE+REPLY]") == head.index("T1 (CPU 1)")
    assert second.split()[0] == "150", "ticks since the first step"


def test_a_deadlock_shows_the_statement_that_sleeps() -> None:
    assert "T1.2 asleep in r1 = waitport P" in text(result((STUCK, 1)))


def test_a_trace_ends_with_the_statement_that_sleeps() -> None:
    lines = text(result((STUCK, 1))).splitlines()
    head, *_, last = lines[next(p for p, line in enumerate(lines) if "ticks" in line) :][:4]
    assert last.strip() == "2 r1 = waitport P ... asleep"
    assert last.index("2 r1") == head.index("T1 (CPU 1)")


@pytest.mark.parametrize(("kind", "shown"), [("spin", ["getport"]), ("serialize", ["enter", "getport", "exit"])])
def test_a_trace_has_no_step_for_a_serializer_that_a_port_does_not_have(kind: str, shown: list[str]) -> None:
    (variant,) = parse(
        f"MSGPORT poll\n{{ port P {kind}; msg a reply T0.port }}\n T0 ;\n enter P ;\n r0 = getport P ;\n exit P ;\n",
        "poll.msgport",
    )
    wrong = Outcome("done", ("stray",))
    trace = tuple(RingEntry(0, 100 + number, "T0", number, "-", "-") for number in (1, 2, 3))
    observed = Observed((Observation(wrong, 1, True, 0, 0),), 1, {wrong: trace}, ())
    verdict = judge(variant, observed, [Outcome("done", ("null",))], [Outcome("done", ("null",))])
    lines = text(VariantResult(variant, verdict)).splitlines()
    steps = lines[next(place for place, line in enumerate(lines) if "ticks" in line) + 1 :][: len(shown) + 1]
    assert [re.findall("enter|getport|exit", line) for line in steps] == [*([word] for word in shown), []]


def test_what_was_lost_is_told() -> None:
    shown = text(result((RIGHT, 1), problems=("load 00000001: lost 1 record of 9: 3",)))
    assert "inconclusive: pair" in shown and "lost 1 record of 9: 3" in shown


def test_verbose_lists_allowed_outcomes_too() -> None:
    assert "observed, allowed, in 5 of 5 executions" in text(result((RIGHT, 5)), verbose=True)


def test_no_line_of_the_table_is_wider_than_the_terminal() -> None:
    assert all(len(line) <= 80 for line in text(result((RIGHT, 1)), width=80).splitlines())


def test_an_outcome_wider_than_the_terminal_is_folded_under_its_names() -> None:
    wide = text(result((WRONG, 3), (RIGHT, 7)), width=200).splitlines()
    at = next(place for place, line in enumerate(wide) if line.split()[:1] == ["observed"])
    assert wide[at - 1].split() == ["T1:r0", "T1:r1", "ending"]
    narrow = text(result((WRONG, 3), (RIGHT, 7)), width=38).splitlines()
    assert [line for line in narrow if line.startswith("    observed")] == [
        "    observed          b       a",
        "    observed          done",
    ]
    assert [line.split() for line in narrow if "^" in line] == [["^", "^"]]


def test_a_dumb_terminal_gets_a_line_a_variant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    with RunProgress(["pair"]) as progress:
        progress.judged(result((RIGHT, 2)))
    assert capsys.readouterr().err == "[1/1] pair: conforms (2 executions)\n"


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("pair.c does not compile\npair.c:1: error\n 1 | int\n", "pair.c does not compile; 2 more lines in the report"),
        ("the machine hung\nlogin:", "the machine hung; 1 more line in the report"),
        ("it needs 3 CPUs", "it needs 3 CPUs"),
    ],
)
def test_a_variant_takes_one_line_whatever_a_compiler_or_a_console_said(
    detail: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with RunProgress(["pair"]) as progress:
        progress.judged(VariantResult(VARIANT, Verdict(Kind.INCONCLUSIVE, detail)))
    assert capsys.readouterr().err == f"[1/1] {VARIANT.name}: inconclusive ({shown})\n"


def test_nothing_judged_is_said() -> None:
    assert "Nothing was judged" in text()


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ([Kind.CONFORMS], 0),
        ([Kind.CONFORMS, Kind.DEVIATES, Kind.UNTESTED], 0),
        ([Kind.INCONCLUSIVE, Kind.VIOLATES], 1),
        ([Kind.CONFORMS, Kind.INCONCLUSIVE], 3),
        ([Kind.UNTESTED], 3),
        ([], 3),
    ],
)
def test_the_exit_status_is_that_of_the_worst(kinds: list[Kind], status: int) -> None:
    assert exit_status([VariantResult(VARIANT, Verdict(kind, "")) for kind in kinds]) == status


def test_a_run_as_data_is_what_the_schema_says() -> None:
    schema = json.loads(files("msgport.report").joinpath("results.schema.json").read_text())
    results = [result((RIGHT, 3), (WRONG, 1)), VariantResult(VARIANT, untested("needs 9 CPUs, the machine has 4"))]
    data = run_data({"target": "hand", "judge": "both"}, results, complete=False, ended="interrupted")
    data = json.loads(json.dumps(data))
    jsonschema.validate(data, schema)
    assert data["claims"] == {"getport.first": "violates"}
    assert data["variants"][0]["outcomes"][0]["nearest"] == {"ending": "done", "values": ["a", "b"]}


def test_ktap_counts_and_skips() -> None:
    lines = list(ktap([result((RIGHT, 1)), result((WRONG, 1)), VariantResult(VARIANT, untested("needs 9 CPUs"))]))
    assert lines[:2] == ["KTAP version 1", "1..3"]
    assert [line for line in lines if line.startswith(("ok", "not ok"))] == [
        "ok 1 pair",
        *(line for line in lines if line.startswith("not ok 2 pair")),
        "ok 3 pair # SKIP needs 9 CPUs",
    ]
