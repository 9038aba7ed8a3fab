"""The process behind the command: its standard streams, which may be full, closed or read by nobody, and its start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

MSGPORT = [sys.executable, "-m", "msgport"]


def ended(
    arguments: Sequence[str], stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MSGPORT, *arguments], stdout=stdout, stderr=stderr, env={**os.environ, **environment}, text=True, check=False
    )


@pytest.fixture(params=["unread", "full"])
def broken(request: pytest.FixtureRequest) -> Iterator[tuple[int, str]]:
    """A stream that takes nothing, and what the system says of it."""
    if request.param == "unread":
        reader, writer = os.pipe()
        os.close(reader)
        said = "Broken pipe"
    else:
        if not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full here")
        writer, said = os.open("/dev/full", os.O_WRONLY), "No space left on device"
    yield writer, said
    os.close(writer)


def test_a_report_that_nobody_can_read_is_inconclusive_and_tells_where_the_results_are(
    broken: tuple[int, str], tmp_path: Path
) -> None:
    stdout, said = broken
    done = ended(["run", "say", "--results", str(tmp_path / "r")], stdout)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == (
        f"msgport: cannot write the report: {said}; results are in {tmp_path / 'r'}"
    )
    assert "Traceback" not in done.stderr and (tmp_path / "r" / "results.json").exists()


@pytest.mark.parametrize("arguments", [["explore", "say"], ["run", "--help"]], ids=" ".join)
def test_output_that_nobody_can_read_is_told_and_inconclusive(broken: tuple[int, str], arguments: list[str]) -> None:
    stdout, said = broken
    done = ended(arguments, stdout)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [f"msgport: cannot write the report: {said}"]


def test_progress_that_nobody_can_see_changes_nothing(broken: tuple[int, str], tmp_path: Path) -> None:
    stderr, _ = broken
    done = ended(["run", "say", "--results", str(tmp_path / "r")], stderr=stderr)
    assert done.returncode == 0
    assert "1 variant: 1 conforms" in done.stdout and f"Results: {tmp_path / 'r'}" in done.stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_from_the_start_change_nothing(closed: str, tmp_path: Path) -> None:
    command = f'exec "$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", command, "sh", *MSGPORT, "run", "say", "--results", str(tmp_path / "r")],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r" / "results.json").exists()


def test_an_interrupt_while_the_command_is_being_imported_is_one_line(tmp_path: Path) -> None:
    # Found in place of a package that the parser of scenarios needs.
    (tmp_path / "lark.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = ended(["run", "say"], PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "msgport: interrupted\n")
