"""A panic's words that something else stands in: never a violation that was none, nor another outcome that passes."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from msgport.check.observed import StaleTranscriptError
from msgport.check.verdict import Kind
from msgport.manual.panics import OTHER, PANICS
from msgport.offline import UnknownTranscriptError, judge_transcript
from msgport.selection import choose
from msgport.transcript import read
from msgport.transcript.panics import find
from tests.transcript.real_panics import real_panics

CLASSES = [panic.name for panic in PANICS]
VARIANTS = choose([], None)


def mutations(text: str, at: int, character: str) -> list[str]:
    return [text[:at] + character + text[at:], text[:at] + character + text[at + 1 :], text[:at] + text[at + 1 :]]


def test_a_real_kernel_showed_every_class() -> None:
    assert set(real_panics()) == set(CLASSES)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(CLASSES), st.integers(0, 5000), st.characters(codec="utf-8"))
@example("send-not-idle", 257, "\x1b")
def test_no_single_character_makes_a_panic_violate_or_pass_as_another(name: str, at: int, character: str) -> None:
    text = real_panics()[name]
    scenario = read(text).loads[0].scenario
    variants = [variant for variant in VARIANTS if variant.name.startswith(scenario)]
    (whole,) = judge_transcript(text, variants, "both")
    for mutated in mutations(text, at % len(text), character):
        try:
            (result,) = judge_transcript(mutated, variants, "both")
        except (UnknownTranscriptError, StaleTranscriptError):
            continue
        assert result.verdict.kind in (whole.verdict.kind, Kind.INCONCLUSIVE), mutated
        if result.verdict.kind is not Kind.INCONCLUSIVE:
            assert [row.outcome for row in result.verdict.rows] == [row.outcome for row in whole.verdict.rows]


def words(name: str) -> str:
    """What the console says from the panic on."""
    text = real_panics()[name]
    return text[text.index("panic: ") :]


def named(text: str) -> str | None:
    panic = find(text, 0, len(text))
    assert panic is not None, text
    return panic.name


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(CLASSES), st.integers(0, 1000), st.sampled_from("T \n("))
def test_a_character_anywhere_in_the_words_leaves_the_class_or_none(name: str, at: int, character: str) -> None:
    text = words(name)
    for mutated in mutations(text, at % text.index("Trace beginning"), character):
        assert named(mutated) in (name, None), mutated


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(CLASSES), st.integers(0, 1000), st.sampled_from(["CPU2 goes on", "\nvtblk0: Block size: 512\n"]))
def test_another_cpus_words_anywhere_in_the_words_leave_the_class_or_none(name: str, at: int, foreign: str) -> None:
    text = words(name)
    at = len("panic: ") + at % (text.index("cpuid = ") - len("panic: "))
    torn = text[:at] + foreign + text[at:]
    assert named(torn) in (name, None), torn


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from(CLASSES), st.integers(0, 1000), st.sampled_from([3, 5, 8, 16, 30, 60]))
@example("getport-illegal", 12, 6)
def test_words_that_are_lost_leave_the_class_or_none(name: str, at: int, size: int) -> None:
    text = words(name)
    at = max(at % text.index("Trace beginning"), len("panic: "))
    assert named(text[:at] + text[at + size :]) in (name, None)


def test_words_that_read_as_anothers_are_none_where_the_trace_tells_which_it_was() -> None:
    # It was "port ... msg ... cannot be waited on".
    said = "panic: port 0xfffff80000001000 cannot be waited on\ncpuid = 0\nTrace beginning at frame 0x0\n"
    frame = "lwkt_panic_wait{0}() at lwkt_panic_wait{0}+0x1 0xffffffff80000000\n"
    assert named(said + frame.format("port")) == "waitport-illegal"
    assert named(said + frame.format("msg")) is None


@pytest.mark.parametrize(
    "said", ["spin_lock: 0xfffff80000000000, indefinite wait!", 'assertion "m->busy == 0" failed in vm_wait at vm.c:7']
)
def test_a_panic_of_no_known_words_is_another_one(said: str) -> None:
    assert named(f"panic: {said}\ncpuid = 1\nTrace beginning at frame 0x0\n") == OTHER


def test_two_panics_of_one_nonce_are_none() -> None:
    lines = real_panics()["getport-illegal"].partition("panic: ")[0]
    twice = lines + words("getport-illegal") + "\n" + lines + words("waitport-illegal")
    assert {load.panic.name for load in read(twice).loads if load.panic} == {None}


def test_a_kernel_that_panics_in_circles_is_read_in_one_go() -> None:
    text = "panic: assertion " * 20_000 + "\n" + "panic: of no known words at all\n" * 20_000
    assert named(text) is None
