"""The benchmarks run and tell their figures. Whether a goal is reached is for a quiet host, and not asked here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.standin.image import write_sysdir

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def told(name: str, arguments: Sequence[str], cache: Path | None = None) -> str:
    """What a benchmark prints when it comes to its end."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / name, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **({"MSGPORT_CACHE": str(cache)} if cache else {})},
    )
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout


def test_executions_are_counted_beside_a_loop_written_by_hand() -> None:
    said = told("executions.py", ["--rounds", "1", "--ms", "30"])
    assert "by hand" in said and "the generated module reaches" in said, said


def test_round_trips_are_timed_beside_pthreads() -> None:
    assert "condition variable" in told("roundtrip.py", ["1"])


def test_the_model_is_timed_beside_spin() -> None:
    if shutil.which("spin") is None:
        pytest.skip("no spin: apt install spin")
    assert "msgport.model" in told("spin.py", ["1"])


def test_a_guests_starts_and_returns_are_timed(tmp_path: Path) -> None:
    from tests.contract.conftest import standin
    from tests.standin.image import Guest, build_image

    guest = standin()
    assert isinstance(guest, Guest)
    image = build_image(guest, tmp_path / "standin.iso", environment={"standin.nologin": 1})
    options = ["--rounds", "1", "--image", str(image), "--sysdir", str(write_sysdir(tmp_path / "sysdir"))]
    options += ["--machine-type", "pc", "--accel", "tcg", "--memory", "256", "--cpus", "2"]
    said = told("guest.py", options, tmp_path / "cache")
    for what in (
        "the boot by itself",
        "a cold run",
        "a warm run, but",
        "a warm run of all",
        "the return after a panic",
    ):
        assert what in said, said
