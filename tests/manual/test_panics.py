"""Panics by their words, as kernels have them: what announces a class, and what only looks like it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from msgport.manual.panics import OTHER, PANICS, classify, may_be_known

CONSOLES = sorted((Path(__file__).parents[2] / "results" / "dragonfly-5.9").glob("*/console.txt"))
ASSERTION = re.compile(r'panic: (assertion "(.*)" failed in (\w+) at \S+:\d+)')


def assertion(expression: str, function: str) -> str:
    return f'assertion "{expression}" failed in {function} at ../../kern/lwkt_msgport.c:92'


def test_every_assertion_that_a_real_kernel_printed_has_its_class() -> None:
    printed = {match for path in CONSOLES for match in ASSERTION.findall(path.read_text(errors="replace"))}
    classes = {(function, classify(text)) for text, _, function in printed}
    assert ("_lwkt_sendmsg_prepare", "send-not-idle") in classes
    assert OTHER not in {name for _, name in classes}


def test_an_assertion_of_before_2_12_is_the_same() -> None:
    old = "assertion: (msg->ms_flags & (MSGF_QUEUED|MSGF_DONE|MSGF_REPLY)) == 0 in lwkt_forwardmsg"
    assert classify(old) == "forward-not-held"
    assert classify(old + "_twice") == OTHER


@pytest.mark.parametrize("panic", [panic for panic in PANICS if panic.functions], ids=lambda panic: panic.name)
def test_another_assertion_in_the_same_function_is_another_panic(panic: object) -> None:
    for function in panic.functions:  # type: ignore[attr-defined]
        for expression in ("msg->ms_target_port != NULL", "port->mp_refs > 0"):
            text = assertion(expression, function)
            assert classify(text) == OTHER and not may_be_known(text), text


@pytest.mark.parametrize(
    ("expression", "function"),
    [
        ("msg->ms_flags & MSGF_DONE", "lwkt_forwardmsg"),
        ("s->interlock != 0", "lwkt_serialize_enter"),
        ("IS_SERIALIZED((s))", "lwkt_serialize_exit"),
        ("(msg->ms_flags & MSGF_DROPABLE) == 0", "lwkt_setmsg_receipt"),
        ("port->mpu_td == curthread", "lwkt_initport_thread"),
    ],
)
def test_what_only_looks_like_a_class_is_another_panic(expression: str, function: str) -> None:
    assert classify(assertion(expression, function)) == OTHER


@pytest.mark.parametrize(
    "text",
    [
        'assertion "one == 0" failed in ev at mods/kkpanic.c:5',
        "lwkt_switch: still holding 1 exclusive spinlocks!",
        "spin_lock: mpspin(0xffffffff81e0ba30), indefinite wait!",
        "deliberate panic 7",
        "double fault",
    ],
)
def test_words_of_other_panics_are_none_of_ours_torn(text: str) -> None:
    assert classify(text) == OTHER and not may_be_known(text)
