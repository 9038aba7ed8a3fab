"""Whether processes of others are still there, and signals to them at the right moment."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE = 20.0
START_PATIENCE = 30.0


def is_there(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not, and stays one where nobody reaps orphans.

    A first thread may be a zombie while others of its process still end, with the files open that they share.
    """
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except (ProcessLookupError, FileNotFoundError):
        return False


def is_gone(pid: int) -> bool:
    """Wait for a process to end: one that was killed takes a moment. False when it is still there after PATIENCE."""
    end = time.monotonic() + PATIENCE
    while is_there(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not is_there(pid)


def signal_when(process: subprocess.Popen[bytes], holds: Callable[[], bool], how: int) -> None:
    """Send a signal to a process once something holds; fail with what it complained of when that never comes."""
    end = time.monotonic() + START_PATIENCE
    while not holds():
        if time.monotonic() > end:
            process.kill()
            pytest.fail(f"nothing came within {START_PATIENCE:g} s: {process.communicate()[1]!r}")
        time.sleep(0.01)
    process.send_signal(how)
