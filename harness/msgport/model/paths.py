"""One execution, step by step, that leads where a model says one can get: for people."""

from __future__ import annotations

from collections import deque

from msgport.model import ipi, threads
from msgport.model.endings import Ending, Endings
from msgport.model.explore import machine
from msgport.model.machine import Machine
from msgport.model.reduction import Reducer
from msgport.model.semantics import KERNEL, Semantics
from msgport.model.state import DEAD, State
from msgport.scenario.canonical import written
from msgport.scenario.program import Variant


def path_to(variant: Variant, goal: Ending, semantics: Semantics = KERNEL) -> tuple[str, ...] | None:
    """Give the steps of an execution that ends so, one line each; None when none does.

    It is a shortest among the executions that ``explore`` looks at.
    """
    k = machine(variant, semantics)
    next_states, endings = Reducer(k).successors, Endings(k)
    origin: dict[State, State | None] = {k.initial(): None}
    waiting = deque(origin)
    while waiting:
        state = waiting.popleft()
        successors = next_states(state)
        if not successors and goal in endings(state):
            return _steps(k, origin, state)
        for successor in successors:
            if successor not in origin:
                origin[successor] = state
                waiting.append(successor)
    return None


def _steps(k: Machine, origin: dict[State, State | None], last: State) -> tuple[str, ...]:
    steps: list[str] = []
    after, before = last, origin[last]
    while before is not None:
        steps.append(_step(k, before, after))
        after, before = before, origin[before]
    return tuple(reversed(steps))


def _step(k: Machine, before: State, after: State) -> str:
    """Write down what was done between two states."""
    variant, layout = k.variant, k.layout
    for t, thread in enumerate(variant.threads):
        if after in threads.step(k, before, t):
            started, left = before[layout.control[t]], after[layout.control[t]]
            number = started if type(started) is int else started[0]
            line = f"{thread.name}.{number + 1} {written(thread.body[number])}"
            if type(started) is not int:
                line = "... " + line
            if type(left) is not int:
                line += f": {left[2]}" if left[1] == DEAD else " ..."
            return line
    for pair, place in layout.channels.items():
        if after in ipi.deliver(k, before, pair):
            kind, subject = before[place][0]
            names = variant.threads if kind == ipi.THREAD else variant.messages
            return f"IPI from CPU {pair[0]} to CPU {pair[1]}: {kind} {names[subject].name}"
    raise ValueError("no step leads from the one state to the other")
