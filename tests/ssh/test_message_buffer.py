"""What is new in a ring that shows all of itself each time."""

from __future__ import annotations

import random

from msgport_vm.msgbuf import MessageBuffer, before_reboot


def test_only_what_is_new_is_given() -> None:
    buffer = MessageBuffer()
    assert buffer.news("a\nb\n", flush=True) == "a\nb\n"
    assert buffer.news("a\nb\n", flush=True) == ""
    assert buffer.news("a\nb\nc\n", flush=True) == "c\n"


def test_a_last_line_that_may_be_half_a_line_is_held_back() -> None:
    buffer = MessageBuffer()
    assert buffer.news("a\nhal\n", flush=False) == "a\n"
    assert buffer.news("a\nhalf a line\nb\n", flush=False) == "half a line\n"
    assert buffer.news("a\nhalf a line\nb\n", flush=True) == "b\n"


def test_a_half_line_that_was_flushed_is_given_again_whole() -> None:
    buffer = MessageBuffer()
    assert buffer.news("a\nhal\n", flush=True) == "a\nhal\n"
    assert buffer.news("a\nhalf a line\nb\n", flush=True) == "half a line\nb\n"


def test_what_the_ring_overwrote_does_not_hide_what_is_new() -> None:
    buffer = MessageBuffer()
    buffer.news("a\nb\nc\n", flush=True)
    assert buffer.news("c\nd\n", flush=True) == "d\n"
    assert buffer.news("x\ny\n", flush=True) == "x\ny\n", "all that was read before is overwritten"


def test_a_cleared_buffer_starts_anew() -> None:
    buffer = MessageBuffer()
    buffer.news("a\nb\n", flush=True)
    assert buffer.news("", flush=True) == ""
    assert buffer.news("fresh\n", flush=True) == "fresh\n"


def test_a_ring_read_often_enough_loses_and_doubles_nothing() -> None:
    choice = random.Random(7)
    lines = [f"{number:04d} {'x' * choice.randrange(30)}\n" for number in range(400)]
    whole = "".join(lines)
    buffer = MessageBuffer()
    end, read = 0, ""
    while end < len(whole):
        end = min(len(whole), end + choice.randrange(200))
        shown = whole[max(0, end - 500) : end]
        shown += "" if shown.endswith("\n") else "\n"
        read += buffer.news(shown, flush=False)
    assert read + buffer.news(whole[-500:], flush=True) == whole


def test_the_panic_of_the_boot_before_is_found_in_a_buffer_that_survived() -> None:
    assert before_reboot("panic: x\nUptime: 1s\nCopyright (c) 2003-2026 The\nCPU: y\n") == "panic: x\nUptime: 1s\n"
    assert before_reboot("Copyright (c) 2003-2026 The\nCPU: y\n") == ""
