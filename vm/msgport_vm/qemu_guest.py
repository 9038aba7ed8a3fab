"""One guest that runs in a QEMU: its shell on the serial console, and what may come instead of a command's end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator

from msgport_vm.console import Console, Heard
from msgport_vm.deaths import death
from msgport_vm.debugger import DEBUGGER, REBOOT, question
from msgport_vm.machine import Event, EventKind, MachineError
from msgport_vm.qemu_process import QemuProcess
from msgport_vm.qmp import Monitor

SLICE = 0.5
COMMAND_TIMEOUT = 60.0
WAKE_TIMEOUT = 30.0
"""Seconds that a machine that was brought back has to answer; a saved one does so at once."""

AFTER_PANIC = 10.0
"""Seconds of silence after a panic until it is clear that no debugger comes."""

DEBUGGER_COMES = 8.0
"""Seconds that a debugger has to come to its prompt once it was called."""


class QemuGuest:
    """A QEMU that was started, and its ``console``.

    ``used`` is when something was last done with it (monotonic); ``gone`` that QEMU was found to have ended.
    """

    def __init__(self, process: QemuProcess) -> None:
        """Listen to its console."""
        self.console = Console(process.console)
        self.used = time.monotonic()
        self._process = process
        self.gone = False

    @property
    def running(self) -> bool:
        """Tell whether its QEMU is there, whatever became of the guest."""
        return self._process.running

    @property
    def monitor(self) -> Monitor:
        """QEMU's control channel."""
        return self._process.control

    def stopped(self) -> str:
        """Tell why the guest runs no more, empty while it does."""
        if not self.running:
            return "QEMU ended"
        for event in self.monitor.events.recent():
            if event["event"] == "BLOCK_IO_ERROR" and event["data"]["action"] == "stop":
                # QEMU stops a guest that the host has no room for.
                return f"QEMU could not write for it: {event['data']['reason']} (is the host's disk full?)"
            if event["event"] == "SHUTDOWN":
                return {"guest-reset": "it rebooted", "guest-shutdown": "it powered off"}.get(
                    event["data"]["reason"], f"it stopped ({event['data']['reason']})"
                )
        return ""

    def expect_answer(self) -> None:
        """Make sure that the shell answers. Raises MachineError."""
        console = self.console
        done = console.ask(":")
        end = time.monotonic() + WAKE_TIMEOUT
        while (left := end - time.monotonic()) > 0 and not console.closed:
            heard = console.hear([done], left)
            if heard is not None and heard.which == 0:
                console.settle()
                return
        raise MachineError("its shell does not answer", console.screen)

    def need(self, command: str) -> Generator[Event, None, Event | None]:
        """Run a shell command without which no module can be loaded; return the event that prevents it."""
        ended = yield from self.command(command, COMMAND_TIMEOUT)
        if isinstance(ended, Event):
            return ended
        return Event(EventKind.LOAD_FAILED, f"the guest cannot {command}: {ended[1].strip()}") if ended[0] else None

    def command(self, command: str, timeout: float) -> Generator[Event, None, tuple[int, str] | Event]:
        """Run a shell command; yield console text; return (exit status, text), or the event that ended the machine.

        ``timeout`` is in seconds of silence.
        """
        console = self.console
        done = console.ask(command)
        said: list[str] = []
        heard = yield from self._listen([done, DEBUGGER, REBOOT], timeout, said)
        if isinstance(heard, Event):
            return heard
        if heard is not None and heard.which == 0:
            yield Event(EventKind.CONSOLE, console.settle())
            # The first line is the echo of what was typed.
            return int(heard.group), "".join(said[:-1]).partition("\n")[2]
        text = "".join(said)
        died = death(text)
        if heard is None and not died:
            yield from self._break_in()
            if console.closed:
                return self.departed()
            return Event(EventKind.HUNG, f"nothing on the console for {timeout:g} s")
        if heard is not None and heard.which == 1:
            yield from self._interrogate()
        return Event(EventKind.PANICKED, died.strip() or "the kernel fell into its debugger")

    def _listen(
        self, patterns: list[str], timeout: float, said: list[str]
    ) -> Generator[Event, None, Heard | Event | None]:
        """Yield console text, gathered in ``said``, until a pattern is heard: return that.

        Returns None after ``timeout`` seconds of silence (fewer after a panic), a DIED event when the machine went.
        """
        console = self.console
        seen, since = console.received, time.monotonic()
        while True:
            self.used = time.monotonic()
            heard = console.hear(patterns, SLICE)
            if heard is not None:
                said.append(heard.text)
                yield Event(EventKind.CONSOLE, heard.text)
                if heard.which is not None:
                    return heard
            elif console.closed or (console.received == seen and self.stopped()):
                yield Event(EventKind.CONSOLE, console.flush())
                return self.departed()
            if console.received != seen:
                seen, since = console.received, time.monotonic()
            elif time.monotonic() - since > (min(timeout, AFTER_PANIC) if death("".join(said)) else timeout):
                text = console.flush()
                said.append(text)
                yield Event(EventKind.CONSOLE, text)
                return None
            if heard is None:
                yield Event(EventKind.CONSOLE)

    def departed(self) -> Event:
        """Tell, of a guest that has stopped, how."""
        if self.console.closed or not self.running:
            self.gone = True
            return Event(EventKind.DIED, f"QEMU ended: {self.end()}")
        return Event(EventKind.DIED, self.stopped())

    def _interrogate(self) -> Iterator[Event]:
        for text in question(self.console):
            yield Event(EventKind.CONSOLE, text)

    def _break_in(self) -> Iterator[Event]:
        """Get a machine that hangs into its debugger, if it can be; what it says there is kept."""
        # Refused, or a QEMU that has gone meanwhile: its console tells that.
        with contextlib.suppress(MachineError):
            self.monitor.execute("chardev-send-break", id="console")
            self.monitor.execute("inject-nmi")
        end = time.monotonic() + DEBUGGER_COMES
        while (left := end - time.monotonic()) > 0 and not self.console.closed:
            heard = self.console.hear([DEBUGGER], min(left, SLICE))
            yield Event(EventKind.CONSOLE, heard.text if heard is not None else "")
            if heard is not None and heard.which == 0:
                yield from self._interrogate()
                return
        yield Event(EventKind.CONSOLE, self.console.flush())

    def return_to(self, snapshot: str) -> None:
        """Have it run on from a snapshot, which it may not do to any use: see expect_answer(). Raises MachineError."""
        self.monitor.human(f"loadvm {snapshot}")
        self.monitor.events.forget()
        self.monitor.execute("cont")

    def end(self) -> str:
        """End it, whatever state it is in, and tell how it ended. Safe to call twice."""
        return self._process.end()
