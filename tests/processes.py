"""Whether processes of others are still there."""

from __future__ import annotations

import os
import time
from pathlib import Path

PATIENCE = 20.0


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
