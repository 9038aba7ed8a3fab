"""Loads and the builds inside a guest take turns, and a build does not wait for ever."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from msgport_vm import turn
from msgport_vm.machine import BuildError
from msgport_vm.turn import Turn

SOURCE = Path("mp_test")


def test_a_build_waits_until_the_loads_give_the_machine_back() -> None:
    mine = Turn()
    order: list[str] = []

    def build() -> None:
        with mine.for_build(SOURCE, time.monotonic):
            order.append("build")

    mine.take()
    mine.take()
    builder = threading.Thread(target=build)
    builder.start()
    order.append("load")
    mine.give_back()
    mine.give_back()
    builder.join(30)
    assert order == ["load", "build"]


def test_a_build_gives_up_a_machine_with_which_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "ABANDONED", 0.2)
    monkeypatch.setattr(turn, "SLICE", 0.01)
    mine, used = Turn(), time.monotonic()
    mine.take()
    with (
        pytest.raises(BuildError, match=r"mp_test was not compiled: .* left in the middle"),
        mine.for_build(SOURCE, lambda: used),
    ):
        pass
    mine.give_back()
    with mine.for_build(SOURCE, lambda: used):
        pass


def test_a_build_does_not_wait_long_when_a_load_was_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "BROKEN_OFF", 0.2)
    monkeypatch.setattr(turn, "SLICE", 0.01)
    mine = Turn()
    mine.take()
    mine.break_off()
    with pytest.raises(BuildError, match="left in the middle"), mine.for_build(SOURCE, time.monotonic):
        pass
    built: list[Path] = []

    def build() -> None:
        with mine.for_build(SOURCE, time.monotonic):
            built.append(SOURCE)

    # Here the machine is being brought back, which may take its time.
    mine.take()
    builder = threading.Thread(target=build)
    builder.start()
    builder.join(0.5)
    mine.give_back()
    builder.join(30)
    assert built == [SOURCE]


def test_what_is_borrowed_is_left_as_it_was() -> None:
    mine = Turn()
    with mine.borrowed():
        assert not mine._lock.acquire(blocking=False)
    mine.take()
    with mine.borrowed():
        pass
    assert not mine._lock.acquire(blocking=False)
