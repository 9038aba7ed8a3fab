"""From power-on to a shell, by what the loader, the kernel and login say; and when to give up."""

from __future__ import annotations

import re

import pytest

from msgport_vm import boot_dialogue
from msgport_vm.boot_dialogue import Progress, reach_shell
from msgport_vm.console import Console
from msgport_vm.machine import MachineError
from tests.qemu.guest import TRANSCRIPTS, Guest, guest_console

SHELL = ("exec /bin/sh\r", "# ")
OBEYS = ("mp 0001\r", "mp-0001:0\r\nmp-0001:0\r\nmsgport# ")
MENU = " 1. Boot DragonFly [kernel]\r\n 9. Escape to loader prompt (also ESC)\r\nBooting in 9 seconds... "
KERNEL = "Copyright (c) 2003-2020 The DragonFly Project.\r\nMounting root from cd9660:cd0\r\n"


def boot(console: Console, *, patience: float = 5.0, limit: float = 30.0, stopped: str = "") -> str:
    return reach_shell(console, lambda: stopped, {"console": "comconsole"}, patience, limit)


def test_the_real_loaders_menu_is_left_for_its_prompt_and_the_kernel_booted_on_the_serial_line() -> None:
    transcript = TRANSCRIPTS / "iso-loader-boot.txt"
    if not transcript.exists():
        pytest.skip("needs ../shared/transcripts beside the repository")
    text = transcript.read_text(errors="replace")
    countdown = re.search(r"Booting in \d+ second", text)
    prompt = text.index("lab# ")
    assert countdown is not None
    kernel = text.index("kernel text=")
    guest = Guest(
        [
            ("", text[: countdown.end()]),
            ("9", "\r\nOK "),
            ("\r", "\r\nOK "),
            ('set console="comconsole"\r', "\r\nOK "),
            ("boot\r", text[kernel:prompt] + "lab# "),
            SHELL,
            OBEYS,
        ]
    )
    with guest_console(guest) as console:
        said = boot(console)
    assert "DragonFly 5.9-DEVELOPMENT #0" in said


def test_root_logs_in_without_a_password() -> None:
    guest = Guest(
        [("", KERNEL + "\r\nlogin: "), ("root\r", "\r\nPassword:"), ("\r", "\r\nWelcome!\r\n# "), SHELL, OBEYS]
    )
    with guest_console(guest) as console:
        assert "Welcome!" in boot(console)


def test_single_user_mode_is_a_shell_too() -> None:
    guest = Guest([("", "Enter full pathname of shell or RETURN for /bin/sh: "), ("\r", "# "), SHELL, OBEYS])
    with guest_console(guest) as console:
        boot(console)


def test_a_password_that_is_wanted_is_said_so() -> None:
    again = ("root\r", "Login incorrect\r\nlogin: ")
    with guest_console(Guest([("", "login: "), again, again, again])) as console, pytest.raises(MachineError) as error:
        boot(console)
    assert "without a password" in str(error.value)


def test_a_kernel_that_panics_at_boot_is_told_with_its_screen() -> None:
    text = KERNEL + "panic: no init\r\ncpuid = 0\r\nStopped at  Debugger\r\ndb> "
    with guest_console(Guest([("", text)])) as console, pytest.raises(MachineError) as error:
        boot(console)
    assert "panic: no init" in str(error.value)
    assert "Mounting root" in error.value.screen


def test_a_kernel_without_its_root_is_told() -> None:
    text = KERNEL + "mountroot> "
    with guest_console(Guest([("", text)])) as console, pytest.raises(MachineError, match="root file system"):
        boot(console)


def test_a_boot_that_falls_silent_is_given_up_with_the_last_screen() -> None:
    with guest_console(Guest([("", KERNEL)])) as console, pytest.raises(MachineError, match="no progress") as error:
        boot(console, patience=0.1)
    assert error.value.screen == KERNEL


def test_a_boot_that_says_the_same_again_and_again_makes_no_progress() -> None:
    progress = Progress()
    assert progress.made("ahci0: timeout after 30 s\r\n")
    assert not progress.made("ahci0: timeout after 60 s\r\n")
    assert not progress.made("|/-\\|/-\\\x08\x08")
    assert progress.made("cd0 at ahci0\r\n")


def test_a_machine_that_stops_while_it_boots_is_told() -> None:
    with guest_console(Guest([])) as console, pytest.raises(MachineError, match="it rebooted"):
        boot(console, stopped="it rebooted")


def test_a_prompt_that_kernel_text_tore_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot_dialogue, "NUDGE", 0.1)
    guest = Guest([("", KERNEL + "lab# cd1: cd present\r\n"), ("\r", "lab# "), SHELL, OBEYS])
    with guest_console(guest) as console:
        boot(console)
