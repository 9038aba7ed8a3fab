"""Every outcome that a model allows: exhaustive, deterministic search through a variant's executions."""

from __future__ import annotations

from dataclasses import dataclass

from msgport.model import ipi, threads
from msgport.model.calls import compile_statement, shown
from msgport.model.machine import UNDEFINED, UNOWNED, Machine
from msgport.model.reduction import Reducer
from msgport.model.semantics import Semantics
from msgport.model.state import DEAD, NULL, State
from msgport.scenario.outcome import ANYTHING, Outcome
from msgport.scenario.program import Statement, Variant
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
    reducer = Reducer(k)
    outcomes: set[Outcome] = set()
    unowned: set[tuple[int, int]] = set()
    start = k.initial()
    seen = {start}
    stack = [start]
    transitions = 0
    while stack and len(seen) <= max_states:
        state = stack.pop()
        successors = reducer.successors(state) if reduce else all_successors(k, state)
        if not successors:
            _finish(k, state, outcomes, unowned)
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


def _finish(k: Machine, state: State, outcomes: set[Outcome], unowned: set[tuple[int, int]]) -> None:
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
        outcomes.add(Outcome("deadlock@" + "+".join(asleep) if asleep else "done", _values(k, state)))


def _values(k: Machine, state: State) -> tuple[str, ...]:
    layout, variant = k.layout, k.variant
    values: list[str] = []
    for observable in variant.observables:
        subject = observable.subject
        match observable.kind:
            case "register":
                thread, register = subject.split(":")
                t = layout.threads[thread]
                values.append(_register(k, t, register, state[layout.registers[t][register]]))
            case "error":
                values.append(str(state[layout.error[layout.messages[subject]]]))
            case "flags":
                bits = state[layout.flags[layout.messages[subject]]]
                values.append(shown(bits, definite=k.semantics.definite))
            case "queue":
                queue = state[layout.queue[layout.ports[subject]]]
                values.append("+".join(variant.messages[m].name for m in queue) or "empty")
            case "calls":
                values.append(str(state[layout.calls[subject]]))
            case unknown:
                raise ValueError(f"an observable of kind {unknown}")
    if layout.said is not None:
        values.append(" / ".join(state[layout.said]) or "none")
    return tuple(values)


def _register(k: Machine, t: int, register: str, value: object) -> str:
    if value is None:
        return "-"
    op = next(s.op for s in k.variant.threads[t].body if s.register == register)
    if STATEMENTS[op].result != "message":
        return str(value)
    assert isinstance(value, int)
    return "null" if value == NULL else k.variant.messages[value].name
