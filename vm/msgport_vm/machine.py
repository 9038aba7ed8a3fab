"""What every machine can do: one protocol, its facts, its events, its errors. No target appears here.

A campaign boots a machine, builds modules for it, loads one at a time and consumes events until the load is over.
Console text comes only through events, in order and complete, so that one transcript can be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Facts:
    """What is known of a machine once it is up; goes into every result. ``None`` means unknown.

    ``cpus`` are virtual CPUs; ``host_cores`` those that they share. ``dragonfly`` is false on ``userland``.
    ``expendable`` tells whether it may be brought down: made to panic, or rebooted to be rid of threads that sleep for
    ever. Of a machine that is not, variants that can end so are untested. ``spin_builtin`` tells whether its threads'
    built-in ports are spin ports (it was booted with ``lwkt.use_spin_port=1``).
    """

    target: str
    kernel: str
    dragonfly: bool
    era: str
    invariants: bool | None
    cpus: int
    host_cores: int
    accelerator: str
    compiler: str
    extra: Mapping[str, str] = field(default_factory=dict)
    expendable: bool = True
    spin_builtin: bool = False


class EventKind(Enum):
    """What can happen between asking a machine to do something and its being over."""

    CONSOLE = auto()  # text: console output, as it came
    LOADED = auto()  # the load is over: the module is in and its MOD_LOAD returned 0
    LOAD_FAILED = auto()  # text: what the machine said
    PANICKED = auto()  # text: the panic text; the machine is dead until restart()
    HUNG = auto()  # no answer within the deadline; the machine is dead until restart()
    DIED = auto()  # text: the machine went away by itself (a signal, a reboot, a closed connection)


@dataclass(frozen=True)
class Event:
    """One happening; ``text`` as the kind says."""

    kind: EventKind
    text: str = ""


class MachineError(Exception):
    """A machine could not do what was asked. ``screen`` is what stood on its console or what its tool printed."""

    def __init__(self, message: str, screen: str = "") -> None:
        """Keep what was on screen beside the message."""
        super().__init__(message)
        self.screen = screen


class BuildError(MachineError):
    """A module did not compile; ``screen`` is what the compiler printed."""


class UnloadRefusedError(MachineError):
    """The module stayed: its MOD_UNLOAD handler said no. Only restart() frees the machine of it."""


class UnusableFileError(Exception):
    """A file or folder that a user named is not there, or not what it should be: no failure of a machine."""


class Machine(Protocol):
    """A machine that modules can be loaded on. Used as a context manager: leaving it ends everything it started.

    ``left_behind`` says, after that, what could not be ended or removed all the same.
    """

    left_behind: tuple[str, ...]

    def boot(self) -> Facts:
        """Start it. Raises MachineError with the last screen when it does not come up, UnusableFileError before."""

    def build(self, source: Path) -> Path:
        """Compile the module whose ``NAME.c`` and Makefile stand in directory ``source``; give its loadable file.

        May be called from another thread while the machine runs something else. Raises BuildError.
        """

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        """Load a module; yield console text as it comes, then exactly one event of another kind.

        ``tunables`` are kernel environment integers that the module reads at load; ``timeout`` is in seconds without
        any console text. Something is yielded about twice a second, without text if there is none. Whoever has heard
        enough may ask for no more: the machine is then dead until restart().
        """

    def unload(self, module: Path) -> Iterator[Event]:
        """Unload it; yields what the console says meanwhile. Raises UnloadRefusedError or MachineError."""

    def memory(self) -> bytes:
        """The memory in which the module's data may be found, after a panic or a hang; empty when out of reach."""

    def messages(self) -> str:
        """The kernel's message buffer, oldest text first, where it is a channel of its own beside the console.

        Empty where it is none, or out of reach.
        """

    def restart(self) -> None:
        """Bring it back after it died, panicked or hung."""

    def close(self) -> None:
        """End it and everything it started; safe to call twice."""
