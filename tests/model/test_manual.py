"""What the manual permits, where it leaves values open, and where the kernel leaves it: the named deviations."""

from __future__ import annotations

import pytest

from msgport.model import DEVIATIONS, KERNEL, MANUAL, deviations_of, explore
from msgport.scenario.library import catalogue, load
from msgport.scenario.outcome import matches
from tests.model.programs import kernel, manual, variant


def test_results_that_the_page_does_not_define_are_open() -> None:
    text = """{ port P owner T0; port Q owner T0; msg a reply T0.port }
     T0 ; sendmsg P a ; r0 = checkmsg a ; r1 = getport P ; r2 = forwardmsg Q a ; r3 = getport Q ; replymsg r3 5 ;
     r4 = waitmsg a ; r5 = error a ; r6 = flags a ;"""
    assert manual(text) == ["* a * a * 5 [-PRIORITY-USER0-USER1-USER2-USER3] done"]


def test_domsg_returns_the_replys_error() -> None:
    text = """{ port P owner T1; msg a reply T0.port }
     T0 | T1 ;
     r0 = domsg P a | r0 = waitport P ;
      | replymsg r0 5 ;"""
    assert manual(text) == ["5 a done"]


def test_the_error_is_open_before_the_first_reply_and_after_a_synchronous_domsg() -> None:
    text = """{ port U putonly putport return(3); msg a reply T0.port }
     T0 ; r0 = error a ; r1 = domsg U a ; r2 = error a ;"""
    assert manual(text) == ["* 3 * done"]


def test_beginmsg_propagates_the_handlers_value() -> None:
    text = "{ port U putonly putport return(3); msg a reply T0.port }\n T0 ; r0 = beginmsg U a ;"
    assert manual(text) == ["3 done"]


@pytest.mark.parametrize(
    "column",
    [
        "sendmsg P a ; sendmsg P a",
        "sendmsg P a ; replymsg a 1",
        "replymsg a 1",
        "r0 = getport T1.port",
        "r0 = getport Z",
        "sendmsg P b ; r0 = waitmsg b",
        "r0 = forwardmsg P a",
        "sendmsg P a ; initmsg a T0.port",
    ],
)
def test_misuse_may_do_anything(column: str) -> None:
    text = """{ port P spin; port Z serialize; msg a reply T0.port; msg b reply T0.port flags DROPABLE }
     T0 | T1 ; """ + " ; ".join(f"{statement} | " for statement in column.split(" ; "))
    assert manual(text + ";") == ["*"]


def test_special_ports_panic_by_the_page() -> None:
    assert manual("{ port X panic; msg a reply T0.port }\n T0 ; sendmsg X a ;") == ["panic putport-illegal@T0.1"]


def test_priority_against_others_is_open_and_first_come_first_served_among_its_like() -> None:
    text = """{ port P spin; msg a reply P; msg b reply P flags PRIORITY; msg c reply P flags PRIORITY }
     T0 ; sendmsg P a ; sendmsg P b ; sendmsg P c ; r0 = getport P ; r1 = getport P ; r2 = getport P ;"""
    assert manual(text) == ["a b c done", "b a c done", "b c a done"]
    assert kernel(text) == ["b c a done"]


@pytest.mark.parametrize(("flags", "queue"), [("", "a+b"), ("flags PRIORITY", "*")])
def test_a_queues_order_is_open_where_priority_messages_meet_others(flags: str, queue: str) -> None:
    text = f"""observe: queue P
    {{ port P spin; msg a reply P; msg b reply P {flags} }}
     T0 ; sendmsg P a ; sendmsg P b ;"""
    assert manual(text) == [f"{queue} done"]


DEVIATING = {
    "initmsg-assigns-flags": """{ msg a raw }
     T0 ; initmsg a T0.port USER0 ; initmsg a T0.port USER1 ; r0 = flags a ;""",
    "abort-only-in-flight": """observe: calls a.abort
    { msg a reply T0.port abort count }
     T0 ; abortmsg a ;""",
    "drop-needs-dropable": """{ port P owner T0; msg a reply T0.port }
     T0 ; sendmsg P a ; r0 = dropmsg a ;""",
    "drop-by-owner-only": """{ port P spin owner T1; msg a reply T0.port flags DROPABLE }
     T0 | T1 ; sendmsg P a | ; r0 = dropmsg a | ;""",
    "drop-thread-and-owned-spin-only": """{ port P spin; msg a reply T0.port flags DROPABLE }
     T0 ; sendmsg P a ; r0 = dropmsg a ;""",
    "drop-misses-in-flight": """{ port P owner T1; port S spin; msg a reply N flags DROPABLE; msg b reply N;
      port N replyonly_null }
     T0 | T1 ;
     sendmsg P a | r0 = waitport S ;
     sendmsg S b | r1 = dropmsg a ;
      | r2 = waitport P ;""",
}


def test_each_deviation_is_named_by_a_scenario_of_its_own() -> None:
    assert set(DEVIATING) == {deviation.name for deviation in DEVIATIONS}
    for name, text in DEVIATING.items():
        scenario = variant(text)
        named = {deviations_of(scenario, outcome) for outcome in explore(scenario, KERNEL).outcomes}
        assert (name,) in named
        assert named <= {(name,), ()}


def test_two_deviations_that_meet_are_both_named() -> None:
    text = """observe: calls a.abort
    { msg a raw }
     T0 ; initmsg a T0.port USER0 ; initmsg_abortable a T0.port count USER1 ; r0 = flags a ; abortmsg a ;"""
    (outcome,) = explore(variant(text), KERNEL).outcomes
    assert str(outcome) == "DONE+USER1 0 done"
    # Taking back either one leaves an outcome that is not this one.
    assert set(deviations_of(variant(text), outcome)) == {"initmsg-assigns-flags", "abort-only-in-flight"}


def test_the_kernel_leaves_the_manual_by_named_deviations_only_and_shows_each() -> None:
    shown: set[str] = set()
    for path in catalogue():
        for each in load(path):
            permitted = explore(each, MANUAL).outcomes
            for outcome in explore(each, KERNEL).outcomes:
                if not any(matches(pattern, outcome) for pattern in permitted):
                    assert deviations_of(each, outcome), f"{each.name}: {outcome}"
                    shown.update(deviations_of(each, outcome))
    assert shown == {deviation.name for deviation in DEVIATIONS}


# Reading what is another's.


def unowned(text: str) -> list[str]:
    """The statements that read a message their thread does not own."""
    return [f"{read.thread}.{read.number}:{read.position.line}" for read in explore(variant(text), KERNEL).unowned]


def test_reading_a_message_that_was_sent_is_an_error() -> None:
    text = "{ port P spin; msg a reply T0.port }\nT0 ;\nsendmsg P a ;\nr0 = error a ;"
    assert unowned(text) == ["T0.2:5"]


def test_reading_a_message_after_replying_is_an_error() -> None:
    text = (
        "{ port P spin; msg a reply T0.port }\nT0 ;\nsendmsg P a ;\nr0 = getport P ;\nreplymsg r0 1 ;\nr1 = error r0 ;"
    )
    assert unowned(text) == ["T0.4:7"]


def test_an_unsent_message_is_anybodys() -> None:
    assert unowned("{ msg a reply T0.port }\nT0 | T1 ;\nr0 = error a | r0 = flags a ;") == []


def test_waiting_dropping_and_checking_give_a_message_back() -> None:
    assert (
        unowned("{ port U putonly putport return(1); msg a reply T0.port }\nT0 ;\nr0 = domsg U a ;\nr1 = error a ;")
        == []
    )
    drop = (
        "{ port P owner T0; msg a reply T0.port flags DROPABLE }\nT0 ;\nsendmsg P a ;\nr0 = dropmsg a ;\nr1 = flags a ;"
    )
    assert unowned(drop) == []
    checked = """{ port U putonly putport return(1); port N replyonly_null; msg a reply N }
     T0 | T1 ;
     sendmsg U a | r0 = checkmsg a ;
      | r1 = error a ;"""
    # checkmsg may come in the middle of the send, and find nothing.
    assert unowned(checked) == ["T1.2:5"]


def test_an_unowned_read_is_found_in_the_one_execution_that_has_it() -> None:
    text = """{ port P spin; msg a reply T0.port }
     T0 | T1 ;
     r0 = error a | r0 = waitport T1.port ;
     sendmsg P a | r1 = error a ;"""
    assert unowned(text) == []
    racing = """{ port P spin; msg a reply T0.port }
     T0 | T1 ;
     sendmsg P a | r0 = error a ;"""
    assert unowned(racing) == ["T1.1:4"]
