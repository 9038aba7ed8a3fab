"""From power-on to a root shell on the serial console: boot loader, log-in, first prompt."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from msgport_vm.console import SET_UP, Console
from msgport_vm.deaths import death
from msgport_vm.debugger import DEBUGGER, REBOOT
from msgport_vm.machine import MachineError
from msgport_vm.qemu_options import loader_order

COUNTDOWN, LOADER, LOGIN, PASSWORD, SINGLE_USER, ROOT, MOUNTROOT, DDB, REBOOTS = range(9)
PROMPTS = {
    COUNTDOWN: r"Booting in \d+ second",
    LOADER: r"\bOK \Z",
    LOGIN: r"login: \Z",
    PASSWORD: r"[Pp]assword:\s*\Z",
    SINGLE_USER: r"RETURN for /bin/sh:\s*\Z",
    ROOT: r"[#%] (?:\x1b\[[0-9;]*[A-Za-z])*\Z",
    MOUNTROOT: r"mountroot> \Z",
    DDB: DEBUGGER,
    REBOOTS: REBOOT,
}
PATTERNS = [PROMPTS[number] for number in range(len(PROMPTS))]

SLICE = 0.5
ATTEMPTS = 3
KERNEL = "Mounting root from"
NUDGE = 8.0
"""Seconds of silence after which a kernel that has its root is asked for a prompt."""
EXEC_PATIENCE = 3.0
"""Seconds until something is typed all the same: a shell may come up with a prompt of another kind."""
SHELL_PATIENCE = 30.0

_SPINNER = re.compile(r"[|/\\\-\s\x08]+")
_NUMBERS = re.compile(r"\d+")


class Progress:
    """Tells whether what a booting machine says is new: neither a spinner nor what it said before."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._known: set[str] = set()

    def made(self, text: str) -> bool:
        """Tell whether this text is new; numbers in it do not make it so."""
        plain = _NUMBERS.sub("0", _SPINNER.sub(" ", text)).strip()
        if not plain or plain in self._known:
            return False
        self._known.add(plain)
        return True


def reach_shell(
    console: Console, stopped: Callable[[], str], loader: Mapping[str, str], patience: float, limit: float
) -> str:
    """Answer whatever is asked until a root shell obeys; what the console said meanwhile.

    ``loader`` are variables for the boot loader, if there is one. ``patience`` is in seconds without progress,
    ``limit`` in seconds altogether. ``stopped`` tells why the machine runs no more, empty while it does. Raises
    MachineError, with the last screen.
    """
    start = moved = time.monotonic()
    progress, said = Progress(), []
    orders = [*(loader_order(name, value) for name, value in loader.items()), "boot"]
    loader_asked = counted = kernel = False
    nudged = start
    names = 0
    partial = ""
    while True:
        heard = console.hear(PATTERNS, SLICE)
        now = time.monotonic()
        if heard is None:
            if (reason := stopped()) or console.closed:
                raise MachineError(f"the machine does not boot: {reason or 'its console closed'}", console.screen)
            # A line that grows without end is a spinner's; it counts for what else is in it.
            fresh, partial = console.screen[-80:], partial
            if fresh != partial and progress.made(fresh):
                moved = now
            partial = fresh
            # Kernel text may have torn a prompt: ask for another.
            if kernel and now - max(nudged, moved) > NUDGE:
                nudged = now
                console.send("\r")
            if now - moved > patience:
                raise MachineError(f"the boot makes no progress: nothing new for {patience:g} s", console.screen)
        else:
            said.append(heard.text)
            kernel = kernel or KERNEL in heard.text
            if progress.made(heard.text):
                moved = now
            match heard.which:
                case 0 if not counted:
                    # What was sent to a menu that is not yet drawn would be lost: hence at the countdown.
                    counted = True
                    console.send("9")
                case 1:
                    # An empty line first: stray characters in front would spoil a command.
                    console.send("\r" if not loader_asked else orders.pop(0) + "\r" if orders else "boot\r")
                    loader_asked = True
                case 2:
                    names += 1
                    if names > ATTEMPTS:
                        raise MachineError("root cannot log in without a password", console.screen)
                    console.send("root\r")
                case 3 | 4:
                    console.send("\r")
                case 5 if _obeys(console, said):
                    return "".join(said)
                case 6:
                    raise MachineError("the kernel does not find its root file system", console.screen)
                case 7 | 8:
                    why = death("".join(said)) or "it fell into its debugger"
                    raise MachineError(f"the kernel does not boot: {why}", console.screen)
        if now - start > limit:
            raise MachineError(f"the machine has not come up after {limit:g} s", console.screen)


def _obeys(console: Console, said: list[str]) -> bool:
    """Tell whether what looks like a prompt is a root shell's, and make that shell sh(1)."""
    console.send("exec /bin/sh\r")
    end = time.monotonic() + EXEC_PATIENCE
    while (left := end - time.monotonic()) > 0 and (heard := console.hear([PROMPTS[ROOT]], left)) is not None:
        said.append(heard.text)
        if heard.which == 0:
            break
    done = console.ask(SET_UP)
    end = time.monotonic() + SHELL_PATIENCE
    while (left := end - time.monotonic()) > 0:
        heard = console.hear([done], left)
        if heard is None:
            return False
        said.append(heard.text)
        if heard.which == 0:
            said.append(console.settle())
            return True
    return False
