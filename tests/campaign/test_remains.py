"""What memory tells of a load, put together from a block as docs/architecture.md has it."""

from __future__ import annotations

import struct

from msgport.remains import remains_of
from msgport.selection import choose
from tests.kmod.test_memory import RINGS, ring, steps

(VARIANT,) = choose(["two-senders/P=spin"], None)
FINISHED = 0xFFFFFFFF
NONE = -0x7FFFFFFF


def entry(tsc: int, thread: int, statement: int, result: int, flags: int = FINISHED, iteration: int = 7) -> bytes:
    return struct.pack("<Q4IiI", tsc, iteration, thread, statement, thread, result, flags)


def block(*rings: bytes) -> bytes:
    return steps(9, 2, FINISHED, 1) + RINGS + struct.pack("<2I", len(rings), 1) + b"".join(rings)


def test_the_statement_of_each_unfinished_thread_is_told() -> None:
    remains = remains_of(VARIANT, block(), 9)
    assert remains
    assert remains.where == "in execution 7: T0.2 sendmsg P b, T2.1 r0 = waitport P"
    assert remains.lines == ()


def test_what_was_done_is_told_in_the_order_of_time_and_of_this_execution_only() -> None:
    memory = block(
        ring(1, entry(130, 2, 1, 1, 0x3)),
        ring(1, entry(100, 0, 1, NONE)),
        ring(1, entry(90, 1, 1, NONE, iteration=6)),
        ring(1, entry(140, 2, 2, NONE + 1)),
    )
    remains = remains_of(VARIANT, memory, 9)
    assert remains
    assert [line.split() for line in remains.lines[1:]] == [
        ["0", "0", "T0.1", "sendmsg", "P", "a"],
        ["30", "2", "T2.1", "r0", "=", "waitport", "P", "->", "b", "[DONE+REPLY]"],
        ["40", "2", "T2.2", "r1", "=", "waitport", "P", "->", "null"],
    ]


def test_numbers_that_mean_nothing_are_shown_as_they_stand() -> None:
    remains = remains_of(
        VARIANT, block(ring(1, entry(1, 2, 9, 5)), ring(1, entry(2, 2, 1, 99)), ring(1, entry(3, 8, 1, 0))), 9
    )
    assert remains
    assert [(each.statement, each.result) for each in remains.trace] == [(9, "-"), (1, "stray")]


def test_the_block_of_another_variant_tells_nothing() -> None:
    assert remains_of(VARIANT, steps(9, 1), 9) is None
    assert remains_of(VARIANT, b"", 9) is None
