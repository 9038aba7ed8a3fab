"""Copies of the user-space message ports with a fault of the selftest's: how a violation is explained and traced."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from msgport.cli import main
from msgport.selftest.faults import altered_files, chosen
from msgport_vm.userland import default_sources


def judged(tmp_path: Path, fault: str, scenario: str, capsys: pytest.CaptureFixture[str]) -> str:
    copy = tmp_path / "userland"
    shutil.copytree(default_sources(), copy)
    for file, text in altered_files(*chosen([fault], "implementation")).items():
        (copy / file).write_text(text)
    arguments = ["run", scenario, "--iterations", "300", "--userland", str(copy)]
    assert main([*arguments, "--results", str(tmp_path / "r")]) == 1
    return capsys.readouterr().out


def test_last_in_first_out_violates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = judged(tmp_path, "last-in-first-out", "fifo-one-sender/P=spin", capsys)
    assert "violates: fifo-one-sender/P=spin" in out
    assert "claim getport.first" in out
    observed, nearest = (next(line for line in out.splitlines() if word in line) for word in ("observed  ", "nearest"))
    assert observed.split() == ["observed", "b", "a", "done"]
    assert nearest.split() == ["nearest", "allowed", "a", "b", "done"]
    assert "waitport P -> b" in out, "the trace"


def test_a_lost_wakeup_violates_as_a_deadlock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = judged(tmp_path, "thread-put-from-afar-wakes-nobody", "fifo-one-sender/P=thread", capsys)
    # Which of its two waits it never woke from depends on when the first message came.
    assert re.search(r"deadlock@T1\.(2|3)\b", out) and re.search(r"T1\.(2|3) asleep in r[01] = waitport P", out)
    assert "sendmsg P a" in out.partition("trace of that execution")[2]


def test_a_call_that_ought_not_to_sleep_and_does_is_a_deadlock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = judged(tmp_path, "getport-sleeps", "getport-polls/P=thread", capsys)
    assert re.search(r"T1\.(1|2) asleep in r[01] = getport P", out)


def test_done_without_reply_violates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = judged(tmp_path, "queued-reply-forgets-reply", "async-reply/place=same-cpu", capsys)
    assert "DONE+REPLY" in out and "flags a -> DONE" in out
