"""A program that does not end is ended, with all that it started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from msgport_vm.bounded import run
from tests.processes import is_gone


def test_what_a_program_prints_and_how_it_ends_is_given(tmp_path: Path) -> None:
    done = run(["sh", "-c", "pwd; echo no >&2; exit 3"], 60.0, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\n", "no\n")


def test_a_program_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path) -> None:
    script = 'sleep 600 & echo $! >"new"; mv new pid; wait'
    with pytest.raises(subprocess.TimeoutExpired):
        run(["sh", "-c", script], 5.0, tmp_path)
    assert is_gone(int((tmp_path / "pid").read_text()))
