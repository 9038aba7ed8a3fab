from __future__ import annotations

import pytest

from msgport.kmod.rows import Layout
from msgport.scenario.outcome import Outcome
from msgport.scenario.parser import parse
from msgport.scenario.program import Variant

TEXT = """MSGPORT rows
observe: error a, flags b, queue P, calls P.putport
{ port P thread owner T1 putport chain; msg a reply T0.port; msg b reply T0.port }
 T0          | T1              ;
 sendmsg P a | r0 = waitport P ;
 sendmsg P b |                 ;
always done
"""
SAYS = """MSGPORT says
{ msg a reply T0.port }
 T0        ;
 say "one" ;
 say "two" ;
 say "one" ;
always done
"""


def variant(text: str) -> Variant:
    (only,) = parse(text, "rows.msgport")
    return only


def test_a_row_holds_endings_then_values_with_room_for_a_whole_queue() -> None:
    layout = Layout(variant(TEXT))
    row = layout.row(Outcome("done", ("a", "-7", "DONE+USER0", "b", "2")))
    assert row == ("0", "0", "0", "-7", str(0x10001), "1", "MPT_EMPTY", "MPT_EMPTY", "2")


def test_values_that_are_no_number_have_names() -> None:
    layout = Layout(variant(TEXT))
    row = layout.row(Outcome("deadlock@T1.1", ("null", "-", "0", "stray+a", "*")))
    assert row == ("0", "1", "MPT_NULL", "MPT_NONE", "0", "MPT_STRAY", "0", "MPT_EMPTY", "MPT_ANY")


def test_what_is_said_is_the_last_value_and_a_line_said_twice_has_one_number() -> None:
    layout = Layout(variant(SAYS))
    assert layout.row(Outcome("done", ("one / two / one",))) == ("0", "0", "1", "0")
    assert layout.row(Outcome("done", ("none",))) == ("0", "MPT_NONE", "MPT_NONE", "MPT_NONE")


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("panic getport-illegal@T0.1"),
        Outcome("*"),
        Outcome("done", ("a",)),
        Outcome("done", ("c", "0", "0", "empty", "0")),
        Outcome("done", ("a", "x", "0", "empty", "0")),
        Outcome("done", ("a", "0", "[+DONE]", "empty", "0")),
        Outcome("deadlock@T7.1", ("a", "0", "0", "empty", "0")),
    ],
)
def test_what_no_module_can_compare_is_refused(outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="rows"):
        Layout(variant(TEXT)).row(outcome)
