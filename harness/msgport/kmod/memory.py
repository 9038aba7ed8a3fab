"""What a module leaves in a machine's memory: where each thread stands, and the rings of what was done last.

The layout is that of docs/architecture.md, "The step array": little-endian, one block that a magic begins. A block of
another load, or one that is cut off, is passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

STEPS_MAGIC = b"MSGPORT-STEPS-01"
RINGS_MAGIC = b"MSGPORT-RINGS-01"
FINISHED = 0xFFFFFFFF
NO_FLAGS = 0xFFFFFFFF
MOST_THREADS = 4096
"""More threads than this are a block that only looks like one."""

_STEPS = struct.Struct("<16s4I")
_RINGS = struct.Struct("<16s2I")
_RING = struct.Struct("<2I")
_ENTRY = struct.Struct("<Q4IiI")


@dataclass(frozen=True)
class Steps:
    """Where each thread stood: ``steps[i]`` is thread i's statement (from 1), 0 between executions, or FINISHED.

    ``phase`` is what the module itself was at: 0 nothing, 1 an execution, 2 tidying up after one, 3 stopping.
    """

    iteration: int
    phase: int
    steps: tuple[int, ...]


@dataclass(frozen=True)
class RingEntry:
    """One statement that came to its end. ``result`` is as the module keeps it; ``flags`` None if it read none."""

    tsc: int
    iteration: int
    thread: int
    statement: int
    cpu: int
    result: int
    flags: int | None


@dataclass(frozen=True)
class Ring:
    """What one CPU did last, oldest first; ``written`` counts all entries there ever were, modulo 2**32."""

    written: int
    entries: tuple[RingEntry, ...]


def read_steps(memory: bytes, nonce: int) -> Steps | None:
    """Find the step array of the load with that nonce; None when there is none."""
    return next((steps for steps, _ in _blocks(memory, nonce)), None)


def read_rings(memory: bytes, nonce: int) -> tuple[Ring, ...]:
    """Find the rings of the load with that nonce, one for each CPU from 0; empty when there are none."""
    return next((rings for _, end in _blocks(memory, nonce) if (rings := _rings(memory, end)) is not None), ())


def _blocks(memory: bytes, nonce: int) -> Iterator[tuple[Steps, int]]:
    """Yield each whole step array of that load with the place where it ends."""
    at = memory.find(STEPS_MAGIC)
    while at >= 0:
        if at + _STEPS.size <= len(memory):
            _, found, threads, iteration, phase = _STEPS.unpack_from(memory, at)
            # The words are padded to an even number.
            end = at + _STEPS.size + 4 * (threads + threads % 2)
            if found == nonce and 0 < threads <= MOST_THREADS and end <= len(memory):
                yield Steps(iteration, phase, struct.unpack_from(f"<{threads}I", memory, at + _STEPS.size)), end
        at = memory.find(STEPS_MAGIC, at + 1)


def _rings(memory: bytes, at: int) -> tuple[Ring, ...] | None:
    if at + _RINGS.size > len(memory):
        return None
    magic, count, size = _RINGS.unpack_from(memory, at)
    at += _RINGS.size
    if magic != RINGS_MAGIC or at + count * (_RING.size + size * _ENTRY.size) > len(memory):
        return None
    return tuple(_ring(memory, at + number * (_RING.size + size * _ENTRY.size), size) for number in range(count))


def _ring(memory: bytes, at: int, size: int) -> Ring:
    written, _ = _RING.unpack_from(memory, at)
    kept = min(written, size)
    places = ((written - kept + number) % size for number in range(kept))
    return Ring(written, tuple(_entry(memory, at + _RING.size + place * _ENTRY.size) for place in places))


def _entry(memory: bytes, at: int) -> RingEntry:
    tsc, iteration, thread, statement, cpu, result, flags = _ENTRY.unpack_from(memory, at)
    return RingEntry(tsc, iteration, thread, statement, cpu, result, None if flags == NO_FLAGS else flags)
