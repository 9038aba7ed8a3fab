"""What a state from which nothing goes on amounts to: outcomes, or reads of what is another's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgport.model.calls import shown
from msgport.model.machine import UNDEFINED, UNOWNED, Machine
from msgport.model.queues import by_class
from msgport.model.state import DEAD, State
from msgport.scenario.outcome import ANY, ANYTHING, Outcome
from msgport.scenario.program import Observable, Position
from msgport.scenario.statements import STATEMENTS


@dataclass(frozen=True)
class UnownedRead:
    """An execution in which a statement reads a message that its thread does not own: the scenario is in error."""

    thread: str
    number: int
    """The statement's place in its column, from 1."""
    position: Position = field(compare=False)


@dataclass(frozen=True)
class Corruption:
    """An execution in which a statement corrupts memory; ANYTHING follows. No position: the delivery of an IPI."""

    position: Position | None


Ending = Outcome | UnownedRead | Corruption
"""How an execution may end."""


class Endings:
    """Reads the endings of a variant's executions off their last states."""

    def __init__(self, k: Machine) -> None:
        """Find out where each observable stands and how it is written."""
        self.k = k
        self._values = [self._value(observable) for observable in k.variant.observables]
        if k.layout.said is not None:
            self._values.append(_at(k.layout.said, lambda lines: " / ".join(lines) or "none"))

    def __call__(self, state: State) -> list[Ending]:
        """Give the endings of a state in which nothing can step.

        Where a thread or channel has died the others may be stuck only because of that: such a state yields its deaths
        and nothing else.
        """
        k, layout = self.k, self.k.layout
        asleep: list[str] = []
        deaths: list[Ending] = []
        for t, place in enumerate(layout.control):
            control = state[place]
            statement = control if type(control) is int else control[0]
            if statement == len(k.program[t]):
                continue
            thread = k.variant.threads[t]
            step = f"{thread.name}.{statement + 1}"
            if type(control) is int or control[1] != DEAD:
                asleep.append(step)
            elif control[2] == UNOWNED:
                deaths.append(UnownedRead(thread.name, statement + 1, thread.body[statement].position))
            else:
                deaths += _death(control[2], step, thread.body[statement].position)
        for place in layout.channels.values():
            items = state[place]
            if items and items[0] == DEAD:
                deaths += _death(items[1], "ipi", None)
        return deaths or [Outcome("deadlock@" + "+".join(asleep) if asleep else "done", self._observe(state))]

    def _observe(self, state: State) -> tuple[str, ...]:
        return tuple([write(state) for write in self._values])

    def _value(self, observable: Observable) -> Callable[[State], str]:
        k, subject = self.k, observable.subject
        layout, variant = k.layout, k.variant
        names = [*(message.name for message in variant.messages), "stray", "null"]  # STRAY is -2, NULL is -1
        match observable.kind:
            case "register":
                thread, register = subject.split(":")
                t = layout.threads[thread]
                op = next(s.op for s in variant.threads[t].body if s.register == register)
                place = layout.registers[t][register]
                if STATEMENTS[op].result == "message":
                    return _at(place, lambda value: "-" if value is None else names[value])
                return _at(place, lambda value: "-" if value is None else str(value))
            case "error":
                return _at(layout.error[layout.messages[subject]], str)
            case "flags":
                return _at(layout.flags[layout.messages[subject]], partial(shown, definite=k.semantics.definite))
            case "queue":
                return partial(self._queued, layout.ports[subject], names)
            case "calls":
                return _at(layout.calls[subject], str)
        raise ValueError(f"an observable of kind {observable.kind}")

    def _queued(self, port: int, names: list[str], state: State) -> str:
        """Write down a queue, first to be taken first; ANY where the order of its two classes is open."""
        urgent, others = by_class(self.k, state, port)
        if urgent and others and not self.k.semantics.priority_first:
            return ANY
        return "+".join([names[message] for message in urgent + others]) or "empty"


def _at(place: int, write: Callable[[Any], str]) -> Callable[[State], str]:
    return lambda state: write(state[place])


def _death(how: str, step: str, position: Position | None) -> list[Ending]:
    return [ANYTHING, Corruption(position)] if how == UNDEFINED else [Outcome(f"panic {how}@{step}")]
