"""Text comes in order, once and complete; a command's end is told from its echo."""

from __future__ import annotations

import pytest

from msgport_vm.console import BURST, PROMPT, Console
from tests.qemu.guest import Guest, guest_console


def hear_all(console: Console, patterns: list[str]) -> list[tuple[str, int | None]]:
    heard = []
    while (one := console.hear(patterns, 1.0)) is not None:
        heard.append((one.text, one.which))
        if one.which is not None:
            break
    return heard


def test_text_is_handed_on_line_by_line() -> None:
    with guest_console(Guest([("", "one\r\ntwo\r\nthr")])) as console:
        assert console.hear(["never"], 1.0) == console_line("one\r\n")
        assert console.hear(["never"], 1.0) == console_line("two\r\n")
        assert console.hear(["never"], 0.01) is None
        assert console.flush() == "thr"
        assert console.received == len("one\r\ntwo\r\nthr")


def console_line(text: str) -> object:
    from msgport_vm.console import Heard

    return Heard(text)


def test_a_pattern_in_the_middle_of_a_line_is_found_and_no_earlier_line_is_lost() -> None:
    with guest_console(Guest([("", "a\r\nb\r\nfoo db> ")])) as console:
        assert hear_all(console, [r"db> \Z"]) == [("a\r\n", None), ("b\r\n", None), ("foo db> ", 0)]


def test_a_prompt_in_the_middle_of_text_is_none() -> None:
    with guest_console(Guest([("", "db> trace\r\ndb> ")])) as console:
        assert hear_all(console, [r"db> \Z"]) == [("db> trace\r\n", None), ("db> ", 0)]


def test_the_echo_of_a_command_is_not_its_end() -> None:
    with guest_console(Guest([("\r", "\nmp-0001:3\r\nmp-0001:3\r\nmsgport# ")], echo=True)) as console:
        done = console.ask("false")
        texts = hear_all(console, [done])
        assert [which for _, which in texts] == [None, 0]
        assert "false" in texts[0][0]


def test_the_exit_status_survives_kernel_text_that_tears_the_first_mark() -> None:
    with guest_console(Guest([("\r", "mp-00panicky module says hello\r\n01:0\r\nmp-0001:7\r\n")])) as console:
        done = console.ask("true")
        while (heard := console.hear([done], 1.0)) is not None and heard.which is None:
            pass
        assert heard is not None and heard.group == "7"


def test_after_a_command_the_prompt_is_waited_for() -> None:
    with guest_console(Guest([("", "mp-0001:3\r\nmsgport# ")])) as console:
        assert console.settle() == "mp-0001:3\r\nmsgport# "


def test_a_long_line_is_typed_no_faster_than_it_is_echoed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msgport_vm.console.ECHO_COMES", 20.0)
    guest = Guest([("\r", "")], echo=True)
    with guest_console(guest) as console:
        command = "x" * (5 * BURST)
        console.ask(command)
        # All but the last burst came back before that was typed.
        assert console.received >= 5 * BURST
    assert guest.heard.startswith(command)


def test_bytes_that_are_no_text_do_no_harm() -> None:
    import socket

    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"\xff\xfeabc\n")
        heard = Console(here).hear([PROMPT], 1.0)
        assert heard is not None and heard.text.endswith("abc\n")


def test_a_console_that_ends_is_closed() -> None:
    import socket

    here, there = socket.socketpair()
    with here:
        console = Console(here)
        there.close()
        assert console.hear([PROMPT], 1.0) is None
        assert console.closed
