"""Leaving out what cannot differ loses nothing: what any schedule shows, an enumeration that is complete has shown."""

from __future__ import annotations

import pytest

from msgport.model import KERNEL, explore
from msgport.plan import Grain
from msgport.scenario.outcome import ANYTHING, Outcome
from msgport.scenario.program import Variant
from msgport.schedules import build, outcome_of
from msgport_vm.controlled import ControlledMachine, Explored
from tests.model.programs import variant
from tests.model.random_variants import random_variant
from tests.schedules.hostile_variants import hostile_variant

REDUCED = 1500
EVERYTHING = 2500
SAMPLES = 300


def explored(machine: ControlledMachine, policy: str, limit: int) -> Explored:
    *_, last = machine.explore(policy, limit)
    return last


def outcomes(program: Variant, explorations: list[Explored]) -> set[Outcome]:
    return {outcome_of(program, found) for each in explorations for found in each.found}


def shown(machine: ControlledMachine, program: Variant, grain: Grain) -> set[Outcome] | None:
    """Give what the reduced enumeration shows, held to an unreduced one; None if it is too large.

    Where the unreduced one is too large, samples take the place of what it did not come to.
    """
    machine.load(build(machine, program))
    reduced = explored(machine, f"exhaustive {grain}", REDUCED)
    if not reduced.complete:
        return None
    seen = outcomes(program, [reduced])
    everything = explored(machine, f"all {grain}", EVERYTHING)
    if everything.complete:
        assert seen == outcomes(program, [everything])
    else:
        samples = [f"random {grain} 1", f"pct {grain} 1 2", f"pct {grain} 1 4"]
        sampled = [explored(machine, policy, SAMPLES) for policy in samples]
        assert outcomes(program, [everything, *sampled]) <= seen
    return seen


def telling(seed: int) -> bool:
    """Does the model know every outcome of this random program, none left open by reading what is not owned?"""
    kernel = explore(random_variant(seed), KERNEL)
    return ANYTHING not in kernel.outcomes and not kernel.unowned and kernel.complete


@pytest.mark.parametrize("grain", Grain)
@pytest.mark.parametrize("seed", [seed for seed in range(16) if telling(seed)])
def test_what_is_shown_is_all_that_the_model_allows(controlled: ControlledMachine, seed: int, grain: Grain) -> None:
    program = random_variant(seed)
    seen = shown(controlled, program, grain)
    assert seen is None or seen == explore(program, KERNEL).outcomes


@pytest.mark.parametrize("seed", range(100))
def test_programs_that_mostly_panic_lose_nothing(controlled: ControlledMachine, seed: int) -> None:
    program = hostile_variant(seed)
    complete = [grain for grain in Grain if shown(controlled, program, grain) is not None]
    assert complete[:1] == [Grain.CALL]


DIRECTED = {
    "a second reply panics unless the first one's message is taken meanwhile": (
        """
        { port P spin; port R owner T0; msg a reply R }
         T0          | T1              ;
         sendmsg P a | r0 = waitport P ;
                     | replymsg r0 1   ;
                     | replymsg r0 2   ;
        """,
        Grain.ACCESS,
        {"a done", "panic reply-not-held@T1.3"},
    ),
    "a port that is used while it is made anew has no functions": (
        """
        { port P replyonly_null }
         T0              | T1             ;
         initport_spin P | r0 = getport P ;
        """,
        Grain.ACCESS,
        {"null done", "panic getport-illegal@T1.1", "panic trap@T1.1"},
    ),
    "who waits for a serializer may move away with it and leave the other to wait": (
        """
        { serializer Z; port P spin; msg b reply P }
         T0                   | T1       ;
         crit_enter           | enter Z  ;
         enter Z              | setcpu 0 ;
         r0 = domsg T1.port b |          ;
        """,
        Grain.ACCESS,
        {"- deadlock@T0.2", "- deadlock@T0.3+T1.1"},
    ),
    "a message is taken in time by a thread that is kept out while another panics": (
        """
        { msg a reply T1.port }
         T0 @ 1               | T1 @ 0            | T2 @ 1       ;
         r0 = getport T0.port | sendmsg T0.port a | replymsg a 2 ;
        """,
        Grain.CALL,
        {"a done", "panic put-done@T1.1", "panic reply-not-held@T2.1"},
    ),
    "a thread that has come to the CPU of one that panics goes first": (
        """
        { port P spin; msg a reply P }
         T0           | T1                ;
         sendmsg P a  | setcpu 0          ;
         replymsg a 1 | sendmsg T0.port a ;
        """,
        Grain.CALL,
        {"panic reply-not-held@T0.2", "panic send-not-idle@T0.1", "panic send-not-idle@T1.2"},
    ),
    "no handler that is assigned meanwhile is lost to one that passes on to what stood there": (
        """
        { port P thread owner T1; msg a reply T0.port }
         T0                     | T1                 ;
         setputport P return(3) | setputport P chain ;
         r0 = domsg P a         |                    ;
        """,
        Grain.ACCESS,
        {"3 done"},
    ),
}


@pytest.mark.parametrize("name", DIRECTED)
def test_it_is_seen_that(controlled: ControlledMachine, name: str) -> None:
    text, grain, expected = DIRECTED[name]
    seen = shown(controlled, variant(text), grain)
    assert seen is not None
    assert {str(outcome) for outcome in seen} == expected
