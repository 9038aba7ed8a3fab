"""Expectations that the models contradict, and kernel outcomes that nobody named."""

from __future__ import annotations

from msgport.check import undeclared, wrong_expectations
from msgport.scenario.outcome import ANYTHING, Outcome
from msgport.scenario.parser import parse

TEXT = r"""MSGPORT orders
claims: getport.first
{ port P spin owner T1; msg a reply T0.port; msg b reply T0.port }
 T0          | T1              ;
 sendmsg P a | r0 = waitport P ;
 sendmsg P b | r1 = waitport P ;
"""
AB = Outcome("done", ("a", "b"))
BA = Outcome("done", ("b", "a"))


def wrong(line: str, manual: list[Outcome], kernel: list[Outcome]) -> list[str]:
    (variant,) = parse(TEXT + line + "\n", "orders.msgport")
    return [str(each) for each in wrong_expectations(variant, manual, kernel)]


def test_a_wrong_always_names_file_line_model_and_a_counterexample() -> None:
    assert wrong("always 1:r0 = a", [AB, BA], [AB]) == [
        "orders.msgport:7: orders: `always 1:r0 = a` is wrong: the manual model allows 1:r0=b 1:r1=a done"
    ]


def test_a_wrong_never_names_a_counterexample() -> None:
    assert "the kernel model allows 1:r0=b 1:r1=a done" in wrong("never 1:r0 = b", [AB], [BA])[0]


def test_a_sometimes_that_no_outcome_fulfils_is_wrong_in_either_model() -> None:
    assert len(wrong("sometimes 1:r0 = b", [AB], [AB])) == 2
    assert wrong("sometimes 1:r0 = b", [AB, BA], [AB, BA]) == []


def test_a_value_that_the_page_leaves_open_contradicts_nothing() -> None:
    open_value = Outcome("done", ("*", "b"))
    assert wrong("always 1:r0 = a", [open_value], [AB]) == []
    assert wrong("sometimes 1:r0 = b", [open_value, ANYTHING], [BA]) == []
    assert len(wrong("always 1:r1 = a", [open_value], [Outcome("done", ("b", "a"))])) == 1


def test_a_marked_line_binds_one_model() -> None:
    assert wrong("kernel: always 1:r0 = a", [BA], [AB]) == []
    assert len(wrong("manual: always 1:r0 = a", [BA], [AB])) == 1


def test_kernel_outcomes_outside_the_manual_need_a_name() -> None:
    assert undeclared([AB], [AB, BA], lambda _: ()) == [BA]
    assert undeclared([AB], [AB, BA], lambda _: ("named",)) == []
    assert undeclared([ANYTHING], [AB, BA], lambda _: ()) == []
