"""Every outcome that a model allows: exhaustive, deterministic search through a variant's executions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgport.model import ipi, threads
from msgport.model.calls import compile_statement, shown
from msgport.model.machine import UNDEFINED, UNOWNED, Machine
from msgport.model.reduction import Reducer
from msgport.model.semantics import Semantics
from msgport.model.state import DEAD, State
from msgport.scenario.outcome import ANYTHING, Outcome
from msgport.scenario.program import Observable, Statement, Variant
from msgport.scenario.statements import STATEMENTS

MAX_STATES = 5_000_000


@dataclass(frozen=True)
class Exploration:
    """What a search found.

    ``states`` were stored, ``transitions`` taken; without ``complete`` a bound cut the search short and outcomes may
    be missing. ``unowned`` are the statements that in some execution read a message that their thread does not own, in
    order of thread and statement: the scenario is then in error and its outcomes mean nothing.
    """

    outcomes: frozenset[Outcome]
    states: int
    transitions: int
    complete: bool
    unowned: tuple[Statement, ...] = ()


def machine(variant: Variant, semantics: Semantics) -> Machine:
    """Make a variant ready to step."""
    k = Machine(variant, semantics)
    k.program = [tuple(compile_statement(k.layout, s) for s in thread.body) for thread in variant.threads]
    return k


def explore(
    variant: Variant, semantics: Semantics, *, reduce: bool = True, max_states: int = MAX_STATES
) -> Exploration:
    """Find every outcome of a variant. ``reduce``: skip interleavings that can show nothing new."""
    k = machine(variant, semantics)
    next_states = Reducer(k).successors if reduce else partial(all_successors, k)
    observe = Observer(k)
    outcomes: set[Outcome] = set()
    unowned: set[tuple[int, int]] = set()
    start = k.initial()
    seen = {start}
    stack = [start]
    transitions = 0
    while stack and len(seen) <= max_states:
        state = stack.pop()
        successors = next_states(state)
        while reduce and len(successors) == 1:  # nothing to choose: not worth storing
            state, transitions = successors[0], transitions + 1
            successors = next_states(state)
        if not successors:
            _finish(k, observe, state, outcomes, unowned)
        for successor in successors:
            transitions += 1
            if successor not in seen:
                seen.add(successor)
                stack.append(successor)
    return _exploration(variant, outcomes, unowned, len(seen), transitions, complete=not stack)


def all_successors(k: Machine, state: State) -> list[State]:
    """Give every state that one step of any thread or channel leads to."""
    successors: list[State] = []
    for t in range(len(k.variant.threads)):
        successors += threads.step(k, state, t)
    for pair in k.layout.channels:
        successors += ipi.deliver(k, state, pair)
    return successors


def _exploration(
    variant: Variant,
    outcomes: set[Outcome],
    unowned: set[tuple[int, int]],
    states: int,
    transitions: int,
    *,
    complete: bool,
) -> Exploration:
    found = frozenset({ANYTHING}) if ANYTHING in outcomes else frozenset(outcomes)
    statements = tuple(variant.threads[t].body[i] for t, i in sorted(unowned))
    return Exploration(found, states, transitions, complete, statements)


def _finish(k: Machine, observe: Observer, state: State, outcomes: set[Outcome], unowned: set[tuple[int, int]]) -> None:
    """Take down the outcome of a state from which nothing goes on.

    Where a thread or channel has died the others may be stuck only because of that: such a state yields its deaths and
    nothing else.
    """
    layout = k.layout
    asleep: list[str] = []
    died = False
    for t, thread in enumerate(k.variant.threads):
        control = state[layout.control[t]]
        statement = control if type(control) is int else control[0]
        step = f"{thread.name}.{statement + 1}"
        if type(control) is tuple and control[1] == DEAD:
            died = True
            if control[2] == UNOWNED:
                unowned.add((t, statement))
            else:
                outcomes.add(ANYTHING if control[2] == UNDEFINED else Outcome(f"panic {control[2]}@{step}"))
        elif statement < len(k.program[t]):
            asleep.append(step)
    for place in layout.channels.values():
        if state[place] and state[place][0] == DEAD:
            died = True
            outcomes.add(ANYTHING if state[place][1] == UNDEFINED else Outcome(f"panic {state[place][1]}@ipi"))
    if not died:
        outcomes.add(Outcome("deadlock@" + "+".join(asleep) if asleep else "done", observe(state)))


class Observer:
    """Reads the values of an outcome off a state, in the order of the variant's observables."""

    def __init__(self, k: Machine) -> None:
        """Find out where each stands and how it is written."""
        self._values = [self._value(k, observable) for observable in k.variant.observables]
        if k.layout.said is not None:
            self._values.append((k.layout.said, lambda lines: " / ".join(lines) or "none"))

    def __call__(self, state: State) -> tuple[str, ...]:
        """Write each value as ``scenario/outcome.py`` says."""
        return tuple([write(state[place]) for place, write in self._values])

    @staticmethod
    def _value(k: Machine, observable: Observable) -> tuple[int, Callable[[Any], str]]:
        layout, variant, subject = k.layout, k.variant, observable.subject
        names = [*(message.name for message in variant.messages), "null"]  # NULL is -1
        match observable.kind:
            case "register":
                thread, register = subject.split(":")
                t = layout.threads[thread]
                op = next(s.op for s in variant.threads[t].body if s.register == register)
                place = layout.registers[t][register]
                if STATEMENTS[op].result == "message":
                    return place, lambda value: "-" if value is None else names[value]
                return place, lambda value: "-" if value is None else str(value)
            case "error":
                return layout.error[layout.messages[subject]], str
            case "flags":
                return layout.flags[layout.messages[subject]], partial(shown, definite=k.semantics.definite)
            case "queue":
                place = layout.queue[layout.ports[subject]]
                return place, lambda queue: "+".join([names[message] for message in queue]) or "empty"
            case "calls":
                return layout.calls[subject], str
        raise ValueError(f"an observable of kind {observable.kind}")
