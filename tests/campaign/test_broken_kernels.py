"""Copies of the user-space message ports, broken on purpose: each is caught, explained and traced."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from msgport.cli import main
from msgport_vm.userland import default_sources


def broken(tmp_path: Path, right: str, wrong: str) -> Path:
    """Copy the machine's sources with one thing changed in lwkt_msgport.c, wherever it stands."""
    copy = tmp_path / "userland"
    shutil.copytree(default_sources(), copy)
    file = copy / "kern" / "lwkt_msgport.c"
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong))
    return copy


def judged(tmp_path: Path, sources: Path, scenario: str, capsys: pytest.CaptureFixture[str]) -> str:
    arguments = ["run", scenario, "--iterations", "300", "--userland", str(sources)]
    assert main([*arguments, "--results", str(tmp_path / "r")]) == 1
    return capsys.readouterr().out


def test_last_in_first_out_violates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = broken(tmp_path, "TAILQ_INSERT_TAIL(queue_of", "TAILQ_INSERT_HEAD(queue_of")
    out = judged(tmp_path, sources, "fifo-one-sender/P=spin", capsys)
    assert "violates: fifo-one-sender/P=spin" in out
    assert "claim getport.first" in out
    observed, nearest = (next(line for line in out.splitlines() if word in line) for word in ("observed  ", "nearest"))
    assert observed.split() == ["observed", "b", "a", "done"]
    assert nearest.split() == ["nearest", "allowed", "a", "b", "done"]
    assert "waitport P -> b" in out, "the trace"


def test_a_lost_wakeup_violates_as_a_deadlock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = broken(tmp_path, "append(port, msg);\n\tnotify_owner(port);", "append(port, msg);")
    out = judged(tmp_path, sources, "fifo-one-sender/P=thread", capsys)
    # Which of its two waits it never woke from depends on when the first message came.
    assert re.search(r"deadlock@T1\.(2|3)\b", out) and re.search(r"T1\.(2|3) asleep in r[01] = waitport P", out)
    assert "sendmsg P a" in out.partition("trace of that execution")[2]


def test_done_without_reply_violates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = broken(tmp_path, "MSGF_REPLY | MSGF_DONE", "MSGF_DONE")
    out = judged(tmp_path, sources, "async-reply/place=same-cpu", capsys)
    assert "DONE+REPLY" in out and "flags a -> DONE" in out


def test_the_message_ports_as_they_are_do_not(tmp_path: Path) -> None:
    arguments = ["run", "fifo-one-sender", "async-reply", "--iterations", "300"]
    assert main([*arguments, "--results", str(tmp_path / "r")]) == 0
