"""What a transcript tells, whatever else stands in it."""

from __future__ import annotations

import pytest

from msgport.scenario.outcome import Outcome
from msgport.transcript import Load, Segment, Sighting, bad_end, beside_console, excerpt, lives, read, stood_in
from tests.transcript.writer import Writer, two_outcomes

ABC = Outcome("done", ("a", "b", "c"))
CAB = Outcome("done", ("c", "a", "b"))


def only(*segments: Segment | str) -> Load:
    (load,) = read(*segments).loads
    return load


def seen(load: Load) -> dict[Outcome, tuple[int, bool, int]]:
    return {each.outcome: (each.count, each.exact, each.first) for each in load.sightings}


def test_a_whole_load_tells_its_outcomes_with_counts_and_first_iterations() -> None:
    load = only(two_outcomes().text)
    assert load.complete
    assert (load.hash, load.scenario) == ("0123456789abcdef", "two-senders/P=spin")
    assert load.environment["cpus"] == "4"
    assert load.environment["inv"] == "1"
    assert seen(load) == {ABC: (900, True, 0), CAB: (100, True, 17)}
    assert (load.iterations, load.ended, load.panic) == (1000, "time", None)


def test_boot_messages_prompts_echo_and_carriage_returns_are_passed_over() -> None:
    noise = "\x1b[2J\x1b[0mDragonFly 5.9\r\r\nlab# kldload ./m.ko\r\nlab# "
    text = "\r\nacpi0: <BOCHS>\r\nlab# ".join(two_outcomes().lines)
    assert only(noise + text + "\r\nlab# ").sightings == only(two_outcomes().text).sightings


def test_escape_codes_and_wraps_in_the_middle_of_every_record_are_taken_out() -> None:
    text = "".join(
        line[:5] + "\x1b[0m" + line[5:20] + "\r\n" + line[20:33] + "\x1b[K" + line[33:] + "\r\n"
        for line in two_outcomes().lines
    )
    load = only(text)
    assert load.complete
    assert seen(load) == {ABC: (900, True, 0), CAB: (100, True, 17)}


def test_text_at_any_place_inside_a_record_is_cut_out() -> None:
    whole = two_outcomes()
    for place in range(len(whole.lines[2]) + 1):
        lines = list(whole.lines)
        lines[2] = lines[2][:place] + "swap: 0 pages\r\nlab# " + lines[2][place:]
        load = only("\n".join(lines))
        assert load.complete, place
        assert seen(load) == seen(only(whole.text)), place


def test_a_record_that_fell_into_another_leaves_both_readable() -> None:
    lines = two_outcomes().lines
    torn = [*lines[:2], lines[2][:40] + lines[3] + "\r\n" + lines[2][40:], *lines[4:]]
    assert only("\n".join(torn)).complete


def test_a_lost_record_is_named() -> None:
    lines = two_outcomes().lines
    load = only("\n".join(lines[:3] + lines[5:]))
    assert not load.complete
    assert "lost 2 records of 7: 3-4" in load.problems[0]


def test_a_flipped_byte_makes_the_record_lost() -> None:
    text = two_outcomes().text.replace("c,a,b", "c,b,a")
    load = only(text)
    assert load.problems[0] == "lost 1 record of 7: 3"
    assert [each.outcome for each in load.sightings] == [ABC]


def test_without_an_end_record_only_sightings_count() -> None:
    load = only("\n".join(two_outcomes().lines[:4]))
    assert not load.complete
    assert seen(load) == {ABC: (1, False, 0), CAB: (1, False, 17)}
    assert "no end record" in load.problems[0]


def test_two_channels_lose_only_what_neither_holds() -> None:
    lines = two_outcomes().lines
    load = only(Segment("\n".join(lines[::2]), ("\n".join(lines[1:6]),)))
    assert load.complete
    assert seen(load) == {ABC: (900, True, 0), CAB: (100, True, 17)}


def test_what_was_saved_of_the_message_buffer_is_a_channel_of_its_own() -> None:
    lines = two_outcomes().lines
    buffer = "older text\n" + two_outcomes(1).text + two_outcomes().text
    text = "\n".join(lines[:3] + lines[4:]) + beside_console(excerpt(buffer, 0x5EED)) + "msgport# kldunload\n"
    (segment,) = lives(text)
    assert segment == Segment("\n".join(lines[:3] + lines[4:]) + "msgport# kldunload\n", (two_outcomes().text,))
    assert only(segment).complete
    assert not only(segment.console).complete


def test_line_ends_may_have_become_others_since() -> None:
    lines = two_outcomes().lines
    text = "\n".join(lines[:3]) + beside_console(two_outcomes().text) + bad_end(0x5EED, "it hung") + "more\n"
    assert lives(text.replace("\n", "\r\n"))[0].bad_ends == lives(text)[0].bad_ends == {0x5EED: "it hung"}
    assert only(lives(text.replace("\n", "\r\n"))[0]) == only(lives(text)[0])


def test_a_load_that_came_to_a_bad_end_has_a_problem_whatever_its_records_say() -> None:
    (segment,) = lives(two_outcomes().text + bad_end(0x5EED, "the machine hung:\nnothing [on] it") + "msgport# \n")
    assert only(segment).problems == ("the machine hung: nothing [on] it",)
    assert only(segment).iterations == 1000
    # Whatever ends its lines, and if the last one was never ended.
    for end in ("\r\r\n", ""):
        text = (two_outcomes().text + bad_end(0x5EED, "it hung")).rstrip("\n").replace("\n", end or "\n") + end
        assert only(*lives(text)).problems == ("it hung",)
    assert only(*lives(two_outcomes().text + bad_end(0x5EED, "it hung")[:-2])).problems == ("it hung",)


def test_a_load_that_only_its_bad_end_tells_of_is_one_all_the_same() -> None:
    first, other = read(*lives(two_outcomes().text + bad_end(0x5EEE, "it hung"))).loads
    assert first.complete
    assert (other.nonce, other.hash, other.problems) == (0x5EEE, "", ("it hung", "none of its records came through"))


def test_the_steps_that_memory_told_stand_in_saved_text() -> None:
    begun = Writer().begin().text + "panic: lwkt_getport() illegal on port 0xfffff80000000000\ncpuid = 1\n"
    (segment,) = lives(begun + stood_in(0x5EED, ["T1.2", "T0.1"]) + "db> \n")
    assert segment.console == begun + "db> \n"
    assert only(segment).steps == {"T0.1", "T1.2"}


def test_what_is_lost_right_after_the_first_record_of_one_that_panicked_is_missed() -> None:
    begun = Writer().begin().lines[0] + "\npanic: lwkt_getport() illegal on port 0xfffff80000000000\ncpuid = 1\n"
    load = only(begun)
    assert load.panic and load.problems == ("lost 1 record of 2 or more: 1",)


def test_a_name_that_ends_in_panic_announces_none() -> None:
    text = Writer().begin("special-forward/X=panic").text.replace("X=panic:", "X=panic: foreign words", 1)
    assert [load.panic for load in read(text).loads] == [None]


def test_a_panic_in_an_excerpt_is_not_of_the_load_before() -> None:
    panic = "panic: spin_lock: 0xfffff80000000000, indefinite wait!\n"
    text = two_outcomes(1).text + beside_console(two_outcomes(1).text) + beside_console("torn\n" + panic)
    assert only(*lives(text)).complete


def test_of_a_load_that_the_message_buffer_does_not_know_there_is_no_excerpt() -> None:
    assert excerpt(two_outcomes(1).text, 0x5EED) == ""


def test_a_panic_torn_on_the_console_is_told_by_the_message_buffer() -> None:
    words = 'panic: assertion "port->mpu_td == curthread" failed in lwkt_thread_waitport at lwkt_msgport.c:9\n'
    torn = words.replace("== curthread", "==cpuid = 1")
    begun = Writer().begin().text
    assert (of_console := only(begun + torn).panic) and of_console.name is None
    assert (panic := only(Segment(begun + torn, (begun + words,))).panic) and panic.name is not None
    # What is whole on the console stands.
    assert only(Segment(begun + words, (begun + torn,))).panic == panic


def test_records_that_differ_under_one_number_are_a_conflict() -> None:
    load = only(Segment(two_outcomes().text, (two_outcomes(first=800, second=200).text,)))
    assert "two different records have nonce 00005eed and number 4" in load.problems[0]


def test_several_loads_stand_in_one_transcript_even_interleaved() -> None:
    one, two = two_outcomes(1), two_outcomes(2, 3, 4)
    text = "\n".join(line for pair in zip(one.lines, two.lines, strict=True) for line in pair)
    loads = read(text).loads
    assert [(load.nonce, load.iterations, load.complete) for load in loads] == [(1, 1000, True), (2, 7, True)]


def test_a_nonce_used_again_after_a_reboot_is_another_load() -> None:
    loads = read(two_outcomes().text, two_outcomes(first=3, second=4).text).loads
    assert [(load.life, load.iterations, load.complete) for load in loads] == [(0, 1000, True), (1, 7, True)]


def test_saved_console_text_is_cut_at_each_boot() -> None:
    boot = "Booting..Copyright (c) 2003-2020 The DragonFly Project.\r\r\n"
    segments = lives(boot + two_outcomes().text + boot + two_outcomes(first=3, second=4).text)
    assert [load.iterations for load in read(*segments).loads] == [1000, 7]
    assert len(lives(two_outcomes().text)) == 1


def test_values_that_go_on_in_more_records_are_joined() -> None:
    first = ",".join(["DONE+REPLY"] * 5)[:50]
    rest = ",".join(["DONE+REPLY"] * 5)[50:]
    writer = Writer().begin().add("new", k=0, i=0, v=first, e="done").add("more", k=0, v=rest).add("out", k=0, n=1)
    assert only(writer.end(1).text).sightings == (Sighting(0, Outcome("done", ("DONE+REPLY",) * 5), 1, True, 0),)


def test_an_outcome_whose_rest_may_be_lost_is_not_whole() -> None:
    writer = Writer().begin().add("new", k=0, i=0, v="DONE+REPLY," * 5, e="done").add("more", k=0, v="DONE")
    load = only("\n".join(writer.lines[:3]))
    assert [each.whole for each in load.sightings] == [False]


def test_no_values_at_all_are_no_values() -> None:
    load = only(Writer().begin().add("new", k=0, i=0, v="", e="done").add("out", k=0, n=1).end(1).text)
    assert load.complete
    assert load.sightings[0].outcome == Outcome("done")


def test_counts_that_do_not_add_up_are_a_problem() -> None:
    writer = Writer().begin().add("new", k=0, i=0, v="a", e="done").add("out", k=0, n=5).end(9)
    assert only(writer.text).problems == ("the counts add up to 5, the executions to 9",)


def test_a_full_outcome_table_is_a_problem() -> None:
    writer = Writer().begin().add("new", k=0, i=0, v="a", e="done").add("out", k=0, n=5).add("overflow", n=4).end(9)
    assert only(writer.text).problems == ("the module's table had no room for 4 executions",)


def test_a_record_that_lacks_what_its_kind_holds_is_a_problem() -> None:
    assert "record 2 (out)" in only(Writer().begin().add("out", k=0).end(0).text).problems[0]
    assert "not known: spin" in only(Writer().begin().add("spin").end(0).text).problems[0]


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([("out", {"k": 0, "n": 5}), ("out", {"k": 0, "n": 7}), ("end", {"i": 7})], "outcome 0 is counted twice"),
        ([("out", {"k": 0, "n": 0}), ("end", {"i": 0})], "record 3 (out) does not hold what its kind should"),
        ([("out", {"k": 0, "n": -1}), ("end", {"i": 0})], "record 3 (out) does not hold what its kind should"),
        ([("out", {"k": 0, "n": 5}), ("end", {"i": "4_0"})], "record 4 (end) does not hold what its kind should"),
        ([("env", {"cpus": 1}), ("out", {"k": 0, "n": 5}), ("end", {"i": 5})], "record 3 (env) does not hold"),
        ([("builtin", {"kind": "spin"}), ("out", {"k": 0, "n": 5}), ("end", {"i": 5})], "record 3 (builtin) does not"),
        (
            [("out", {"k": 0, "n": 5}), ("end", {"i": 5, "why": "iterations"})],
            "it ended after 5 executions, as if that were its limit, which is 1000",
        ),
        ([("out", {"k": 0, "n": 5}), ("end", {"i": 5, "why": "frozen"})], "an outcome froze it, and none did"),
        (
            [("frozen", {"k": 0, "i": 4}), ("out", {"k": 0, "n": 5}), ("end", {"i": 5})],
            "outcome 0 froze it, and it did not end there",
        ),
        ([("out", {"k": 0, "n": 5}), ("end", {"i": 5, "why": "deadlock"})], "it tells of a deadlock in its end or"),
    ],
)
def test_records_that_contradict_each_other_are_a_problem(
    records: list[tuple[str, dict[str, object]]], problem: str
) -> None:
    writer = Writer().begin(iterations=1000).add("new", k=0, i=0, v="a", e="done")
    for kind, fields in records:
        if kind == "end":
            fields = {"n": len(writer.lines), "why": "time", **fields}
        writer.add(kind, **fields)
    load = only(writer.text)
    assert not load.complete
    assert any(problem in each for each in load.problems)


def test_a_load_without_a_record_of_its_environment_is_a_problem() -> None:
    writer = Writer().add("begin", h="0123456789abcdef", s="x").add("new", k=0, i=0, v="a", e="done")
    load = only(writer.add("out", k=0, n=1).end(1).text)
    assert load.problems == ("record 1 is of kind new where env should be",)


def test_a_deadlock_that_the_end_does_not_tell_of_is_a_problem() -> None:
    writer = Writer().begin().add("new", k=0, i=0, v="-", e="deadlock@T0.1").add("out", k=0, n=1)
    assert "not in both" in only(writer.end(1).text).problems[0]


def test_lines_said_the_trace_and_what_is_stuck_are_kept() -> None:
    writer = Writer().begin().add("say", t="T1", x="hi%20there%2e")
    writer.add("new", k=0, i=4, v="-", e="deadlock@T0.1").add("frozen", k=0, i=4)
    writer.add("ring", c=1, t=123456789012, w="T0", s=2, r="null", f="3").add("ring", c=0, t=5, w="T1", s=1, r=5, f="-")
    load = only(writer.add("stuck", t="T0", s=1).add("out", k=0, n=1).end(1, "deadlock").text)
    assert load.complete
    assert [(each.thread, each.line) for each in load.said] == [("T1", "hi there.")]
    first, second = load.trace
    assert (first.cpu, first.tsc, first.thread, first.statement) == (1, 123456789012, "T0", 2)
    assert (first.result, first.flags, second.flags) == ("null", "DONE+REPLY", "-")
    assert (load.frozen, load.stuck, load.ended) == (0, {"T0": 1}, "deadlock")


def test_text_without_records_holds_no_loads() -> None:
    assert read("login: root\r\nmsgport: not a record\nmsgport:40:deadbeef").loads == ()
    assert read("", "").loads == ()
