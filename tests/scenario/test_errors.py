"""Each mistake in a scenario is shown at its place, with what to do about it.

In the texts below `»` stands before the place that the error must point to.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from msgport.scenario.library import find, load
from msgport.scenario.parser import parse
from msgport.scenario.program import Position
from msgport.scenario.source import ScenarioError, excerpt

BODY = """{ port P owner T1; msg a reply T0.port; serializer S }
 T0          | T1              ;
 sendmsg P a | r0 = waitport P ;
"""

MISTAKES = {
    # Syntax.
    "no title": ("»{ }", "unexpected '{'", "expected 'MSGPORT'"),
    "a header without its colon": ("MSGPORT x\n»claim getport.first\n{ }\nT0 ;\n", "unexpected 'claim'", "'claims:'"),
    "a cell without an end": ("MSGPORT x\n{ }\nT0 ;\nenter S»", "ends too early", "';'"),
    "a connective missing": (f"MSGPORT x\n{BODY}always done »1:r0 = a\n", "unexpected '1:r0'", "'/\\'"),
    "a letter that nothing begins with": ("MSGPORT x\n{ port »% }\nT0 ;\n", "unexpected '%'", "expected a name"),
    "a header twice": ("MSGPORT x\nmodule: example1\n»module: example1\n{ }\nT0 ;\n", "given twice", ""),
    # Headers.
    "an unknown claim": ("MSGPORT x\nclaims: »getport.frist\n{ }\nT0 ;\n", "no claim getport.frist", "'getport.first'"),
    "an unknown module": ("MSGPORT x\nmodule: »example3\n{ }\nT0 ;\n", "no hand-written module", "'example2'"),
    "a module that says nothing": ("MSGPORT »x\nmodule: example1\n{ }\nT0 ;\n", "says nothing", "say"),
    "an unknown vary name": (
        "MSGPORT x\nvary: op = getport | waitport\n{ port P owner T0 }\nT0 ;\nr0 = »$pp P ;\n",
        "vary: gives no choices for 'pp'",
        "known: op",
    ),
    "a vary name that nothing uses": ("MSGPORT x\nvary: »Q = spin | thread\n{ }\nT0 ;\n", "nothing uses it", "$Q"),
    "a vary name twice": ("MSGPORT x\nvary: place = same-cpu ; »place = cross-cpu\n{ }\nT0 ;\n", "varies twice", ""),
    "an alternative twice": ("MSGPORT x\nvary: place = same-cpu | »same-cpu\n{ }\nT0 ;\n", "cannot be an", "once"),
    "too many variants": (
        f"MSGPORT x\nvary: a = {'|'.join(map(str, range(33)))} ; »b = {'|'.join(map(str, range(33)))}\n"
        "{ }\nT0 ;\nsetcpu $a ;\nsetcpu $b ;\n",
        "1089 variants",
        "1000",
    ),
    "an unknown place": ("MSGPORT x\nvary: place = same-cpu | »0-1-2\n{ }\nT0 | T1 ;\n", "no place", "0-1"),
    "a kind that vary invents": ("MSGPORT x\nvary: P = »spun\n{ port P }\nT0 ;\n", "no kind of port", "'spin'"),
    "observing the unknown": ("MSGPORT x\nobserve: »colour a\n{ msg a }\nT0 ;\n", "cannot be observed", "known"),
    "observing no message": ("MSGPORT x\nobserve: error »b\n{ msg a }\nT0 ;\n", "no message b", "known: a"),
    "observing no handler": (
        "MSGPORT x\nobserve: calls »P.putport\n{ port P spin }\nT0 ;\n",
        "no handler of this scenario",
        "none",
    ),
    "observing twice": ("MSGPORT x\nobserve: error a, »error a\n{ msg a }\nT0 ;\n", "observed twice", ""),
    "observing where something is said": (
        'MSGPORT x\nobserve: »error a\n{ msg a }\nT0 ;\nsay "hello" ;\n',
        "in a scenario that says something",
        "leave out",
    ),
    # Declarations.
    "an unknown kind": ("MSGPORT x\n{ port P »tread owner T0 }\nT0 ;\n", "tread is no kind", "'thread'"),
    "a kind twice": ("MSGPORT x\nvary: P = spin\n{ port P »spin }\nT0 ;\n", "vary: gives P its kind", "leave"),
    "an option twice": ("MSGPORT x\n{ port »P owner T0 owner T0 }\nT0 ;\n", "owner is given twice", ""),
    "a thread port without owner": ("MSGPORT x\n{ port »P }\nT0 ;\n", "has no owner", "owner T0"),
    "an unknown owner": ("MSGPORT x\n{ port P owner »T3 }\nT0 ;\n", "no thread T3", "T0"),
    "an unknown serializer": ("MSGPORT x\n{ port P serialize serializer »S }\nT0 ;\n", "no serializer S", "none"),
    "a putonly port without handler": ("MSGPORT x\n{ port »P putonly }\nT0 ;\n", "no putport handler", "return(0)"),
    "a replyonly port without handler": ("MSGPORT x\n{ port »P replyonly }\nT0 ;\n", "no replyport handler", "done"),
    "a putonly port's handler that chains": (
        "MSGPORT x\n{ port P putonly putport »netisr(3) }\nT0 ;\n",
        "no handler behind it",
        "thread, spin or serialize",
    ),
    "a replyonly port's handler that chains": (
        "MSGPORT x\nvary: h = chain\n{ port P replyonly replyport »$h }\nT0 ;\n",
        "no handler behind it",
        "setreplyport",
    ),
    "an unknown reply port": ("MSGPORT x\n{ msg a reply »Q }\nT0 ;\n", "no port Q", "T0.port"),
    "a built-in port of nobody": ("MSGPORT x\n{ msg a reply »T7.port }\nT0 ;\n", "no thread T7", "T0"),
    "an unknown flag": ("MSGPORT x\n{ msg a flags USER0+»DONE }\nT0 ;\n", "'DONE' is no flag", "DROPABLE"),
    "an unknown handler": ("MSGPORT x\n{ msg a abort »replay(3) }\nT0 ;\n", "no abort handler replay", "'reply'"),
    "a handler without its number": ("MSGPORT x\n{ port P spin putport »return }\nT0 ;\n", "takes 1", "return(N)"),
    "a handler that returns EASYNC": ("MSGPORT x\n{ port P spin putport return(»99) }\nT0 ;\n", "EASYNC", "keep"),
    "a raw message with options": ("MSGPORT x\n{ msg »a raw reply T0.port }\nT0 ;\n", "has options", "initmsg"),
    "a name twice": ("MSGPORT x\n{ msg a; msg »a }\nT0 ;\n", "declared already", ""),
    "a name too long": ("MSGPORT x\n{ msg »abcdefghijklmnop }\nT0 ;\n", "is no name", "15"),
    "a name that is a value": ("MSGPORT x\n{ msg »null }\nT0 ;\n", "means something", "another"),
    # Columns.
    "a column out of order": ("MSGPORT x\n{ }\nT0 | »T2 ;\n", "column 1 is headed T2", "T1"),
    "a CPU too many": ("MSGPORT x\n{ }\nT0 @ »256 ;\n", "no CPU 256", "255"),
    "a move to a CPU too many": ("MSGPORT x\n{ }\nT0 ;\nsetcpu »999 ;\n", "no CPU 999", "255"),
    "a cell too many": (f"MSGPORT x\n{BODY} enter S | exit S | »exit S ;\n", "3 cells for 2 columns", "take a |"),
    "an unknown statement": (f"MSGPORT x\n{BODY} »sendmesg P a ;\n", "no statement sendmesg", "'sendmsg'"),
    "too few arguments": (f"MSGPORT x\n{BODY} »sendmsg P ;\n", "takes 2 arguments, not 1", "sendmsg PORT MESSAGE"),
    "too many arguments": (f"MSGPORT x\n{BODY} »checkmsg a a ;\n", "takes 1 arguments, not 2", "checkmsg MESSAGE"),
    "a number for a name": (f"MSGPORT x\n{BODY} sendmsg »3 a ;\n", "3 is no port", "sendmsg PORT MESSAGE"),
    "a name for a number": (f"MSGPORT x\n{BODY} replymsg a »b ;\n", "b is no number", "decimal"),
    "a number too large": (f"MSGPORT x\n{BODY} replymsg a »2147483648 ;\n", "too large", "int"),
    "a handler for a port": (f"MSGPORT x\n{BODY} getport »reply(1) ;\n", "no port", "getport PORT"),
    "flags for a handler": (f"MSGPORT x\n{BODY} setputport P »USER0+USER1 ;\n", "no putport handler", "setputport"),
    "an undeclared port": (f"MSGPORT x\n{BODY} getport »PP ;\n", "no port PP", "'P'"),
    "an undeclared message": (f"MSGPORT x\n{BODY} checkmsg »b ;\n", "neither a message nor a register", "known: a"),
    "a message that is not declared": (f"MSGPORT x\n{BODY} initmsg »r P ;\n", "no message r", "a"),
    "a handler that chains, for a port made anew": (
        f"MSGPORT x\n{BODY} initport_putonly P »chain ;\n",
        "no handler behind it",
        "setputport",
    ),
    "a built-in port made anew": (f"MSGPORT x\n{BODY} initport_spin »T1.port ;\n", "cannot be made anew", "declare"),
    "an undeclared thread": (f"MSGPORT x\n{BODY} initport_thread P »T2 ;\n", "no thread T2", "T0, T1"),
    "an undeclared serializer": (f"MSGPORT x\n{BODY} initport_serialize P »Z ;\n", "no serializer Z", "S"),
    "entering nothing": (f"MSGPORT x\n{BODY} enter »Z ;\n", "no port Z", "P"),
    "a register never set": (f"MSGPORT x\n{BODY} replymsg »r0 1 ;\n", "nor a register set before", "known: a"),
    "a register set later": (
        "MSGPORT x\n{ port P spin }\nT0 ;\nreplymsg »r0 1 ;\nr0 = waitport P ;\n",
        "nor a register set before",
        "",
    ),
    "a register set twice": (f"MSGPORT x\n{BODY} | »r0 = getport P ;\n", "set twice", "another name"),
    "a register named as a message": (f"MSGPORT x\n{BODY} | »a = getport P ;\n", "declared already", "one thing"),
    "a register for no result": (f"MSGPORT x\n{BODY} »r1 = sendmsg P a ;\n", "sendmsg has no result", "sendmsg PORT"),
    "a number used as a message": (
        "MSGPORT x\n{ port P spin; msg a }\nT0 ;\nr0 = checkmsg a ;\nreplymsg »r0 1 ;\n",
        "holds number, not a message",
        "name a message",
    ),
    "handlers that could call each other for ever": (
        "MSGPORT x\n{ port P spin; msg a reply P }\n T0 | T1 ;\n setputport P chain | setputport P netisr(5) ;\n"
        " »setputport P chain | ;\n",
        "each other for ever",
        "once",
    ),
    "handlers of a thread's own port that could": (
        "MSGPORT x\n{ port P spin; msg a reply P }\n T0 | T1 ;\n setputport T0.port chain | ;\n"
        " setputport T0.port netisr(5) | »setputport T0.port chain ;\n",
        "T0.port gets a putport handler",
        "once",
    ),
    "a text without quotes": (f"MSGPORT x\n{BODY} say »hello ;\n", 'no text in "quotes"', "say TEXT"),
    "a text that joins lines": (f'MSGPORT x\n{BODY} say »"a / b" ;\n', "cannot be said", "ASCII"),
    "a text too long": (f'MSGPORT x\n{BODY} say »"{"!" * 23}" ;\n', "too long", "66"),
    # Expectations.
    "a guard on the unknown": (f"MSGPORT x\n{BODY} always [»Q = spin] done\n", "no choices for 'Q'", "none"),
    "a guard on no alternative": (
        f"MSGPORT x\nvary: place = same-cpu\n{BODY} always [place = »cross] done\n",
        "no choice for place",
        "same-cpu",
    ),
    "a condition on nothing observed": (f"MSGPORT x\n{BODY} always »error a = 0\n", "nothing observes error a", ""),
    "a condition on no register": (f"MSGPORT x\n{BODY} always 1:»r1 = a\n", "nothing observes T1:r1", "'T1:r0'"),
    "a condition on no thread": (f"MSGPORT x\n{BODY} always »4:r1 = a\n", "no thread 4", "T1"),
    "a condition on lines of the silent": (f'MSGPORT x\n{BODY} always »said = "x"\n', "nothing observes said", ""),
    "a message that is none": (f"MSGPORT x\n{BODY} always 1:r0 = »b\n", "b is no message", "known"),
    "a number that is none": (
        f"MSGPORT x\nobserve: error a\n{BODY} always error a = »null\n",
        "null is no number",
        "decimal",
    ),
    "a flag that is not shown": (
        f"MSGPORT x\nobserve: flags a\n{BODY} always flags a = »DONE+WAITING\n",
        "WAITING is no flag",
        "known",
    ),
    "a queue that is none": (f"MSGPORT x\nobserve: queue P\n{BODY} always queue P = »z\n", "no queue", "empty"),
    "an unknown panic": (f"MSGPORT x\n{BODY} never »panic getport-ilegal\n", "no panic class", "'getport-illegal'"),
    "a class for an ending without": (f"MSGPORT x\n{BODY} never »deadlock soon\n", "deadlock takes no name", "panic"),
    "a step for done": (f"MSGPORT x\n{BODY} never »done@T0.1\n", "done takes no step", "deadlock@"),
    "a step that no column has": (f"MSGPORT x\n{BODY} never »deadlock@T1.2\n", "no step T1.2", "THREAD.STATEMENT"),
    "steps out of order": (f"MSGPORT x\n{BODY} never »deadlock@T1.1+T0.1\n", "cannot be", "order"),
}


@pytest.mark.parametrize(("text", "message", "hint"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_shown_at_its_place_with_what_to_do(text: str, message: str, hint: str) -> None:
    before, _, after = text.partition("»")
    lines = (before + after).splitlines()
    row, column = before.count("\n") + 1, len(before) - before.rfind("\n")

    with pytest.raises(ScenarioError) as raised:
        parse(before + after, "some/file.msgport")

    shown = str(raised.value).splitlines()
    assert shown[0].startswith(f"some/file.msgport:{row}:{column}: ")
    assert message in shown[0]
    assert shown[1] == "    " + lines[row - 1]
    assert shown[2] == "    " + " " * (column - 1) + "^"
    assert raised.value.hint and hint in raised.value.hint


def test_an_error_at_a_chosen_name_points_to_where_it_is_used() -> None:
    text = "MSGPORT x\nvary: op = getport | enter\n{ port P spin }\nT0 ;\nr0 = $op P ;\n"
    with pytest.raises(ScenarioError, match="enter has no result") as raised:
        parse(text, "x")
    assert raised.value.position == Position("x", 5, 1)


def test_a_tab_before_the_place_is_kept_so_that_the_caret_stands_under_it() -> None:
    with pytest.raises(ScenarioError) as raised:
        parse("MSGPORT x\n{ }\nT0 ;\n\tsay\thello ;\n", "x")
    assert str(raised.value).splitlines()[2] == "    \t   \t^"


def test_an_excerpt_is_read_from_the_file_of_a_position(tmp_path: Path) -> None:
    path = tmp_path / "x.msgport"
    path.write_text("MSGPORT x\n{ msg a }\nT0 ;\nr0 = error a ;\n")
    (variant,) = load(path)
    position = variant.threads[0].body[0].position
    assert excerpt(position) == "    r0 = error a ;\n         ^"
    path.unlink()
    assert excerpt(position) == ""


def test_a_file_that_is_no_utf8_is_shown_with_the_place_of_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.msgport"
    path.write_bytes(b"MSGPORT x\nabout: \xff\n")
    with pytest.raises(ScenarioError, match="no UTF-8") as raised:
        load(path)
    assert (raised.value.position.line, raised.value.position.column) == (2, 8)


def test_an_unknown_scenario_is_answered_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="did you mean 'fifo-one-sender'"):
        find("fifo-one-sendr")
    with pytest.raises(LookupError, match="no scenario file"):
        find("absent.msgport")
