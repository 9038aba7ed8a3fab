from __future__ import annotations

import pytest

from msgport.manual.mdoc import Page, parse
from msgport.manual.roff import macro_of, unescaped
from msgport.manual.source import PageError, source_of
from tests.manual.pages import ASKED_IN_TURN, SYNOPSIS, page


def read(text: str) -> Page:
    return parse(source_of(text.encode(), "ports.9").lines, "ports.9")


def wrong(text: str) -> str:
    with pytest.raises(PageError) as caught:
        read(text)
    return str(caught.value)


def line_of(text: str, row: str) -> int:
    return text.splitlines().index(row) + 1


def test_a_page_is_read() -> None:
    text = page(ASKED_IN_TURN)
    found = read(text)
    assert (found.title, found.volume, found.date) == ("PORTS", "9", "November 24, 2026")
    assert found.names == ("lwkt_initport_spin", "lwkt_domsg", "lwkt_getport")
    assert found.about == "some of the functions"
    assert [each.title for each in found.sections] == ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"]
    assert found.headers == ("sys/msgport.h",)
    assert [str(each.prototype) for each in found.functions] == [
        "void lwkt_initport_spin(lwkt_port_t port, struct thread *td, boolean_t fixed_cpuid)",
        "int lwkt_domsg(lwkt_port_t port, lwkt_msg_t msg, int flags)",
        "void *lwkt_getport(lwkt_port_t port)",
    ]
    assert found.functions[1].line == line_of(text, ".Fo lwkt_domsg")


def test_a_literal_display_shows_what_a_reader_of_the_page_sees() -> None:
    text = page('a\\eb \\&.c\n.\\" a comment\n\\fBd\\fP\\e\n.Pp\ne \\(dqf\\(dq\n')
    (literal,) = read(text).literals
    first = line_of(text, "a\\eb \\&.c")
    assert [(line.number, line.text) for line in literal.lines] == [
        (first, "a\\b .c"),
        (first + 2, "d\\"),
        (first + 3, ""),
        (first + 4, 'e "f"'),
    ]


def test_markup_in_a_literal_display_is_noticed() -> None:
    text = page("int\n.Fn f\n")
    (literal,) = read(text).literals
    assert literal.markup == line_of(text, ".Fn f")


@pytest.mark.parametrize(
    ("roff", "shown"),
    [
        (r"\en \e\e", r"\n \\"),
        (r"a\&b\|c", "abc"),
        (r"\-\(hy\[aq]\(rs", r"--'" + "\\"),
        (r"\fBx\f(CWy\fR \s-1z\s0", "xy z"),
        (r"x \" comment", "x "),
        (r"\*(Lt\(la\(ra", "<>"),
    ],
)
def test_escapes_of_roff_are_undone(roff: str, shown: str) -> None:
    assert unescaped(roff) == shown


def test_the_arguments_of_a_macro_may_be_quoted() -> None:
    assert macro_of('.Fn f "int a" "char ""b""" c\\ d \\" no more') == ("Fn", ("f", "int a", 'char "b"', "c d"))
    assert macro_of("'br") == ("br", ())
    assert macro_of('.\\" a comment') == ("", ())
    assert macro_of("text") is None


def test_a_line_goes_on_after_a_backslash_at_its_end() -> None:
    text = page(synopsis=SYNOPSIS.replace('"lwkt_port_t port" ;', '\\\n"lwkt_port_t port"'))
    assert str(read(text).functions[-1].prototype) == "void *lwkt_getport(lwkt_port_t port)"


def test_an_open_literal_display_is_named_where_it_begins() -> None:
    text = page(ASKED_IN_TURN)
    begun = line_of(text, ".Bd -literal -offset indent")
    cut = "\n".join(text.splitlines()[: begun + 20]) + "\n"
    message = wrong(cut)
    assert message.startswith(f"ports.9:{begun}: the literal display (.Bd) that begins here is never closed")
    assert f"cut off at line {begun + 20}" in message and "get the whole page" in message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (".Ed\n.Sh EX", ".Sh EX", "still open at section EXAMPLES"),
        (".Bd -ragged\n", "", "this .Ed closes no display"),
        (".Fc\n", "", "the declaration of lwkt_domsg (.Fo) that begins here is never closed"),
        (".Fo lwkt_domsg\n", "", "this .Fc closes no .Fo"),
        ('.Fn lwkt_getport "lwkt_port_t port" ;\n', "", "no function (.Fn) follows this return type"),
        (".Fn lwkt_getport", ".Fn \n.Fn lwkt_getport", "a function needs a name"),
        (".Dt PORTS 9\n", "", "no title (.Dt)"),
        (".Sh NAME\n", "", "without NAME"),
        (".Sh SEE ALSO\n.Xr msgport 9\n", "", "in section EXAMPLES, and has none of SEE ALSO"),
        (".Xr msgport 9\n", "", "section SEE ALSO holds nothing"),
        (".Dd November", ".TH PORTS 9\n.Dd November", "man(7) macros"),
    ],
)
def test_a_page_that_is_not_whole_is_told_so_with_a_line(old: str, new: str, said: str) -> None:
    text = page(ASKED_IN_TURN)
    assert old in text
    message = wrong(text.replace(old, new, 1))
    assert said in message
    assert message.split(":")[1].isdecimal()


def test_a_whole_page_without_functions_is_not_taken_for_one_that_is_cut_off() -> None:
    text = page(ASKED_IN_TURN)
    begun, described = text.index(".Sh SYNOPSIS"), text.index(".Sh DESCRIPTION")
    message = wrong(text[:begun] + text[described:])
    assert "has no SYNOPSIS: it is about no functions; give msgport(9)" in message
