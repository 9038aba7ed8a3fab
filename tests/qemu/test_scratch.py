"""A run's folder goes with its process, at the latest when the next comes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from msgport_vm.machine import MachineError
from msgport_vm.scratch import Scratch

HOLD = """
import sys
from pathlib import Path
from msgport_vm.scratch import Scratch
print(Scratch(Path(sys.argv[1])).path, flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        mine = Scratch(tmp_path)
        assert theirs.is_dir() and mine.path.is_dir()
        other.kill()
        other.wait()
    third = Scratch(tmp_path)
    assert not theirs.exists()
    assert mine.path.is_dir()
    for scratch in (mine, third):
        scratch.remove()
        scratch.remove()
        assert not scratch.path.exists()


def test_a_folder_that_cannot_be_made_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="MSGPORT_CACHE"):
        Scratch(tmp_path / "file" / "runs")
