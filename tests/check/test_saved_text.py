"""Saved text judged again: what it does not tell makes nothing worse or better than it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from msgport.check.verdict import Kind, Verdict
from msgport.cli import main
from msgport.offline import judge_transcript
from msgport.scenario.canonical import content_hash
from msgport.selection import choose
from msgport.transcript import stood_in
from tests.transcript.writer import Writer


def judged(name: str, text: str) -> Verdict:
    (result,) = judge_transcript(text, choose([name], None), "both")
    return result.verdict


def begun(name: str, inv: int = 1) -> Writer:
    (variant,) = choose([name], None)
    return Writer().begin(scenario=name, content=content_hash(variant), inv=inv)


def test_where_the_kind_of_built_in_ports_is_lost_nothing_violates() -> None:
    # Only a spin port takes a reply while its owner is in a critical section.
    writer = begun("moving-reply").add("builtin", kind="spin").add("new", k=0, i=0, v="0,0,0,1,a,a", e="done")
    lines = writer.add("out", k=0, n=300).end(300).lines
    assert judged("moving-reply", "\n".join(lines)).kind is Kind.CONFORMS
    lost = judged("moving-reply", "\n".join(lines[:2] + lines[3:]))
    assert lost.kind is Kind.INCONCLUSIVE and "built-in ports may be lost" in lost.detail
    # What was seen is shown all the same.
    assert [row.count for row in lost.rows] == [300]


@pytest.mark.parametrize(("inv", "kind"), [(1, Kind.VIOLATES), (0, Kind.INCONCLUSIVE)])
def test_no_assertion_is_missed_of_a_module_built_without_invariants(inv: int, kind: Kind) -> None:
    text = begun("double-send", inv).add("new", k=0, i=0, v="", e="done").add("out", k=0, n=1).end(1).text
    assert judged("double-send", text).kind is kind


def test_a_module_that_stopped_at_what_is_allowed_is_no_pass() -> None:
    writer = begun("two-senders/P=spin").add("new", k=0, i=0, v="a,b,c", e="done").add("frozen", k=0, i=0)
    verdict = judged("two-senders/P=spin", writer.add("out", k=0, n=1).end(1, "frozen").text)
    assert verdict.kind is Kind.INCONCLUSIVE and "what the kernel model allows" in verdict.detail


def test_a_panic_in_a_step_that_memory_told_is_judged_by_it() -> None:
    assertion = "msg->ms_reply_port != NULL && (msg->ms_flags & (MSGF_DONE|MSGF_QUEUED)) == MSGF_DONE"
    text = begun("double-send").text + f'panic: assertion "{assertion}" failed in _lwkt_sendmsg_prepare at x.c:1\n'
    assert judged("double-send", text).kind is Kind.CONFORMS
    assert judged("double-send", text + stood_in(0x5EED, ["T0.2"])).kind is Kind.CONFORMS
    assert judged("double-send", text + stood_in(0x5EED, ["T0.1"])).kind is Kind.VIOLATES


def test_a_trace_of_a_thread_that_is_not_there_hides_no_violation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = begun("two-senders/P=spin").add("new", k=0, i=0, v="b,a,c", e="done").add("frozen", k=0, i=0)
    writer.add("ring", c=0, t=1, w="T9", s=1, r="-", f="-").add("ring", c=0, t=2, w="T0", s=1, r="-", f="-")
    (tmp_path / "console").write_text(writer.add("out", k=0, n=1).end(1, "frozen").text)
    assert main(["check", str(tmp_path / "console")]) == 1
    assert "1 variant: 1 violates" in capsys.readouterr().out
