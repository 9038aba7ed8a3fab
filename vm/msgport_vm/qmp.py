"""QEMU's control channel: qemu.qmp, whose calls are coroutines, for callers that wait."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from qemu.qmp import EventListener, ExecuteError, QMPClient, QMPError

from msgport_vm.machine import MachineError

ANSWER_TIMEOUT = 60.0
"""Seconds; the slowest of what is asked is to save a machine's memory on a busy host."""

EVENTS = 256
"""So many are kept; the one that tells why a guest stopped is among the last, for then there are no more."""

T = TypeVar("T")

# What goes wrong is told by exceptions; without a handler it would be printed to standard error as well.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())


class RefusedError(MachineError):
    """QEMU understood and said no."""


class Events:
    """What QEMU told of by itself, the latest of it: noted in one thread, looked at in another."""

    def __init__(self) -> None:
        """Nothing happened yet."""
        self._kept: deque[Mapping[str, Any]] = deque(maxlen=EVENTS)
        self._lock = threading.Lock()

    def note(self, event: Mapping[str, Any]) -> None:
        """Add one."""
        with self._lock:
            self._kept.append(event)

    def recent(self) -> tuple[Mapping[str, Any], ...]:
        """Those kept, oldest first; more may come meanwhile."""
        with self._lock:
            return tuple(self._kept)

    def forget(self) -> None:
        """Let those until now be over."""
        with self._lock:
            self._kept.clear()


class Monitor:
    """A conversation with one QEMU; its events are gathered in the background."""

    def __init__(self, connection: socket.socket, patience: float = ANSWER_TIMEOUT) -> None:
        """Greet the QEMU at the other end, which has ``patience`` seconds for each answer.

        Raises MachineError when nobody answers as one.
        """
        self._patience = patience
        self.events = Events()
        self._client = QMPClient("msgport")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        try:
            self._wait(self._client.connect(connection))
        except (QMPError, OSError, TimeoutError) as error:
            self._stop_loop()
            raise MachineError(f"QEMU does not answer on its control channel: {error}") from error
        listener = EventListener()
        self._client.register_listener(listener)
        self._gathering = asyncio.run_coroutine_threadsafe(self._gather(listener), self._loop)

    async def _gather(self, listener: EventListener) -> None:
        async for event in listener:
            self.events.note(event)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, self._patience), self._loop).result()

    def execute(self, command: str, **arguments: object) -> Any:
        """Give a command and return its answer; underscores in names stand for hyphens.

        Raises RefusedError with QEMU's reason, MachineError when QEMU has gone.
        """
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        try:
            return self._wait(self._client.execute(command, named))
        except ExecuteError as error:
            raise RefusedError(f"QEMU refuses {command}: {error}") from error
        except (QMPError, OSError, TimeoutError, RuntimeError) as error:
            # RuntimeError: of a loop that close() has ended.
            raise MachineError(f"QEMU does not answer {command}: {error or type(error).__name__}") from error

    def human(self, line: str) -> None:
        """Give a command of the human monitor that says nothing when it works (savevm, loadvm). Raises RefusedError."""
        if said := self.execute("human-monitor-command", command_line=line).strip():
            raise RefusedError(f"QEMU refuses {line}: {said}")

    def close(self) -> None:
        """Hang up; QEMU goes on. Safe to call twice."""
        if self._thread.is_alive():
            self._gathering.cancel()
            # A QEMU that was killed is told of here as an error; it is expected.
            with contextlib.suppress(QMPError, OSError, EOFError, TimeoutError):
                self._wait(self._client.disconnect())
            self._stop_loop()

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
