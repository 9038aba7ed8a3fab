"""A scenario's variant as data: what the model explores, the module generator writes in C, and a transcript names.

Everything is frozen and hashable. A ``Variant`` is closed: its ``vary:`` choices are made, every name is resolved,
every statement is checked against the table in ``statements``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgport.manual.api import PortKind
from msgport.scenario.condition import Expectation


@dataclass(frozen=True)
class Position:
    """A place in a scenario file; lines and columns count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True)
class Handler:
    """A named behaviour standing where the kernel's default handler would: see docs/scenarios.md, "Handlers"."""

    behaviour: str
    arguments: tuple[int, ...] = ()

    @property
    def chains(self) -> bool:
        """Whether it may call the handler that stood there before it."""
        return self.behaviour in ("chain", "netisr")


@dataclass(frozen=True)
class Port:
    """A port as it is set up before each execution.

    ``owner`` is a thread's name: always for kind thread, optional for spin (dropmsg needs it), else None.
    ``serializer`` is the name of the serializer that guards a serialize port, else None.
    ``putport`` and ``replyport`` override the kind's handler; putonly and replyonly always have theirs.
    ``builtin`` marks a thread's own ``td_msgport``, named ``T0.port``: it is drained, never initialised.
    """

    name: str
    kind: PortKind
    owner: str | None = None
    serializer: str | None = None
    putport: Handler | None = None
    replyport: Handler | None = None
    builtin: bool = False


@dataclass(frozen=True)
class Message:
    """A message as it is set up before each execution: ``lwkt_initmsg(msg, reply, flags)``, abortable with ``abort``.

    ``flags`` are names from ``manual.api.FLAGS``. With ``raw`` the harness only zeroes it: a column initialises it.
    """

    name: str
    reply: str | None
    flags: tuple[str, ...] = ()
    abort: Handler | None = None
    raw: bool = False


@dataclass(frozen=True)
class Ref:
    """A reference to a declared thing: ``kind`` is one of port, message, thread, serializer."""

    kind: str
    name: str


@dataclass(frozen=True)
class Register:
    """A message operand held in a register of the same column."""

    name: str


Argument = Ref | Register | Handler | int | str | tuple[str, ...]
"""A statement's argument: a name, a register, a handler, a number, a text (``say``), or flag names."""


@dataclass(frozen=True)
class Statement:
    """One call in a column. ``op`` is a key of ``statements.STATEMENTS``; ``register`` takes its result, if any."""

    op: str
    arguments: tuple[Argument, ...]
    register: str | None
    position: Position = field(compare=False)


@dataclass(frozen=True)
class Thread:
    """One column: an LWKT thread pinned to virtual CPU ``cpu`` (from 0)."""

    name: str
    cpu: int
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Observable:
    """One value of an outcome. ``kind`` is register, error, flags, queue or calls.

    ``subject`` is ``T0:r0`` for a register, a message (error, flags), a port (queue), or a handler (calls:
    ``P.putport``, ``P.replyport``, ``m.abort``).
    """

    kind: str
    subject: str

    def __str__(self) -> str:
        """Write it as conditions do: ``T0:r0``, ``error m``, ``queue P``."""
        return self.subject if self.kind == "register" else f"{self.kind} {self.subject}"


@dataclass(frozen=True)
class Variant:
    """A scenario with its choices made.

    ``choices`` are the (name, alternative) pairs of ``vary:`` in file order; ``observables`` gives the shape of every
    outcome: registers in order of column and statement, then the ``observe:`` fields.
    ``says`` is true when a column says something: then the module runs it once a load, ``observables`` is empty, and
    the lines said, in order, joined as ``outcome`` says, are the outcome's one value. ``module`` names a hand-written
    template instead of the columns' own code (the manual's two examples).
    """

    scenario: str
    choices: tuple[tuple[str, str], ...]
    claims: tuple[str, ...]
    threads: tuple[Thread, ...]
    ports: tuple[Port, ...]
    messages: tuple[Message, ...]
    serializers: tuple[str, ...]
    observables: tuple[Observable, ...]
    expectations: tuple[Expectation, ...] = field(compare=False)
    position: Position = field(compare=False)
    about: str = field(default="", compare=False)
    module: str | None = None
    says: bool = False

    @property
    def name(self) -> str:
        """``scenario`` or ``scenario/P=thread,place=cross-cpu``: unique within a catalogue."""
        return self.scenario + ("/" + ",".join(f"{k}={v}" for k, v in self.choices) if self.choices else "")

    @property
    def index(self) -> dict[str, int]:
        """The place of each observable in ``Outcome.values``, by the name that conditions use; ``said`` comes last."""
        names = [str(each) for each in self.observables] + (["said"] if self.says else [])
        return {name: place for place, name in enumerate(names)}

    @property
    def cpus(self) -> int:
        """How many virtual CPUs it needs: one more than the highest that a thread uses or moves to."""
        moves = (s.arguments[0] for t in self.threads for s in t.body if s.op == "setcpu")
        return 1 + max([t.cpu for t in self.threads] + [m for m in moves if isinstance(m, int)])
