"""What scenario text means, as variants."""

from __future__ import annotations

import pytest

from msgport.manual.api import PortKind
from msgport.scenario.condition import All, Ending, Equal, Not, Some
from msgport.scenario.parser import parse
from msgport.scenario.program import Handler, Message, Observable, Port, Position, Ref, Register, Statement, Variant

DESIGN = r"""
MSGPORT fifo-one-sender
claims: getport.first  putport.async
vary: P = thread | spin | serialize ; place = same-cpu | cross-cpu
{ port P owner T1; msg a reply T0.port; msg b reply T0.port }
 T0             | T1               ;
 sendmsg P a    | r0 = waitport P  ;
 sendmsg P b    | r1 = waitport P  ;
always (1:r0 = a /\ 1:r1 = b)
"""


def one(text: str) -> Variant:
    """The only variant of a scenario whose title is left out."""
    (variant,) = parse("MSGPORT x\n" + text, "x.msgport")
    return variant


def test_vary_makes_a_variant_of_each_choice_with_the_last_name_changing_fastest() -> None:
    variants = parse(DESIGN, "x")
    assert [variant.name for variant in variants] == [
        f"fifo-one-sender/P={kind},place={place}"
        for kind in ("thread", "spin", "serialize")
        for place in ("same-cpu", "cross-cpu")
    ]
    assert [variant.ports[0] for variant in variants[::2]] == [
        Port("P", PortKind.THREAD, owner="T1"),
        Port("P", PortKind.SPIN, owner="T1"),
        Port("P", PortKind.SERIALIZE, serializer="P"),
    ]
    assert [variant.serializers for variant in variants[::2]] == [(), (), ("P",)]
    assert [[thread.cpu for thread in variant.threads] for variant in variants[:2]] == [[0, 0], [0, 1]]


def test_statements_know_what_their_names_stand_for_and_where_they_are() -> None:
    variant = parse(DESIGN, "file.msgport")[0]
    assert variant.threads[0].body == (
        Statement("sendmsg", (Ref("port", "P"), Ref("message", "a")), None, Position("", 0, 0)),
        Statement("sendmsg", (Ref("port", "P"), Ref("message", "b")), None, Position("", 0, 0)),
    )
    assert variant.threads[1].body[1].position == Position("file.msgport", 8, 24)
    assert variant.position == Position("file.msgport", 2, 9)


def test_registers_come_first_among_the_observables_and_then_the_observed_fields_in_order() -> None:
    variant = one(
        "observe: queue T1.port, error a, calls P.putport, calls a.abort\n"
        "{ port P spin putport chain; msg a reply T0.port abort count }\n"
        "T0 | T1 ;\n sendmsg P a | r5 = getport P ;\n r9 = checkmsg a | r1 = getport P ;\n"
    )
    assert [str(each) for each in variant.observables] == [
        "T0:r9",
        "T1:r5",
        "T1:r1",
        "queue T1.port",
        "error a",
        "calls P.putport",
        "calls a.abort",
    ]
    assert variant.index["error a"] == 4
    assert variant.observables[0] == Observable("register", "T0:r9")


def test_built_in_ports_are_listed_after_the_declared_ones_when_they_are_used() -> None:
    variant = one("{ port P spin; msg a reply T2.port }\nT0 | T1 | T2 ;\nsendmsg T0.port a ;\n")
    assert variant.ports[1:] == (
        Port("T0.port", PortKind.THREAD, owner="T0", builtin=True),
        Port("T2.port", PortKind.THREAD, owner="T2", builtin=True),
    )


def test_messages_take_their_options_in_any_order() -> None:
    variant = one("{ msg a flags USER1+PRIORITY+USER1 abort reply(4) reply P; msg b raw; port P spin }\nT0 ;\n")
    assert variant.messages == (
        Message("a", "P", ("PRIORITY", "USER1"), Handler("reply", (4,))),
        Message("b", None, raw=True),
    )


def test_a_register_stands_for_the_message_it_holds() -> None:
    variant = one("{ port P spin }\nT0 ;\nr0 = waitport P ;\nreplymsg r0 5 ;\n")
    assert variant.threads[0].body[1].arguments == (Register("r0"), 5)


def test_columns_go_to_the_cpus_of_their_heads_and_else_to_their_own() -> None:
    assert [thread.cpu for thread in one("{ }\nT0 | T1 @ 3 | T2 ;\n").threads] == [0, 3, 2]
    placed = parse("MSGPORT x\nvary: place = same-cpu | cross-cpu | 2-0\n{ }\nT0 | T1 @ 3 ;\n", "x")
    assert [[thread.cpu for thread in variant.threads] for variant in placed] == [[0, 0], [0, 3], [2, 0]]
    assert [variant.cpus for variant in placed] == [1, 4, 3]


def test_entering_a_port_means_entering_the_serializer_that_guards_it() -> None:
    text = "{ serializer S; port P serialize serializer S; port Q spin }\nT0 ;\nenter P ;\nenter Q ;\nexit S ;\n"
    assert [statement.arguments[0] for statement in one(text).threads[0].body] == [
        Ref("serializer", "S"),
        Ref("port", "Q"),
        Ref("serializer", "S"),
    ]


def test_a_dollar_name_stands_for_an_operation_a_name_a_number_a_kind_or_flags() -> None:
    text = """MSGPORT x
vary: op = sendmsg | domsg ; p = P | T0.port ; n = 3 | 4 ; k = spin | panic ; f = USER0 | USER1+PRIORITY
{ port P $k putport return($n); msg a reply $p flags $f }
T0 @ $n ;
$op $p a ;
setcpu $n ;
always [op in {sendmsg, domsg}, n != 4] deadlock
"""
    variants = parse(text, "x")
    assert len(variants) == 32
    last = variants[-1]
    assert last.ports[0] == Port("P", PortKind.PANIC, putport=Handler("return", (4,)))
    assert last.messages[0] == Message("a", "T0.port", ("PRIORITY", "USER1"))
    assert last.threads[0].cpu == 4
    assert last.threads[0].body[0] == Statement(
        "domsg", (Ref("port", "T0.port"), Ref("message", "a")), None, last.position
    )
    assert [len(variant.expectations) for variant in variants].count(1) == 16


def test_conditions_bind_not_before_and_before_or_before_implies() -> None:
    variant = one(
        "observe: error a, flags a\n{ port P spin; msg a }\nT0 ;\nr0 = getport P ;\n"
        r"kernel: never ~ 0:r0 = a /\ error a != 3 \/ done => T0:r0 in {null, a}"
        "\nsometimes (panic getport-illegal@T0.1)\nmanual: always flags a = USER1+DONE\n"
    )
    first, second, third = variant.expectations
    register = "T0:r0"
    assert first.condition == Some(
        (
            Not(
                Some(
                    (All((Not(Equal(register, "a")), Not(Equal("error a", "3")))), Ending("done")),
                )
            ),
            Some((Equal(register, "null"), Equal(register, "a"))),
        )
    )
    assert (first.quantifier, first.model, first.line) == ("never", "kernel", 6)
    assert first.text.startswith("kernel: never ~ 0:r0 = a")
    assert (second.quantifier, second.model) == ("sometimes", "both")
    assert second.condition == Ending("panic getport-illegal@T0.1")
    assert third.condition == Equal("flags a", "DONE+USER1")


def test_guards_pick_the_variants_that_an_expectation_is_for() -> None:
    text = DESIGN + "never [P = thread, place != same-cpu] panic\n"
    assert [len(variant.expectations) for variant in parse(text, "x")] == [1, 2, 1, 1, 1, 1]


def test_what_is_said_is_the_only_observable_of_a_scenario_that_says_something() -> None:
    variant = one('{ port P spin }\nT0 ;\nsay "a # b" ; # c\nr0 = getport P ;\nalways said = "a # b"\n')
    assert variant.says
    assert variant.observables == ()
    assert variant.index == {"said": 0}
    assert variant.expectations[0].condition == Equal("said", "a # b")


@pytest.mark.parametrize(
    "text",
    [
        "{ port P spin; msg a }\nT0|T1;\nsendmsg P a|r0=waitport P;\nalways done",
        "# c\n\n{ port P spin ; ; msg a ; }\n T0\t| T1\r\n ;\n\nsendmsg P a # c\n|\nr0 = waitport P ; always done\n",
        "about: nothing\n{ port P spin; msg a }\nT0 @ 0 | T1 @ 1 ;\nsendmsg P a | r0 = waitport P ;\n;\n|;\n"
        "always done\n",
    ],
)
def test_blanks_comments_and_empty_cells_change_nothing(text: str) -> None:
    plain = one("{ port P spin; msg a }\nT0 | T1 ;\nsendmsg P a | r0 = waitport P ;\nalways done\n")
    assert one(text) == plain
    assert one(text).expectations == plain.expectations
