from __future__ import annotations

import struct

from msgport.kmod import Ring, RingEntry, Steps, read_rings, read_steps

STEPS = b"MSGPORT-STEPS-01"
RINGS = b"MSGPORT-RINGS-01"


def steps(nonce: int, *words: int) -> bytes:
    padded = words if len(words) % 2 == 0 else (*words, 0)
    return STEPS + struct.pack("<4I", nonce, len(words), 7, 1) + struct.pack(f"<{len(padded)}I", *padded)


def entry(tsc: int, result: int = 0, flags: int = 0) -> bytes:
    return struct.pack("<Q4IiI", tsc, 7, 1, 2, 3, result, flags)


def ring(written: int, *entries: bytes) -> bytes:
    return struct.pack("<2I", written, 0) + b"".join(entries)


def block(nonce: int) -> bytes:
    rings = ring(1, entry(10, -5), entry(0)) + ring(3, entry(30), entry(20, 4, 0xFFFFFFFF))
    return steps(nonce, 2, 0xFFFFFFFF, 0) + RINGS + struct.pack("<2I", 2, 2) + rings


def test_steps_are_found_wherever_they_lie() -> None:
    memory = b"\x5a" * 13 + block(9) + b"\x5a" * 5
    assert read_steps(memory, 9) == Steps(7, 1, (2, 0xFFFFFFFF, 0))


def test_steps_of_another_load_are_passed_over() -> None:
    assert read_steps(block(8), 9) is None
    assert read_steps(steps(8, 1) + steps(9, 5), 9) == Steps(7, 1, (5,))


def test_a_bare_magic_is_no_block() -> None:
    assert read_steps(STEPS, 0) is None
    assert read_steps(STEPS + struct.pack("<4I", 9, 1 << 20, 0, 0) + steps(9, 3), 9) == Steps(7, 1, (3,))
    assert read_steps(steps(9, 1, 2)[:-1], 9) is None


def test_a_ring_that_ran_over_begins_with_its_oldest_entry() -> None:
    first, second = read_rings(block(9), 9)
    assert first == Ring(1, (RingEntry(10, 7, 1, 2, 3, -5, 0),))
    assert [each.tsc for each in second.entries] == [20, 30]
    assert [each.flags for each in second.entries] == [None, 0]


def test_rings_that_are_cut_off_are_none() -> None:
    assert read_rings(block(9)[:-1], 9) == ()
    assert read_rings(steps(9, 1), 9) == ()
