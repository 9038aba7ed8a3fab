"""Whose turn it is at a machine that does one thing at a time: the loads', or that of a build inside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from msgport_vm.machine import BuildError

SLICE = 0.5
ABANDONED = 120.0
"""Seconds that a build waits for a machine with which nothing is done, though it is in use or dead."""

BROKEN_OFF = 15.0
"""Seconds that it waits after a load was broken off: either the machine is brought back soon, or the run is over."""


class Turn:
    """Held from one thread, that of the loads, until it gives it back; builds come from any other, one at a time."""

    def __init__(self) -> None:
        """Nobody has it."""
        self._lock = Lock()
        self._taken = False
        self._broken_off = 0.0

    def take(self) -> None:
        """Let nothing be built until it is given back. The loads may take it again."""
        self._broken_off = 0.0
        if not self._taken:
            self._lock.acquire()
            self._taken = True

    def give_back(self) -> None:
        """Let builds have it. The loads need not have it."""
        if self._taken:
            self._taken = False
            self._lock.release()

    def break_off(self) -> None:
        """Keep it, in the middle of a load of which nobody hears the rest."""
        self._broken_off = time.monotonic()

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Take it, and leave it as it was: the loads' if it was theirs."""
        theirs = self._taken
        self.take()
        try:
            yield
        finally:
            if not theirs:
                self.give_back()

    @contextmanager
    def for_build(self, source: Path, used: Callable[[], float]) -> Iterator[None]:
        """Take it for a build of ``source``, when the machine is idle and alive.

        ``used`` tells when something was last done with the machine (monotonic). Raises BuildError when nothing is any
        more and yet its turn never comes.
        """
        since = time.monotonic() - ABANDONED / 2
        while not self._lock.acquire(timeout=SLICE):
            now, broken_off = time.monotonic(), self._broken_off
            if now - max(since, used()) > ABANDONED or (broken_off and now - broken_off > BROKEN_OFF):
                raise BuildError(f"{source} was not compiled: the machine died or was left in the middle of a load")
        try:
            yield
        finally:
            self._lock.release()
