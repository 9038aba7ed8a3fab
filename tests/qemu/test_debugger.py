"""DDB answers each question, and its pages are turned."""

from __future__ import annotations

from msgport_vm.debugger import question
from tests.qemu.guest import Guest, guest_console


def test_the_questions_are_asked_in_turn_and_every_page_is_kept() -> None:
    script = [
        ("trace\r", "trace\r\npanic() at panic+0x257\r\ndb> "),
        ("ps\r", "ps\r\ncpu 0\r\n--More--"),
        (" ", "\r        \rcpu 1\r\n--More--"),
        (" ", "\r        \rcpu 2\r\ndb> "),
    ]
    guest = Guest(script)
    with guest_console(guest) as console:
        said = "".join(question(console))
    assert said == "".join(text for _, text in script)
    assert guest.heard == "trace\rps\r  "


def test_a_debugger_that_falls_silent_is_left_and_what_it_said_is_kept() -> None:
    with guest_console(Guest([("trace\r", "trace\r\npanic() a")])) as console:
        assert "".join(question(console, silence=0.1)) == "trace\r\npanic() a"
