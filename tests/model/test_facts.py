"""What DragonFly does, fact by fact; every outcome here is derived by hand. Names tell the behaviour."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.model.programs import kernel

# Messages.


def test_initmsg_assigns_the_flags() -> None:
    text = """{ msg a raw }
     T0 ; initmsg a T0.port USER0 ; initmsg a T0.port USER1 ; r0 = flags a ;"""
    assert kernel(text) == ["DONE+USER1 done"]


def test_initmsg_leaves_error_and_result() -> None:
    text = """{ port P owner T1; msg a reply T0.port }
     T0 | T1 ;
     setresult a 6 | r0 = waitport P ;
     r0 = domsg P a | replymsg r0 5 ;
     initmsg a T0.port | ;
     r1 = error a | ;
     r2 = result a | ;"""
    assert kernel(text) == ["5 5 6 a done"]


def test_sending_twice_panics() -> None:
    text = """{ port P spin; msg a reply T0.port }
     T0 ; sendmsg P a ; sendmsg P a ;"""
    assert kernel(text) == ["panic send-not-idle@T0.2"]


def test_sending_a_message_that_was_never_initialised_panics() -> None:
    assert kernel("{ port P spin; msg a raw }\n T0 ; sendmsg P a ;") == ["panic send-not-idle@T0.1"]


@pytest.mark.parametrize("kind", ["thread owner T0", "spin"])
def test_a_put_of_a_done_message_panics_on_the_default_ports(kind: str) -> None:
    assert kernel(f"{{ port P {kind}; msg a reply T0.port }}\n T0 ; r0 = beginmsg P a ;") == ["panic put-done@T0.1"]


def test_a_putonly_port_accepts_a_done_message() -> None:
    text = """observe: flags a
    { port U putonly putport return(3); msg a reply T0.port }
     T0 ; r0 = beginmsg U a ;"""
    assert kernel(text) == ["3 DONE done"]


# Synchronous handlers.


def test_sendmsg_replies_for_a_synchronous_handler_to_a_queueing_port() -> None:
    text = """observe: error a, flags a, queue R, calls U.putport
    { port U putonly putport return(3); port R spin; msg a reply R }
     T0 ; sendmsg U a ;"""
    assert kernel(text) == ["3 DONE+REPLY+QUEUED a 1 done"]


def test_sendmsg_replies_for_a_synchronous_handler_to_a_null_port_and_owns_the_message_again() -> None:
    text = """{ port U putonly putport return(3); port N replyonly_null; msg a reply N }
     T0 ; sendmsg U a ; r0 = flags a ; r1 = error a ;"""
    assert kernel(text) == ["DONE+REPLY 3 done"]


def test_sendmsg_calls_a_custom_replyport_in_the_sender() -> None:
    text = """observe: error a, flags a, calls R.replyport
    { port U putonly putport return(3); port R replyonly replyport none; msg a reply R }
     T0 ; sendmsg U a ;"""
    assert kernel(text) == ["3 0 1 done"]


def test_domsg_returns_a_synchronous_handlers_value_and_leaves_the_error_as_it_was() -> None:
    text = """observe: queue T0.port
    { port U putonly putport return(3); msg a reply T0.port }
     T0 ; r0 = domsg U a ; r1 = flags a ; r2 = waitmsg a ;"""
    assert kernel(text) == ["3 DONE+REPLY+SYNC 0 empty done"]


def test_domsg_with_a_synchronous_handler_calls_no_reply_function() -> None:
    text = """observe: calls R.replyport
    { port U putonly putport return(3); port R replyonly replyport done; msg a reply R }
     T0 ; r0 = domsg U a ;"""
    assert kernel(text) == ["3 0 done"]


def test_a_kept_message_is_replied_to_by_another_thread() -> None:
    text = """{ port U putonly putport keep; msg a reply T0.port }
     T0 | T1 ;
     r0 = domsg U a | r0 = kept U ;
      | replymsg r0 4 ;"""
    assert kernel(text) == ["4 a done"]


def test_a_handler_may_reply_and_return_easync() -> None:
    text = """{ port U putonly putport reply(4); msg a reply T0.port }
     T0 ; r0 = domsg U a ; r1 = flags a ;"""
    assert kernel(text) == ["4 DONE+REPLY+SYNC done"]


def test_domsg_returns_the_value_of_a_handler_that_replied_too() -> None:
    text = """{ port U putonly putport replyreturn(4, 5); msg a reply T0.port }
     T0 ; r0 = domsg U a ; r1 = error a ;"""
    assert kernel(text) == ["5 4 done"]


def test_sendmsg_panics_when_a_handler_replied_and_returns_a_value() -> None:
    text = """{ port U putonly putport replyreturn(4, 5); msg a reply T0.port }
     T0 ; sendmsg U a ;"""
    assert kernel(text) == ["panic reply-not-held@T0.1"]


def test_netisr_handles_a_message_to_oneself_at_once() -> None:
    text = """{ port P owner T0 putport netisr(6); msg a reply T0.port }
     T0 ; r0 = domsg P a ;"""
    assert kernel(text) == ["6 done"]


def test_netisr_chains_for_another_thread() -> None:
    text = """observe: calls P.putport
    { port P owner T1 putport netisr(6); msg a reply T0.port }
     T0 | T1 ;
     r0 = domsg P a | r0 = waitport P ;
      | replymsg r0 2 ;"""
    assert kernel(text) == ["2 a 1 done"]


# Replies.


def test_an_asynchronous_reply_is_queued_until_it_is_taken() -> None:
    text = """observe: flags a
    { port P owner T1; msg a reply T0.port }
     T0 | T1 ;
     sendmsg P a | r0 = waitport P ;
     r0 = waitport T0.port | replymsg r0 5 ;
     r1 = error r0 | ;"""
    assert kernel(text) == ["a 5 a DONE+REPLY done"]


def test_a_reply_that_nobody_takes_stays_queued() -> None:
    text = """observe: flags a, queue T0.port
    { port P owner T1; msg a reply T0.port }
     T0 | T1 ;
     sendmsg P a | r0 = waitport P ;
      | replymsg r0 5 ;"""
    assert kernel(text) == ["a DONE+REPLY+QUEUED a done"]


@pytest.mark.parametrize("reply", ["T0.port", "S"])
def test_a_synchronous_reply_is_never_queued(reply: str) -> None:
    text = f"""observe: flags a, queue T0.port, queue S
    {{ port P owner T1; port S spin; msg a reply {reply} }}
     T0 | T1 ;
     r0 = domsg P a | r0 = waitport P ;
      | replymsg r0 5 ;"""
    assert kernel(text) == ["5 a DONE+REPLY+SYNC empty empty done"]


def test_sync_is_gone_with_the_next_sendmsg() -> None:
    text = """observe: flags a
    { port U putonly putport return(0); port P spin; msg a reply T0.port }
     T0 ; r0 = domsg U a ; sendmsg P a ;"""
    assert kernel(text) == ["0 QUEUED done"]


def test_waitmsg_takes_its_own_message_and_no_other() -> None:
    text = """observe: queue R
    { port P spin; port R spin; msg a reply R; msg b reply R }
     T0 | T1 ;
     sendmsg P a | r0 = waitport P ;
     sendmsg P b | r1 = waitport P ;
     r0 = waitmsg b | replymsg r0 1 ;
      | replymsg r1 2 ;"""
    assert kernel(text) == ["2 a b a done"]


def test_requests_and_replies_share_one_queue() -> None:
    text = """{ port P spin; msg a reply P; msg b reply P }
     T0 ; sendmsg P a ; r0 = getport P ; sendmsg P b ; replymsg r0 0 ; r1 = getport P ; r2 = getport P ;"""
    assert kernel(text) == ["a b a done"]


def test_a_null_reply_port_checks_nothing() -> None:
    text = """observe: flags a, error a
    { port P spin; port N replyonly_null; msg a reply N }
     T0 ; sendmsg P a ; r0 = getport P ; replymsg r0 1 ; replymsg r0 2 ;"""
    assert kernel(text) == ["a DONE+REPLY 2 done"]


def test_a_message_whose_replyport_does_not_mark_it_done_cannot_be_sent_again() -> None:
    text = """{ port P spin; port R replyonly replyport none; msg a reply R }
     T0 ; sendmsg P a ; r0 = getport P ; replymsg r0 1 ; sendmsg P a ;"""
    assert kernel(text) == ["panic send-not-idle@T0.4"]


@pytest.mark.parametrize("port", ["replyonly_null", "replyonly replyport done", "panic"])
def test_waitmsg_on_a_special_reply_port_panics_even_when_done(port: str) -> None:
    assert kernel(f"{{ port N {port}; msg a reply N }}\n T0 ; r0 = waitmsg a ;") == ["panic waitmsg-illegal@T0.1"]


def test_domsg_with_a_null_reply_port_panics_after_the_send() -> None:
    text = """{ port P spin; port N replyonly_null; msg a reply N }
     T0 | T1 ;
     r0 = domsg P a | r0 = getport P ;
      | r1 = domsg P r0 ;"""
    # T1 may have the message already when T0 panics: then its own send is what panics first.
    assert kernel(text) == ["panic send-not-idle@T1.2", "panic waitmsg-illegal@T0.1"]


def test_replying_twice_panics() -> None:
    text = """{ port P spin; msg a reply T0.port }
     T0 ; sendmsg P a ; r0 = getport P ; replymsg r0 1 ; replymsg r0 2 ;"""
    assert kernel(text) == ["panic reply-not-held@T0.4"]


def test_replying_twice_panics_while_the_first_reply_is_in_flight() -> None:
    text = """{ port P spin; msg a reply T0.port }
     T0 | T1 ;
     sendmsg P a | r0 = waitport P ;
      | replymsg r0 1 ;
      | replymsg r0 2 ;"""
    assert kernel(text) == ["panic reply-not-held@T1.3"]


@pytest.mark.parametrize("reply", ["T0.port", "S"])
def test_replying_to_a_message_that_was_never_sent_or_is_queued_panics(reply: str) -> None:
    ports = f"{{ port P spin; port S spin; msg a reply {reply} }}"
    assert kernel(f"{ports}\n T0 ; replymsg a 1 ;") == ["panic reply-not-held@T0.1"]
    assert kernel(f"{ports}\n T0 ; sendmsg P a ; replymsg a 1 ;") == ["panic reply-not-held@T0.2"]


def test_initialising_a_message_while_its_reply_is_in_flight_panics_in_the_ipi() -> None:
    text = """{ port P spin; msg a reply T0.port }
     T0 | T1 ;
     sendmsg P a | r0 = waitport P ;
      | replymsg r0 1 ;
      | initmsg a T0.port ;"""
    assert kernel(text) == ["a done", "panic not-intransit@ipi"]


def test_sending_a_message_again_while_its_reply_is_in_flight_panics_in_the_send() -> None:
    text = """{ port P spin; msg a reply T0.port }
     T0 | T1 ;
     sendmsg P a | r0 = waitport P ;
      | replymsg r0 1 ;
      | sendmsg P r0 ;"""
    # Delivered, it is DONE but QUEUED: that panics all the same.
    assert kernel(text) == ["panic send-not-idle@T1.3"]


def test_checkmsg_is_true_before_the_send_and_after_delivery_only() -> None:
    text = """{ port P owner T1; msg a reply T0.port }
     T0 | T1 ;
     r0 = checkmsg a | r0 = waitport P ;
     sendmsg P a | replymsg r0 1 ;
     r1 = checkmsg a | ;
     r2 = waitmsg a | ;
     r3 = checkmsg a | ;"""
    assert kernel(text) == ["1 0 1 1 a done", "1 1 1 1 a done"]


def test_checkmsg_from_another_cpu_sees_a_message_leave_and_come_back() -> None:
    text = """{ port U putonly putport return(3); port N replyonly_null; msg a reply N }
     T0 | T1 ;
     sendmsg U a | r0 = checkmsg a ;
      | r1 = checkmsg a ;"""
    assert kernel(text) == ["0 0 done", "0 1 done", "1 0 done", "1 1 done"]


def test_checkmsg_from_the_same_cpu_never_sees_the_middle_of_a_call() -> None:
    text = """{ port U putonly putport return(3); port N replyonly_null; msg a reply N }
     T0 @ 0 | T1 @ 0 ;
     sendmsg U a | r0 = checkmsg a ;"""
    assert kernel(text) == ["1 done"]


# Aborting, dropping, forwarding, priority.


def test_abort_is_called_between_send_and_reply_and_each_time() -> None:
    text = """observe: calls a.abort
    { port P spin; msg a reply T0.port abort count }
     T0 ; abortmsg a ; sendmsg P a ; abortmsg a ; abortmsg a ; r0 = getport P ; abortmsg a ; replymsg r0 1 ;
     abortmsg a ;"""
    assert kernel(text) == ["a 3 done"]


def test_abort_does_nothing_to_a_message_that_is_not_abortable() -> None:
    text = """observe: flags a
    { port P spin; msg a reply T0.port }
     T0 ; sendmsg P a ; abortmsg a ;"""
    assert kernel(text) == ["QUEUED done"]


def test_an_abort_function_may_reply_once_the_message_is_taken() -> None:
    text = """{ port P spin; msg a reply T0.port abort reply(9) }
     T0 ; sendmsg P a ; r0 = getport P ; abortmsg a ; r1 = waitmsg a ;"""
    assert kernel(text) == ["a 9 done"]


def test_an_abort_function_that_replies_to_a_queued_message_panics() -> None:
    text = """{ port P spin; msg a reply T0.port abort reply(9) }
     T0 ; sendmsg P a ; abortmsg a ;"""
    assert kernel(text) == ["panic reply-not-held@T0.2"]


def test_abort_races_with_the_reply() -> None:
    text = """{ port P spin; port R spin; msg a reply R abort reply(9) }
     T0 | T1 ;
     sendmsg P a | r0 = waitport P ;
     abortmsg a | replymsg r0 1 ;"""
    assert kernel(text) == [
        "a done",  # replied to first: nothing to abort
        "panic reply-not-held@T0.2",  # still queued, or the reply came between the look and the call
        "panic reply-not-held@T1.2",  # aborted first
    ]


def test_aborting_a_message_in_the_middle_of_its_send_may_do_anything() -> None:
    text = """{ port P spin; port R spin; msg a reply R abort reply(9) }
     T0 | T1 ;
     sendmsg P a | abortmsg a ;"""
    assert kernel(text) == ["*"]


@pytest.mark.parametrize("kind", ["thread", "spin"])
def test_a_queued_message_is_dropped_and_can_be_sent_again(kind: str) -> None:
    text = f"""observe: flags a, queue P
    {{ port P {kind} owner T0; msg a reply T0.port flags DROPABLE }}
     T0 ; sendmsg P a ; r0 = dropmsg a ; r1 = flags a ; r2 = getport P ; sendmsg P a ; r3 = getport P ;"""
    assert kernel(text) == ["0 DONE null a 0 empty done"]


def test_dropping_what_is_not_queued_finds_nothing() -> None:
    text = """{ port P owner T0; msg a reply T0.port flags DROPABLE }
     T0 ; r0 = dropmsg a ; sendmsg P a ; r1 = getport P ; r2 = dropmsg a ; replymsg r1 0 ; r3 = dropmsg a ;"""
    assert kernel(text) == ["2 a 2 2 done"]


def test_drop_misses_a_message_on_its_way_to_another_cpu() -> None:
    text = """observe: queue P
    { port P owner T1; msg a reply T0.port flags DROPABLE }
     T0 | T1 ;
     sendmsg P a | r0 = dropmsg a ;"""
    assert kernel(text) == ["0 empty done", "2 a done"]


def test_drop_panics_for_others_than_the_owner() -> None:
    text = """{ port P spin owner T1; msg a reply T0.port flags DROPABLE }
     T0 | T1 ; sendmsg P a | ; r0 = dropmsg a | ;"""
    assert kernel(text) == ["panic drop-not-owner@T0.2"]


def test_drop_panics_without_dropable_or_on_kinds_that_cannot() -> None:
    text = "{ port P spin owner T0; msg a reply T0.port }\n T0 ; sendmsg P a ; r0 = dropmsg a ;"
    assert kernel(text) == ["panic drop-not-dropable@T0.2"]
    text = "{ port P spin; msg a reply T0.port flags DROPABLE }\n T0 ; sendmsg P a ; r0 = dropmsg a ;"
    assert kernel(text) == ["panic dropmsg-illegal@T0.2"]
    text = """{ port Z serialize; msg a reply T0.port flags DROPABLE }
     T0 ; enter Z ; sendmsg Z a ; r0 = dropmsg a ;"""
    assert kernel(text) == ["panic dropmsg-illegal@T0.3"]


def test_a_dropable_message_cannot_be_waited_for() -> None:
    text = "{ port P spin; msg a reply T0.port flags DROPABLE }\n T0 ; r0 = domsg P a ;"
    assert kernel(text) == ["panic wait-dropable@T0.1"]


def test_forward_returns_easync_and_the_last_replier_wakes_the_first_sender() -> None:
    text = """{ port P owner T1; port Q owner T2; msg a reply T0.port }
     T0 | T1 | T2 ;
     r0 = domsg P a | r0 = waitport P | r0 = waitport Q ;
      | r1 = forwardmsg Q r0 | replymsg r0 7 ;"""
    assert kernel(text) == ["7 a 99 a done"]


def test_forward_replies_for_a_synchronous_handler() -> None:
    text = """observe: error a
    { port P owner T1; port U putonly putport return(3); msg a reply T0.port }
     T0 | T1 ;
     r0 = domsg P a | r0 = waitport P ;
      | r1 = forwardmsg U r0 ;"""
    assert kernel(text) == ["3 a 3 3 done"]


def test_forwarding_a_message_that_nobody_holds_panics() -> None:
    ports = "{ port P spin; port Q spin; msg a reply T0.port }"
    assert kernel(f"{ports}\n T0 ; r0 = forwardmsg Q a ;") == ["panic forward-not-held@T0.1"]
    assert kernel(f"{ports}\n T0 ; sendmsg P a ; r0 = forwardmsg Q a ;") == ["panic forward-not-held@T0.2"]
    replied = f"{ports}\n T0 ; sendmsg P a ; r0 = getport P ; replymsg r0 0 ; r1 = forwardmsg Q r0 ;"
    assert kernel(replied) == ["panic forward-not-held@T0.4"]


def test_priority_messages_and_replies_are_taken_first() -> None:
    text = """{ port P spin; msg a reply P; msg b reply P flags PRIORITY; msg c reply P flags PRIORITY }
     T0 ; sendmsg P b ; r0 = getport P ; sendmsg P a ; sendmsg P c ; replymsg r0 0 ;
        ; r1 = getport P ; r2 = getport P ; r3 = getport P ;""".replace(";\n        ;", ";\n")
    assert kernel(text) == ["b c b a done"]


def test_initialising_a_message_wakes_nobody_who_sleeps_until_it_is_done() -> None:
    text = """{ port P spin; msg a reply P }
     T0 @ 0      | T1 @ 0                 ;
     sendmsg P a | initmsg a P DROPABLE   ;
     r0 = waitmsg a |                     ;"""
    assert kernel(text) == ["- deadlock@T0.2", "panic wait-dropable@T0.2"]


def test_a_queue_is_observed_first_to_be_taken_first() -> None:
    text = """observe: queue P
    { port P spin; msg a reply P; msg b reply P flags PRIORITY; msg c reply P; msg d reply P flags PRIORITY }
     T0 ; sendmsg P a ; sendmsg P b ; sendmsg P c ; sendmsg P d ;"""
    assert kernel(text) == ["b+d+a+c done"]


# Who may take, and what a wait does.


@pytest.mark.parametrize("op", ["getport", "waitport"])
def test_taking_from_another_threads_port_panics(op: str) -> None:
    assert kernel(f"{{ port P owner T1 }}\n T0 | T1 ; r0 = {op} P | ;") == ["panic not-owner@T0.1"]


def test_waiting_for_a_reply_to_another_threads_port_panics_after_the_send() -> None:
    text = """{ port P spin; msg a reply T1.port }
     T0 | T1 ; r0 = domsg P a | r0 = waitport P ;"""
    assert kernel(text) == ["panic not-owner@T0.1"]


def test_sendmsg_with_another_threads_reply_port_works() -> None:
    text = """{ port P spin; msg a reply T1.port }
     T0 | T1 ;
     sendmsg P a | r0 = waitport T1.port ;
     r0 = waitport P | ;
     replymsg r0 1 | ;"""
    assert kernel(text) == ["a a done"]


def test_waitmsg_asks_for_no_owner_once_the_message_is_done_and_off_the_queue() -> None:
    text = "{ msg a reply T1.port }\n T0 | T1 ; r0 = waitmsg a | ;"
    assert kernel(text) == ["0 done"]


def test_domsg_to_oneself_sleeps_for_ever() -> None:
    text = "{ msg a reply T0.port }\n T0 ; r0 = domsg T0.port a ;"
    assert kernel(text) == ["- deadlock@T0.1"]


def test_sending_to_oneself_and_replying_works() -> None:
    text = """{ msg a reply T0.port }
     T0 ; sendmsg T0.port a ; r0 = waitport T0.port ; replymsg r0 1 ; r1 = waitport T0.port ;"""
    assert kernel(text) == ["a a done"]


def test_each_message_of_a_spin_port_reaches_one_receiver() -> None:
    text = """{ port P spin; msg a reply T0.port; msg b reply T0.port }
     T0 | T1 | T2 ;
     sendmsg P a | r0 = waitport P | r0 = waitport P ;
     sendmsg P b | | ;"""
    assert kernel(text) == ["a b done", "b a done"]


def test_waitmsg_and_waitport_on_one_reply_port_may_both_get_the_reply() -> None:
    text = """{ port P spin; port R spin; msg a reply R }
     T0 | T1 | T2 ;
     sendmsg P a | r0 = waitport P | r0 = waitport R ;
     r0 = waitmsg a | replymsg r0 1 | ;"""
    assert kernel(text) == ["1 a - deadlock@T2.1", "1 a a done"]


def test_a_skipped_statement_passes_its_absence_on() -> None:
    text = """{ port P spin }
     T0 ; r0 = getport P ; r1 = error r0 ; replymsg r0 1 ;"""
    assert kernel(text) == ["null - done"]


# Serializers.


@pytest.mark.parametrize(
    ("statement", "step"),
    [
        ("sendmsg Z a", 1),
        ("r0 = getport Z", 1),
        ("r0 = waitport Z", 1),
        ("enter Z ; sendmsg Z a ; exit Z ; r0 = getport Z", 4),
    ],
)
def test_a_serializer_port_wants_its_serializer_held(statement: str, step: int) -> None:
    text = f"{{ port Z serialize; msg a reply T0.port }}\n T0 ; {statement} ;"
    assert kernel(text) == [f"panic not-serialized@T0.{step}"]


def test_replying_to_a_serializer_port_wants_its_serializer_held() -> None:
    text = """{ port P spin; port Z serialize; msg a reply Z }
     T0 ; sendmsg P a ; r0 = getport P ; replymsg r0 1 ;"""
    assert kernel(text) == ["panic not-serialized@T0.3"]


def test_entering_a_serializer_twice_panics() -> None:
    assert kernel("{ serializer Z }\n T0 ; enter Z ; enter Z ;") == ["panic serialized-twice@T0.2"]


def test_sequence_a_serializer_target_and_thread_reply_port() -> None:
    text = """{ port Z serialize; msg a reply T0.port }
     T0 | T1 ;
     enter Z | enter Z ;
     sendmsg Z a | r0 = waitport Z ;
     exit Z | exit Z ;
     r0 = waitmsg a | replymsg r0 3 ;"""
    assert kernel(text) == ["3 a done"]


def test_sequence_b_target_and_reply_port_on_one_serializer() -> None:
    text = """{ serializer Z; port P serialize serializer Z; port R serialize serializer Z; msg a reply R }
     T0 | T1 ;
     enter Z | enter Z ;
     r0 = domsg P a | r0 = waitport P ;
     exit Z | replymsg r0 3 ;
      | exit Z ;"""
    assert kernel(text) == ["3 a done"]


def test_sequence_c_target_and_reply_port_on_two_serializers() -> None:
    text = """{ serializer Z; serializer Y; msg a reply R;
      port P serialize serializer Z; port R serialize serializer Y }
     T0 | T1 ;
     enter Z | enter Z ;
     sendmsg P a | r0 = waitport P ;
     exit Z | exit Z ;
     enter Y | enter Y ;
     r0 = waitmsg a | replymsg r0 3 ;
     exit Y | exit Y ;"""
    assert kernel(text) == ["3 a done"]


def test_sequence_d_thread_target_and_serializer_reply_port() -> None:
    text = """{ port P owner T1; port Z serialize; msg a reply Z }
     T0 | T1 ;
     enter Z | r0 = waitport P ;
     r0 = domsg P a | enter Z ;
     exit Z | replymsg r0 3 ;
      | exit Z ;"""
    assert kernel(text) == ["3 a done"]


def test_domsg_that_sleeps_holding_the_targets_serializer_deadlocks_with_the_receiver() -> None:
    text = """{ port Z serialize; msg a reply T0.port }
     T0 | T1 ;
     enter Z | enter Z ;
     r0 = domsg Z a | r0 = waitport Z ;
     exit Z | exit Z ;
      | replymsg r0 3 ;"""
    # With T0 first, T1 finds the serializer held; with T1 asleep first, T1 cannot take the serializer back.
    assert kernel(text) == ["- - deadlock@T0.2+T1.1", "- - deadlock@T0.2+T1.2"]


# Order across CPUs.

CAUSAL = """{ port P %s; port M owner T1; msg a reply N; msg b reply N; msg m reply T0.port; port N replyonly_null }
 T0 @ 0 | T1 @ 1 | T2 @ 2 ;
 sendmsg P a | r0 = waitport M | r0 = waitport P ;
 r0 = domsg M m | sendmsg P b | r1 = waitport P ;
  | replymsg r0 0 | ;"""


def test_causal_order_is_not_kept_by_thread_ports_across_cpus() -> None:
    assert kernel(CAUSAL % "owner T2") == ["0 m a b done", "0 m b a done"]


def test_causal_order_is_kept_by_spin_ports() -> None:
    assert kernel(CAUSAL % "spin") == ["0 m a b done"]


def test_a_put_to_a_spin_port_overtakes_an_ipi() -> None:
    text = """{ port P owner T1; port S spin; msg a reply N; msg b reply N; port N replyonly_null }
     T0 | T1 ;
     sendmsg P a | crit_enter ;
     sendmsg S b | r0 = waitport S ;
      | r1 = getport P ;
      | crit_exit ;"""
    assert kernel(text) == ["b a done", "b null done"]


def test_no_ipi_is_taken_in_a_critical_section() -> None:
    text = """{ port P owner T1; msg a reply N; port N replyonly_null }
     T0 | T1 ;
     sendmsg P a | crit_enter ;
      | r0 = getport P ;
      | r1 = getport P ;
      | crit_exit ;
      | r2 = getport P ;"""
    assert kernel(text) == ["a null null done", "null null a done", "null null null done"]


def test_a_sleeper_in_a_critical_section_lets_ipis_and_others_in() -> None:
    text = """{ port P owner T1; msg a reply N; port N replyonly_null }
     T0 @ 0 | T1 @ 1 ;
     sendmsg P a | crit_enter ;
      | r0 = waitport P ;"""
    assert kernel(text) == ["a done"]


def test_two_sends_of_one_thread_to_one_port_arrive_in_order() -> None:
    text = """{ port P owner T1; msg a reply N; msg b reply N; port N replyonly_null }
     T0 | T1 ; sendmsg P a | r0 = waitport P ; sendmsg P b | r1 = waitport P ;"""
    assert kernel(text) == ["a b done"]


def test_messages_of_three_cpus_arrive_in_any_order() -> None:
    text = """{ port P owner T3; port N replyonly_null; msg a reply N; msg b reply N; msg c reply N }
     T0 | T1 | T2 | T3 ;
     sendmsg P a | sendmsg P b | sendmsg P c | r0 = waitport P ;
     | | | r1 = waitport P ;
     | | | r2 = waitport P ;"""
    assert kernel(text) == sorted(" ".join(order) + " done" for order in permutations("abc"))


def test_a_put_chases_a_thread_that_moved() -> None:
    text = """{ port P owner T1; port N replyonly_null; msg a reply N }
     T0 @ 0 | T1 @ 1 ;
     sendmsg P a | setcpu 2 ;
      | r0 = waitport P ;"""
    assert kernel(text) == ["a done"]


def test_a_chased_message_may_be_overtaken() -> None:
    text = """{ port P owner T1; port N replyonly_null; msg a reply N; msg b reply N }
     T0 @ 0 | T1 @ 1 ;
     sendmsg P a | setcpu 2 ;
     sendmsg P b | r0 = waitport P ;
      | r1 = waitport P ;"""
    # a goes by way of CPU 1; b, sent after the move, goes straight to CPU 2.
    assert kernel(text) == ["a b done", "b a done"]


def test_a_thread_that_moves_arrives_after_what_it_sent_there() -> None:
    text = """{ port P owner T1; port N replyonly_null; msg a reply N; msg b reply N }
     T0 @ 0 | T1 @ 1 ;
     sendmsg P a | r0 = waitport P ;
     setcpu 1 | r1 = waitport P ;
     sendmsg P b | ;"""
    assert kernel(text) == ["a b done"]


# Handlers that stand in for the kernel's own.


def test_a_replyport_that_does_not_set_done_leaves_domsg_asleep() -> None:
    text = """{ port P owner T1; port R spin replyport none; msg a reply R }
     T0 | T1 ;
     r0 = domsg P a | r0 = waitport P ;
      | replymsg r0 1 ;"""
    assert kernel(text) == ["- a deadlock@T0.1"]


def test_a_replyport_that_wakes_nobody_leaves_a_sleeper_asleep() -> None:
    text = """{ port P spin; port R spin replyport done; msg a reply R }
     T0 @ 0 | T1 @ 1 ;
     sendmsg P a | r0 = waitport P ;
     r0 = waitmsg a | replymsg r0 1 ;"""
    # Whoever looks before the reply sleeps for ever; whoever looks after it does not sleep.
    assert kernel(text) == ["- a deadlock@T0.2", "1 a done"]


def test_a_chained_handler_is_counted_and_goes_on() -> None:
    text = """observe: calls P.putport, calls R.replyport
    { port P owner T1 putport chain; port R spin replyport chain; msg a reply R }
     T0 | T1 ;
     r0 = domsg P a | r0 = waitport P ;
      | replymsg r0 1 ;"""
    assert kernel(text) == ["1 a 1 1 done"]


def test_an_assigned_handler_chains_to_the_one_before() -> None:
    text = """{ port P owner T0; msg a reply T0.port }
     T0 ; setputport P return(5) ; setputport P chain ; r0 = domsg P a ;"""
    assert kernel(text) == ["5 done"]


def test_a_port_made_anew_has_its_kinds_own_handlers() -> None:
    text = """observe: queue P
    { port P spin putport return(5); msg a reply T0.port }
     T0 ; initport_spin P ; sendmsg P a ;"""
    assert kernel(text) == ["a done"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("initport_thread P T0 ; sendmsg P a ; r0 = getport P", "a done"),
        ("initport_thread P T1 ; r0 = getport P", "panic not-owner@T0.2"),
        ("initport_serialize P Z ; enter Z ; sendmsg P a ; r0 = waitport P", "a done"),
        ("initport_panic P ; r0 = getport P", "panic getport-illegal@T0.2"),
        ("initport_replyonly_null P ; initmsg a P ; sendmsg U a ; r0 = flags a", "DONE+REPLY done"),
        ("initport_replyonly P done ; initmsg a P ; sendmsg U a ; r0 = flags a", "DONE+REPLY done"),
        ("initport_putonly P return(8) ; r0 = domsg P a", "8 done"),
    ],
)
def test_a_port_can_be_made_anew_as_any_kind(column: str, expected: str) -> None:
    rows = column.replace(" ;", " | ;\n")
    text = f"""{{ serializer Z; port P spin; port U putonly putport return(3); msg a reply T0.port }}
     T0 | T1 ; {rows} | ;"""
    assert kernel(text) == [expected]


def test_a_port_made_anew_under_a_message_or_a_sleeper_may_do_anything() -> None:
    text = "{ port P spin; msg a reply T0.port }\n T0 ; sendmsg P a ; initport_spin P ;"
    assert kernel(text) == ["*"]
    text = "{ port P spin }\n T0 | T1 ; initport_spin P | r0 = waitport P ;"
    assert kernel(text) == ["*"]


# The special ports.


@pytest.mark.parametrize("port", ["panic", "replyonly_null", "replyonly replyport done"])
@pytest.mark.parametrize("op", ["sendmsg X a", "r0 = domsg X a"])
def test_a_put_to_a_port_that_takes_none_panics(port: str, op: str) -> None:
    assert kernel(f"{{ port X {port}; msg a reply T0.port }}\n T0 ; {op} ;") == ["panic putport-illegal@T0.1"]


@pytest.mark.parametrize("port", ["panic", "replyonly_null", "replyonly replyport done", "putonly putport keep"])
@pytest.mark.parametrize("op", ["getport", "waitport"])
def test_taking_from_a_special_port_panics(port: str, op: str) -> None:
    assert kernel(f"{{ port X {port} }}\n T0 ; r0 = {op} X ;") == [f"panic {op}-illegal@T0.1"]


@pytest.mark.parametrize("port", ["panic", "putonly putport keep"])
def test_a_reply_to_a_port_that_takes_none_panics(port: str) -> None:
    text = f"""{{ port P spin; port X {port}; msg a reply X }}
     T0 ; sendmsg P a ; r0 = getport P ; replymsg r0 1 ;"""
    assert kernel(text) == ["panic replymsg-illegal@T0.3"]


# Ends.


def test_a_panic_is_found_however_the_others_stand() -> None:
    text = """{ port P spin; port X panic; msg a reply T0.port }
     T0 | T1 ; sendmsg X a | r0 = waitport P ;"""
    # T1 sleeps for ever, but no deadlock is told: the machine is dead.
    assert kernel(text) == ["panic putport-illegal@T0.1"]


def test_of_two_panics_either_may_be_first() -> None:
    text = """{ port X panic; msg a reply T0.port; msg b reply T1.port }
     T0 | T1 ; sendmsg X a | r0 = getport X ;"""
    assert kernel(text) == ["panic getport-illegal@T1.1", "panic putport-illegal@T0.1"]


def test_lines_said_are_in_the_order_of_their_printing() -> None:
    text = """{ }
     T0 | T1 ; say "one" | say "two" ;"""
    assert kernel(text) == ["one / two done", "two / one done"]


# What a message carries.


def test_a_pointer_result_names_the_message_it_points_to() -> None:
    text = "{ port P spin; msg a reply T0.port; msg b reply T0.port }\nT0 ;\nr0 = resultp a ;\nsetresultp a b ;\n"
    assert kernel(text + "sendmsg P a ;\nr1 = getport P ;\nr2 = resultp r1 ;") == ["null a b done"]


def test_a_number_result_is_no_pointer_and_a_pointer_may_be_any_number() -> None:
    text = "{ msg a reply T0.port; msg b reply T0.port }\nT0 ;\nsetresult a 5 ;\nr0 = resultp a ;\n"
    assert kernel(text + "setresultp a b ;\nr1 = result a ;") == ["stray * done"]


def test_a_message_found_through_a_pointer_can_be_sent_and_one_that_is_not_there_cannot() -> None:
    text = "{ port P spin; msg a reply T0.port; msg b reply T0.port }\nT0 ;\n%s ;\nr0 = resultp a ;\n"
    text += "sendmsg P r0 ;\nr1 = getport P ;"
    assert kernel(text % "setresultp a b") == ["b b done"]
    assert kernel(text % "setresult a 0") == ["null null done"]
    assert kernel(text % "setresult a 7") == ["stray null done"]
