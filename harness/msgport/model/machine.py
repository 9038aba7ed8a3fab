"""What every step needs: a variant's layout, the semantics, and a record of what a step touched.

Everything that two processes (threads, channels) can both touch is an *object* with one bit. A step notes the objects
that it read and wrote; two steps that share no written object commute, which is what the reduction lives on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from msgport.manual.api import FLAGS, PortKind
from msgport.model.facts import Facts
from msgport.model.semantics import Semantics
from msgport.model.state import INTRANSIT, NOBODY, Layout, State, Work
from msgport.scenario.program import Variant

DONE = FLAGS["DONE"]
REPLY = FLAGS["REPLY"]
QUEUED = FLAGS["QUEUED"]
SYNC = FLAGS["SYNC"]

UNDEFINED = "undefined"
UNOWNED = "unowned"

Action = tuple[Any, ...]
"""What a thread does next inside a call: ``(function, *arguments)``; hashable, for it is part of the state."""


class EndError(Exception):
    """The step ends its thread (or channel): ``how`` is a panic's class, UNDEFINED or UNOWNED."""

    def __init__(self, how: str) -> None:
        """Keep how it ends."""
        super().__init__(how)
        self.how = how


@dataclass(frozen=True)
class Call:
    """A statement ready to be stepped: what it does first; the register that holds its message operand, if one does."""

    action: Action
    operand: str | None


@dataclass(frozen=True)
class Pause:
    """A call goes on with ``then`` in a later step: what it did so far can be seen from elsewhere."""

    then: Action


@dataclass(frozen=True)
class Fork:
    """A call goes on in more than one way."""

    ways: tuple[Action, ...]


class Blocked:
    """The action cannot be taken in this state; it has changed nothing."""


BLOCKED = Blocked()

Next = Action | Pause | Fork | Blocked | None
"""What an action leaves to do; None when its call is over."""

Function = Callable[..., Next]


class Objects:
    """One bit for each thing that two processes can both touch."""

    def __init__(self, layout: Layout) -> None:
        """Number them."""
        variant = layout.variant
        self._count = 0
        self.message = self._bits(len(variant.messages))
        self.port = self._bits(len(variant.ports))  # its kind, owner, serializer, handlers
        self.head = self._bits(len(variant.ports))  # of its queue: taking
        self.tail = self._bits(len(variant.ports))  # of its queue: putting, and those who sleep on it
        self.kept_head = self._bits(len(variant.ports))
        self.kept_tail = self._bits(len(variant.ports))
        self.serializer = self._bits(len(variant.serializers))
        self.cpu = self._bits(variant.cpus)  # who may run there
        self.place = self._bits(len(variant.threads))  # the CPU that a thread is on
        self.channel_head = dict(zip(layout.channels, self._bits(len(layout.channels)), strict=True))
        self.channel_tail = dict(zip(layout.channels, self._bits(len(layout.channels)), strict=True))
        self.console = self._bits(1)[0]

    def _bits(self, count: int) -> list[int]:
        start, self._count = self._count, self._count + count
        return [1 << bit for bit in range(start, self._count)]


class Machine:
    """A variant under a semantics, ready to step.

    ``reads`` and ``writes`` are what the latest step touched; ``needs`` is the thread whose leaving a CPU it waits for,
    or NOBODY. ``thread`` and ``register`` are those of the call that is being stepped.
    """

    def __init__(self, variant: Variant, semantics: Semantics) -> None:
        """Lay the variant out."""
        if semantics.spin_builtin:
            variant = _with_spin_builtin(variant)
        self.variant = variant
        self.semantics = semantics
        self.layout = Layout(variant)
        self.objects = Objects(self.layout)
        self.program: list[tuple[Call, ...]] = []
        self.reads = 0
        self.writes = 0
        self.needs = NOBODY
        self.register: int | None = None
        facts = self.facts = Facts(self.layout)
        remade = any(s.op.startswith("initport_") for _, s in facts.statements)
        self.remade = sum(self.objects.port) if remade else 0
        self.holding = facts.holding
        self.sleepers = facts.sleepers
        self.priorities = facts.priorities

    def initial(self) -> State:
        """Give the state before the first step."""
        return self.layout.initial(definite=self.semantics.definite)

    def misuse(self, panic: str) -> NoReturn:
        """End the step that did what the page gives no meaning to: an assertion's panic, or anything at all."""
        raise EndError(panic if self.semantics.asserts else UNDEFINED)

    def touch(self, state: State | Work, message: int, *, write: bool = True) -> int:
        """Note an access to a message, wherever it is now; give its flags.

        Whoever may take a message from where it lies conflicts with an access to it, so that place is noted too.
        """
        layout, objects = self.layout, self.objects
        if write:
            self.writes |= objects.message[message]
        else:
            self.reads |= objects.message[message]
        for p, place in enumerate(layout.queue):
            if message in state[place]:
                self.reads |= objects.head[p]
        for p, place in enumerate(layout.kept):
            if message in state[place]:
                self.reads |= objects.kept_head[p]
        bits: int = state[layout.flags[message]]
        if bits & INTRANSIT:
            for pair, place in layout.channels.items():
                if any(item[1] == message and item[0] != "thread" for item in state[place]):
                    self.reads |= objects.channel_head[pair]
        return bits

    def count(self, w: Work, subject: str) -> None:
        """Count a handler's call, if anybody looks. Counting commutes and is read only at the end."""
        place = self.layout.calls.get(subject)
        if place is not None:
            w[place] += 1

    def finish(self, w: Work, value: object) -> Next:
        """End the call: bind its result to its register, if it has one."""
        if self.register is not None:
            w[self.register] = value
        return None


def _with_spin_builtin(variant: Variant) -> Variant:
    ports = (replace(port, kind=PortKind.SPIN) if port.builtin else port for port in variant.ports)
    return replace(variant, ports=tuple(ports))
