"""Where everything is meant to be here, a test that is skipped fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
LACKING = """
import pytest

@pytest.fixture
def lacking():
    pytest.skip("no {what} here")

def test_with_it(lacking):
    pass
"""


@pytest.mark.parametrize(
    ("everything", "what", "status"),
    [("", "qemu", 0), ("1", "qemu", 1), ("1", "../shared/transcripts", 0)],
)
def test_a_skip_fails_where_all_but_recordings_are_meant_to_be_here(
    everything: str, what: str, status: int, tmp_path: Path
) -> None:
    (tmp_path / "test_lacking.py").write_text(LACKING.format(what=what))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-rs", str(tmp_path)],
        cwd=TOP,
        env={**os.environ, "MSGPORT_TEST_ALL": everything},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout
    assert f"no {what} here" in done.stdout
