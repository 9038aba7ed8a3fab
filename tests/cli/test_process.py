"""The process behind the command: its standard streams, which may be full, closed or read by nobody, and its start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from msgport.selftest.faults import altered_files, chosen
from msgport_vm.userland import default_sources

VARIANT = "fifo-one-sender/P=spin"
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
    assert done.stderr.splitlines()[-2:] == [
        f"msgport: results are in {tmp_path / 'r'}",
        f"msgport: cannot write the report: {said}",
    ]
    assert "Traceback" not in done.stderr and (tmp_path / "r" / "results.json").exists()


@pytest.mark.parametrize("arguments", [["explore", "say"], ["run", "--help"]], ids=" ".join)
def test_output_that_nobody_can_read_is_told_and_inconclusive(broken: tuple[int, str], arguments: list[str]) -> None:
    stdout, said = broken
    done = ended(arguments, stdout)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [f"msgport: cannot write the report: {said}"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with message ports that violate, a run of theirs, ``wrong``, and one of the right ones, ``right``."""
    folder = tmp_path_factory.mktemp("runs")
    copy = folder / "userland"
    shutil.copytree(default_sources(), copy)
    for file, text in altered_files(*chosen(["last-in-first-out"], "implementation")).items():
        (copy / file).write_text(text)
    assert ended(["run", VARIANT, "--results", str(folder / "right")]).returncode == 0
    assert ended(["run", VARIANT, "--userland", str(copy), "--results", str(folder / "wrong")]).returncode == 1
    return folder


@pytest.mark.parametrize("command", ["run", "check", "compare"])
def test_what_violates_does_so_whether_anybody_reads_it_or_not(
    command: str, broken: tuple[int, str], runs: Path, tmp_path: Path
) -> None:
    stdout, said = broken
    arguments = {
        "run": [VARIANT, "--userland", str(runs / "userland"), "--results", str(tmp_path / "r")],
        "check": [str(path) for path in (runs / "wrong").glob("*/transcript.txt")],
        "compare": [str(runs / "right"), str(runs / "wrong")],
    }
    done = ended([command, *arguments[command]], stdout)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"msgport: cannot write the report: {said}")


def test_a_bad_file_is_one_whether_anybody_reads_what_is_allowed_or_not(
    broken: tuple[int, str], tmp_path: Path
) -> None:
    stdout, _ = broken
    file = tmp_path / "own.msgport"
    file.write_text("MSGPORT own\n{ port P owner T0 }\n T0 ;\n r0 = getport P ;\nalways 0:r0 != null\n")
    done = ended(["explore", str(file)], stdout)
    assert done.returncode == 2 and "this expectation is wrong" in done.stderr


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
