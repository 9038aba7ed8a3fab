"""Folders that belong to one living process; what a killed one left behind is removed by the next.

A folder is held by a lock on a file in it, which the system lets go however its process ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgport_vm.machine import MachineError

PREFIX = "run-"
OWNER = "owner.lock"
TURN = "turn.lock"


class Scratch:
    """A folder for as long as this process lives, or until remove()."""

    def __init__(self, parent: Path) -> None:
        """Make it in ``parent``, after removing what dead processes left there. Raises MachineError."""
        try:
            parent.mkdir(parents=True, exist_ok=True)
            with _turn(parent):
                _sweep(parent)
                self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
                self._owner = os.open(self.path / OWNER, os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._owner, fcntl.LOCK_EX)
        except OSError as error:
            raise MachineError(f"cannot write in {parent}: {error}; MSGPORT_CACHE names another folder") from error

    def __enter__(self) -> Scratch:
        """It was made already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self.remove()

    @property
    def lock(self) -> int:
        """The descriptor that holds the folder; a child process that inherits it holds the folder too."""
        return self._owner

    def let_go(self) -> None:
        """Leave the folder to the child process that holds it."""
        os.close(self._owner)
        self._owner = -1

    def remove(self) -> None:
        """Remove it with all that is in it; safe to call twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._owner >= 0:
            os.close(self._owner)
            self._owner = -1


@contextmanager
def _turn(parent: Path) -> Iterator[None]:
    """One process at a time: a folder that has no owner yet must not be taken for one that has none any more."""
    turn = os.open(parent / TURN, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield
    finally:
        os.close(turn)


def living(parent: Path) -> list[Path]:
    """Give the folders in ``parent`` that a process holds; all others there are removed. Raises MachineError."""
    if not parent.is_dir():
        return []
    try:
        with _turn(parent):
            return _sweep(parent)
    except OSError as error:
        raise MachineError(f"cannot write in {parent}: {error}; MSGPORT_CACHE names another folder") from error


def is_held(folder: Path) -> bool:
    """Tell whether a process holds a folder."""
    try:
        owner = os.open(folder / OWNER, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Shared: others may look at the same moment.
        fcntl.flock(owner, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(owner)
    return False


def _sweep(parent: Path) -> list[Path]:
    held = []
    for folder in sorted(parent.glob(f"{PREFIX}*")):
        if is_held(folder):
            held.append(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return held
