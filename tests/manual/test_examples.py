from __future__ import annotations

import pytest

from msgport.manual.examples import Example, Fragment, examples_of
from msgport.manual.mdoc import parse
from msgport.manual.source import source_of
from tests.manual.pages import ASKED_IN_TURN, POLLS, page, real


def read(text: str) -> tuple[tuple[Example, ...], tuple[Fragment, ...]]:
    return examples_of(parse(source_of(text.encode(), "ports.9").lines, "ports.9"))


def only(program: str) -> Example:
    ((example,), _) = read(page(program))
    return example


def test_programs_in_one_display_are_cut_apart_and_stay_as_they_stand() -> None:
    text = page(ASKED_IN_TURN, POLLS)
    one, other = read(text)[0]
    assert one.text == ASKED_IN_TURN.replace("\\e", "\\")
    assert other.text == POLLS.replace("\\e", "\\")
    assert [one.title, other.title] == [
        "Example 1: every processor has somebody who answers.",
        "Example 2: a thread looks at a port of its own and goes.",
    ]
    rows = text.splitlines()
    assert rows[one.lines[0].number - 1] == ASKED_IN_TURN.splitlines()[0]
    assert rows[other.lines[-1].number - 1] == "}"


def test_includes_after_a_function_begin_a_program_without_any_comment() -> None:
    bare = POLLS.partition("\n")[2]
    assert len(read(page(bare, bare))[0]) == 2


def test_an_include_inside_one_program_does_not_cut_it() -> None:
    assert len(read(page("#include <a.h>\nint x;\n#include <b.h>\nvoid f(void)\n{\n}\nint y = 1;\n"))[0]) == 1


def test_what_can_be_reached_is_what_counts() -> None:
    example = only(ASKED_IN_TURN + '\nint\nunused(lwkt_msg_t m)\n{\n\tlwkt_abortmsg(m);\n\tkprintf("no");\n}\n')
    assert example.entry == "open_office"
    assert example.calls == {"lwkt_waitport", "lwkt_replymsg", "lwkt_initmsg", "lwkt_domsg"}
    assert set(example.prints) == {"Received message on CPU %d.\n", "Sending msg to CPU %d.\n"}


def test_what_is_in_comments_strings_and_directives_does_not_count() -> None:
    example = only(
        "/* lwkt_domsg() { */\n#define X lwkt_sendmsg() {\nstatic void\nf(void)\n{\n"
        "\tchar c = '{'; // lwkt_abortmsg {\n\tg(\"lwkt_getport() }\", c);\n}\n"
    )
    assert example.entry == "f" and example.calls == frozenset()


@pytest.mark.parametrize(
    ("program", "entry"),
    [
        ("void mod_load(void)\n{\n}\nvoid other(void)\n{\n}\n", "mod_load"),
        ("void one(void)\n{\n}\nvoid other(void)\n{\n}\n", None),
        ("void one(int x)\n{\n}\n", None),
        ("void cb(void)\n{\n}\nvoid (*table[])(void) = { cb };\nvoid go(void)\n{\n}\n", "go"),
        ("struct s { int x; };\nvoid go()\n{\n}\n", "go"),
    ],
)
def test_it_begins_with_the_one_function_that_nothing_mentions(program: str, entry: str | None) -> None:
    example = only(program)
    assert example.entry == entry
    assert bool(example.unfit) is (entry is None)


def test_a_display_without_a_function_is_a_fragment() -> None:
    examples, (fragment,) = read(page("struct lwkt_msg m = { 0 };\n"))
    assert examples == () and fragment.reason == "it defines no function"


def test_a_display_with_markup_in_it_is_a_fragment() -> None:
    examples, (fragment,) = read(page("int\n.Fn f\nvoid g(void)\n{\n}\n"))
    assert examples == () and "is a macro" in fragment.reason


def test_an_example_that_registers_itself_is_left_alone() -> None:
    example = only("static moduledata_t m;\nint h(void)\n{\n}\nint k(void)\n{\n}\nDECLARE_MODULE(x, m, 1, 2);\n")
    assert example.registers and not example.unfit


def test_the_real_page_has_two_examples_in_one_display() -> None:
    for name in ("msgport.9", "msgport.9.gitweb.txt"):
        one, other = read(real(name).read_text())[0]
        assert (one.entry, one.lines[0].number, one.lines[-1].number) == ("mod_load", 340, 440)
        assert (other.entry, other.lines[0].number, other.lines[-1].number) == ("mod_load", 442, 540)
        assert "\\n" in one.text and "\\en" not in one.text
