"""A path shows how an outcome comes about."""

from __future__ import annotations

from msgport.model import KERNEL, explore
from msgport.model.paths import path_to
from msgport.scenario.outcome import Outcome
from tests.model.programs import variant


def test_the_path_to_a_reversed_order_shows_the_ipis() -> None:
    scenario = variant("""{ port P owner T1; msg a reply N; msg b reply N; port N replyonly_null }
     T0 @ 0 | T1 @ 1 | T2 @ 2 ;
     sendmsg P a | r0 = waitport P | sendmsg P b ;""")
    assert path_to(scenario, Outcome("done", ("b",))) == (
        "T0.1 sendmsg P a",
        "T2.1 sendmsg P b",
        "IPI from CPU 2 to CPU 1: put b",
        "T1.1 r0 = waitport P",
        "IPI from CPU 0 to CPU 1: put a",
    )


def test_a_path_to_a_panic_ends_in_it() -> None:
    scenario = variant("{ port X panic; msg a reply T0.port }\n T0 ; sendmsg X a ;")
    assert path_to(scenario, Outcome("panic putport-illegal@T0.1")) == ("T0.1 sendmsg X a: putport-illegal",)


def test_a_call_of_two_steps_is_written_as_such() -> None:
    scenario = variant("""{ port P owner T1; msg a reply T0.port }
     T0 @ 0 | T1 @ 0 ;
     r0 = domsg P a | r0 = waitport P ;
      | replymsg r0 5 ;""")
    assert path_to(scenario, Outcome("done", ("5", "a"))) == (
        "T0.1 r0 = domsg P a ...",
        "T1.1 r0 = waitport P",
        "T1.2 replymsg r0 5",
        "... T0.1 r0 = domsg P a",
    )


def test_there_is_no_path_to_what_cannot_happen() -> None:
    scenario = variant("{ port P spin }\n T0 ; r0 = getport P ;")
    assert path_to(scenario, Outcome("done", ("a",))) is None


def test_there_is_a_path_to_an_unowned_read() -> None:
    scenario = variant("{ port P spin; msg a reply T0.port }\n T0 | T1 ; sendmsg P a | r0 = error a ;")
    (read,) = explore(scenario, KERNEL).unowned
    assert path_to(scenario, read) == (
        "T0.1 sendmsg P a ...",
        "... T0.1 sendmsg P a ...",
        "... T0.1 sendmsg P a",
        "T1.1 r0 = error a: unowned",
    )
