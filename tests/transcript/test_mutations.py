"""No mutation of a transcript turns into a pass with other contents."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from msgport.check.observed import StaleTranscriptError
from msgport.check.verdict import Kind
from msgport.offline import UnknownTranscriptError, judge_transcript
from msgport.scenario.canonical import content_hash
from msgport.scenario.outcome import Outcome
from msgport.selection import choose
from msgport.transcript import read
from tests.transcript.writer import two_outcomes

(VARIANT,) = choose(["two-senders/P=spin"], None)
LOADS = (two_outcomes(1, content=content_hash(VARIANT)), two_outcomes(2, 30, 4, content_hash(VARIANT)))
LINES = tuple(line for load in LOADS for line in load.lines)
TRUE = {
    1: Counter({Outcome("done", ("a", "b", "c")): 900, Outcome("done", ("c", "a", "b")): 100}),
    2: Counter({Outcome("done", ("a", "b", "c")): 30, Outcome("done", ("c", "a", "b")): 4}),
}

places = st.integers(0, len(LINES) - 1)
noise = st.one_of(
    st.text(max_size=40),
    st.text("msgport:0123456789abcdef =\r\n\x1b[", max_size=30),
    st.sampled_from(LINES),
    st.sampled_from(LINES).map(lambda line: line[: len(line) // 2]),
)
mutations = st.one_of(
    st.tuples(st.just("drop"), places),
    st.tuples(st.just("double"), places, places),
    st.tuples(st.just("swap"), places, places),
    st.tuples(st.just("cut"), st.integers(0, 700)),
    st.tuples(st.just("flip"), st.integers(0, 5000), st.integers(1, 127)),
    st.tuples(st.just("insert"), st.integers(0, 5000), noise),
    st.tuples(st.just("remove"), st.integers(0, 5000), st.integers(1, 90)),
)


def mutate(lines: list[str], mutation: tuple[object, ...]) -> list[str]:
    text = "\n".join(lines)
    match mutation:
        case ("drop", int(at)):
            return lines[:at] + lines[at + 1 :]
        case ("double", int(at), int(to)):
            return lines[:to] + lines[at : at + 1] + lines[to:]
        case ("swap", int(a), int(b)) if max(a, b) < len(lines):
            lines = list(lines)
            lines[a], lines[b] = lines[b], lines[a]
            return lines
        case ("cut", int(by)):
            text = text[: max(0, len(text) - by)]
        case ("flip", int(at), int(bits)) if text:
            at %= len(text)
            text = text[:at] + chr(ord(text[at]) ^ bits) + text[at + 1 :]
        case ("insert", int(at), str(piece)):
            at %= len(text) + 1
            text = text[:at] + piece + text[at:]
        case ("remove", int(at), int(length)):
            at %= len(text) + 1
            text = text[:at] + text[at + length :]
    return text.split("\n")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(mutations, min_size=1, max_size=4))
def test_a_mutated_transcript_tells_the_same_or_says_that_something_is_lost(changes: list[tuple[object, ...]]) -> None:
    lines = list(LINES)
    for change in changes:
        lines = mutate(lines, change)
    for load in read("\n".join(lines)).loads:
        counted = Counter({each.outcome: each.count for each in load.sightings})
        if load.complete:
            assert counted == TRUE[load.nonce]
        else:
            assert load.problems or load.panic
            # What is told of an incomplete load is still true.
            assert all(TRUE[load.nonce][outcome] >= count for outcome, count in counted.items())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(mutations, min_size=1, max_size=4))
def test_a_mutated_transcript_passes_only_with_what_whole_loads_told(changes: list[tuple[object, ...]]) -> None:
    lines = list(LINES)
    for change in changes:
        lines = mutate(lines, change)
    try:
        results = judge_transcript("\n".join(lines), [VARIANT], "both")
    except (UnknownTranscriptError, StaleTranscriptError):
        return
    (result,) = results
    if result.verdict.kind is Kind.CONFORMS:
        # A load of which no record is left was never there; half of one is no pass.
        assert Counter({row.outcome: row.count for row in result.verdict.rows}) in (TRUE[1], TRUE[2], TRUE[1] + TRUE[2])
    else:
        assert result.verdict.kind is Kind.INCONCLUSIVE


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 5000), st.text(max_size=60).filter(lambda text: "panic" not in text))
def test_one_inserted_text_loses_nothing(at: int, piece: str) -> None:
    text = "\n".join(LINES)
    at %= len(text)
    assert all(load.complete for load in read(text[:at] + piece + text[at:]).loads)
