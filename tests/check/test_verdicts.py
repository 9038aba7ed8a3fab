"""Which verdict follows from which observations."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from msgport.check import Kind, StaleTranscriptError, Verdict, claim_verdicts, gather, judge, untested
from msgport.scenario.canonical import content_hash
from msgport.scenario.outcome import ANYTHING, Outcome
from msgport.scenario.parser import parse
from msgport.scenario.program import Variant
from msgport.transcript import Load, Panic, RingEntry, Said, Sighting

TEXT = r"""MSGPORT orders
claims: getport.first
{ port P spin owner T1; msg a reply T0.port; msg b reply T0.port }
 T0          | T1              ;
 sendmsg P a | r0 = waitport P ;
 sendmsg P b | r1 = waitport P ;
never 1:r0 = null
sometimes 1:r0 = b
"""
SAYS = r"""MSGPORT says
claims: getport.first
{ port P spin owner T0 }
 T0           ;
 say "hello"  ;
 r0 = getport P ;
"""


def variant_of(text: str) -> Variant:
    (variant,) = parse(text, "orders.msgport")
    return variant


VARIANT = variant_of(TEXT)
AB = Outcome("done", ("a", "b"))
BA = Outcome("done", ("b", "a"))
BB = Outcome("done", ("b", "b"))
SLEEPS = Outcome("deadlock@T1.2", ("a", "-"))
TORN = Panic("not-owner", 'assertion "x"')


def load(
    *counts: tuple[Outcome, int], problems: Sequence[str] = (), nonce: int = 1, panic: Panic | None = None
) -> Load:
    exact = panic is None and not problems
    return Load(
        nonce=nonce,
        life=0,
        hash=content_hash(VARIANT),
        scenario=VARIANT.name,
        sightings=tuple(Sighting(k, outcome, n, exact, k) for k, (outcome, n) in enumerate(counts)),
        iterations=sum(n for _, n in counts) if exact else None,
        ended="time" if exact else None,
        panic=panic,
        problems=tuple(problems),
    )


def verdict(
    *loads: Load,
    manual: Sequence[Outcome] = (AB, BA),
    kernel: Sequence[Outcome] = (AB, BA),
    require_seen: bool = False,
    steps: dict[int, set[str]] | None = None,
) -> Verdict:
    observed = gather(VARIANT, loads, steps)
    return judge(VARIANT, observed, manual, kernel, require_seen=require_seen, deviations=lambda _: ("named",))


def test_outcomes_that_both_models_allow_conform_and_counts_add_up() -> None:
    found = verdict(load((AB, 5), (BA, 2)), load((AB, 1), nonce=2))
    assert found.kind is Kind.CONFORMS
    assert [(row.outcome, row.count, row.exact) for row in found.rows] == [(AB, 6, True), (BA, 2, True)]
    assert (found.executions, found.seen, found.allowed) == (8, 2, 2)


def test_an_outcome_outside_the_manual_but_inside_the_kernel_deviates_by_name() -> None:
    found = verdict(load((AB, 5), (BA, 2)), manual=[AB])
    assert (found.kind, found.detail) == (Kind.DEVIATES, "named")
    assert [(row.manual, row.kernel, row.deviations) for row in found.rows] == [
        (False, True, ("named",)),
        (True, True, ()),
    ]


def test_an_outcome_outside_the_kernel_violates_and_the_nearest_allowed_stands_beside_it() -> None:
    found = verdict(load((AB, 5), (BB, 1)), manual=[AB, BA, BB], kernel=[AB, SLEEPS])
    assert found.kind is Kind.VIOLATES
    assert found.rows[0].outcome == BB
    assert found.rows[0].nearest
    assert found.rows[0].nearest.outcome == AB
    assert found.rows[0].nearest.differences == (("T1:r0", "b", "a"),)
    assert "nor does the manual" not in found.detail


def test_the_manual_alone_judges_when_asked_to() -> None:
    observed = gather(VARIANT, [load((BA, 2))])
    assert judge(VARIANT, observed, [AB, BA], [AB], "manual").kind is Kind.CONFORMS
    assert judge(VARIANT, observed, [AB], [AB, BA], "manual").kind is Kind.VIOLATES
    assert judge(VARIANT, observed, [ANYTHING], [AB], "manual").kind is Kind.CONFORMS


def test_anything_lost_is_never_a_pass() -> None:
    found = verdict(load((AB, 1), problems=["lost 1 record of 7: 3"]))
    assert found.kind is Kind.INCONCLUSIVE
    assert found.detail == "load 00000001: lost 1 record of 7: 3"


def test_what_was_seen_violates_even_if_records_are_lost_beside_it() -> None:
    assert verdict(load((BB, 1), problems=["lost 1 record of 7: 3"])).kind is Kind.VIOLATES


def test_nothing_observed_is_inconclusive() -> None:
    assert verdict().kind is Kind.INCONCLUSIVE
    assert verdict(load()).kind is Kind.INCONCLUSIVE


def test_a_deadlock_that_is_allowed_passes_and_one_that_is_not_violates() -> None:
    assert verdict(load((SLEEPS, 1)), manual=[SLEEPS], kernel=[SLEEPS]).kind is Kind.CONFORMS
    assert verdict(load((SLEEPS, 1))).kind is Kind.VIOLATES


def test_an_always_or_never_binds_what_is_observed_even_where_both_models_allow_it() -> None:
    null = Outcome("done", ("null", "a"))
    found = verdict(load((null, 1)), manual=[null], kernel=[null])
    assert found.kind is Kind.VIOLATES
    assert "orders.msgport:7: broken: never 1:r0 = null" in found.detail


def test_a_sometimes_that_is_not_seen_is_told_with_its_bound_and_counts_only_when_required() -> None:
    found = verdict(load((AB, 300)))
    assert found.kind is Kind.CONFORMS
    assert [(each.executions, each.bound) for each in found.unseen_sometimes] == [(300, 0.01)]
    assert found.unseen == (BA,)
    assert verdict(load((AB, 300)), require_seen=True).kind is Kind.INCONCLUSIVE
    assert verdict(load((BA, 300)), require_seen=True).kind is Kind.CONFORMS


def panics(*steps: str) -> list[Outcome]:
    return [Outcome(f"panic not-owner@{step}") for step in steps]


@pytest.mark.parametrize(
    ("allowed", "stood", "kind", "ending"),
    [
        (panics("T1.1"), None, Kind.CONFORMS, "panic not-owner@T1.1"),
        (panics("T1.1"), {"T1.1"}, Kind.CONFORMS, "panic not-owner@T1.1"),
        (panics("T1.1"), {"T0.1", "T1.1"}, Kind.CONFORMS, "panic not-owner@T1.1"),
        (panics("T1.1"), {"T0.1"}, Kind.VIOLATES, "panic not-owner@T0.1"),
        (panics("T1.1"), {"T0.1", "T1.2"}, Kind.VIOLATES, "panic not-owner@?"),
        (panics("ipi"), {"T0.1"}, Kind.CONFORMS, "panic not-owner@ipi"),
        (panics("T1.1", "T1.2"), None, Kind.INCONCLUSIVE, "panic not-owner@?"),
        (panics("T1.1", "T1.2"), {"T1.2"}, Kind.CONFORMS, "panic not-owner@T1.2"),
        ([AB], None, Kind.VIOLATES, "panic not-owner@?"),
        ([Outcome("panic *")], None, Kind.CONFORMS, "panic not-owner@?"),
    ],
)
def test_a_panic_is_judged_by_its_class_and_the_steps_that_it_can_have_struck_in(
    allowed: list[Outcome], stood: set[str] | None, kind: Kind, ending: str
) -> None:
    steps = {1: stood} if stood else None
    found = verdict(load((AB, 1), panic=TORN), manual=[ANYTHING], kernel=[AB, *allowed], steps=steps)
    assert found.kind is kind
    assert ending in {row.outcome.ending for row in found.rows}


def test_a_trap_or_an_illegible_panic_is_inconclusive() -> None:
    trap = Panic(None, "Fatal trap 12: page fault")
    found = verdict(load((AB, 1), panic=trap), manual=[ANYTHING], kernel=[ANYTHING])
    assert found.kind is Kind.INCONCLUSIVE
    assert "Fatal trap 12" in found.detail


def test_an_outcome_told_only_in_part_is_neither_a_pass_nor_a_violation() -> None:
    part = Load(1, 0, content_hash(VARIANT), sightings=(Sighting(0, BB, 1, False, 0, whole=False),), panic=TORN)
    found = verdict(part, manual=[ANYTHING], kernel=panics("T0.1"))
    assert found.kind is Kind.INCONCLUSIVE
    assert [row.outcome.kind for row in found.rows] == ["panic"]


def test_a_stale_transcript_is_refused() -> None:
    with pytest.raises(StaleTranscriptError, match=r"0000000000000000 of this scenario.*orders.msgport:1"):
        gather(VARIANT, [Load(1, 0, "0" * 16)])


def test_the_trace_comes_from_the_load_that_froze_on_the_outcome() -> None:
    entry = RingEntry(0, 99, "T1", 1, "b", "-")
    frozen = Load(
        1, 0, content_hash(VARIANT), sightings=(Sighting(0, AB, 4, True, 0), Sighting(1, BB, 1, True, 4)),
        trace=(entry,), frozen=1, iterations=5, ended="frozen",
    )  # fmt: skip
    found = verdict(frozen)
    assert {row.outcome: row.trace for row in found.rows} == {BB: (entry,), AB: ()}


def test_lines_said_are_the_outcome_s_value() -> None:
    variant = variant_of(SAYS)
    said = Load(
        1, 0, content_hash(variant), sightings=(Sighting(0, Outcome("done"), 1, True, 0),),
        said=(Said("T0", "hello"), Said("T0", "you")), iterations=1, ended="iterations",
    )  # fmt: skip
    (seen,) = gather(variant, [said]).observations
    assert seen.outcome == Outcome("done", ("hello / you",))


def test_a_claim_takes_the_worst_of_its_variants_and_is_untested_only_if_all_are() -> None:
    kinds = [Kind.CONFORMS, Kind.UNTESTED, Kind.DEVIATES]
    assert claim_verdicts((VARIANT, Verdict(kind, "")) for kind in kinds) == {"getport.first": Kind.DEVIATES}
    order = [Kind.DEVIATES, Kind.VIOLATES, Kind.INCONCLUSIVE]
    assert claim_verdicts((VARIANT, Verdict(kind, "")) for kind in order) == {"getport.first": Kind.VIOLATES}
    assert claim_verdicts([(VARIANT, untested("needs 3 CPUs"))]) == {"getport.first": Kind.UNTESTED}
