"""Every outcome that a model allows: exhaustive, deterministic search through a variant's executions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from msgport.model import ipi, threads
from msgport.model.calls import compile_statement
from msgport.model.endings import Corruption, Ending, Endings, UnownedRead
from msgport.model.machine import Machine
from msgport.model.reduction import Reducer
from msgport.model.semantics import Semantics
from msgport.model.state import State
from msgport.scenario.outcome import ANYTHING, Outcome
from msgport.scenario.program import Position, Variant

MAX_STATES = 500_000
"""About a kilobyte each."""


@dataclass(frozen=True)
class Exploration:
    """What a search found.

    ``states`` were stored, ``transitions`` taken; without ``complete`` a bound cut the search short and outcomes may
    be missing. ``unowned`` are the statements that in some execution read a message that their thread does not own, in
    order of column and statement: the scenario is then in error and its outcomes mean nothing. ``corruptions`` are the
    places, in the order of the file, where some execution corrupts memory; the only outcome is then ANYTHING.
    """

    outcomes: frozenset[Outcome]
    states: int
    transitions: int
    complete: bool
    unowned: tuple[UnownedRead, ...] = ()
    corruptions: tuple[Position, ...] = ()


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
    endings_of = Endings(k)
    endings: set[Ending] = set()
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
            endings.update(endings_of(state))
        for successor in successors:
            transitions += 1
            if successor not in seen:
                seen.add(successor)
                stack.append(successor)
    outcomes = frozenset(ending for ending in endings if isinstance(ending, Outcome))
    unowned = [ending for ending in endings if isinstance(ending, UnownedRead)]
    corruptions = {ending.position or variant.position for ending in endings if isinstance(ending, Corruption)}
    columns = [thread.name for thread in variant.threads]
    return Exploration(
        frozenset({ANYTHING}) if ANYTHING in outcomes else outcomes,
        len(seen),
        transitions,
        complete=not stack,
        unowned=tuple(sorted(unowned, key=lambda read: (columns.index(read.thread), read.number))),
        corruptions=tuple(sorted(corruptions, key=lambda position: (position.line, position.column))),
    )


def all_successors(k: Machine, state: State) -> list[State]:
    """Give every state that one step of any thread or channel leads to."""
    successors: list[State] = []
    for t in range(len(k.variant.threads)):
        successors += threads.step(k, state, t)
    for pair in k.layout.channels:
        successors += ipi.deliver(k, state, pair)
    return successors
