"""Which of several machines runs which variant: all are dealt out in turn, and who has none left takes from the rest.

What a machine runs never depends on it: seeds and nonces belong to the variant's place in the catalogue.
"""

from __future__ import annotations

from collections import deque
from threading import Event, Lock


class Deal:
    """The places of the variants that no machine has begun yet; used by one thread a machine."""

    def __init__(self, places: int, machines: int) -> None:
        """Deal ``places`` variants out to so many machines, in turn."""
        self._shares = [deque(range(first, places, machines)) for first in range(machines)]
        self._lock = Lock()
        self._stopped = Event()

    def take(self, machine: int) -> int | None:
        """Give the next place of a machine's share, else the last of the longest share; None when all are taken."""
        with self._lock:
            if self.stopped:
                return None
            if self._shares[machine]:
                return self._shares[machine].popleft()
            longest = max(self._shares, key=len)
            return longest.pop() if longest else None

    def share(self, machine: int) -> list[int]:
        """What a machine is still to run of what was dealt to it."""
        with self._lock:
            return list(self._shares[machine])

    @property
    def left(self) -> int:
        """How many places nobody has taken."""
        with self._lock:
            return sum(len(share) for share in self._shares)

    @property
    def stopped(self) -> bool:
        """Whether stop() was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Give out no more."""
        self._stopped.set()
