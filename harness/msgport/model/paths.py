"""Executions, step by step, that lead where a model says one can get: for people, and for a machine to follow."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from msgport.model import ipi, threads
from msgport.model.endings import Ending, Endings
from msgport.model.explore import machine
from msgport.model.machine import BLOCKED, EndError, Machine
from msgport.model.reduction import Reducer
from msgport.model.semantics import KERNEL, Semantics
from msgport.model.state import DEAD, State
from msgport.scenario.canonical import written
from msgport.scenario.outcome import Outcome
from msgport.scenario.program import Variant


@dataclass(frozen=True)
class ThreadStep:
    """A thread goes on, from ``statement`` (from 0), until it stands before statement ``until``, or inside a call.

    Inside a call ``inside`` is the model's name of what it does next there, and ``sleeps`` tells that it cannot yet;
    ``ends`` is how it ended, if it did.
    """

    thread: int
    statement: int
    resumed: bool
    until: int
    inside: str | None = None
    sleeps: bool = False
    ends: str | None = None


@dataclass(frozen=True)
class DeliveryStep:
    """What is first in the channel between two CPUs arrives: its kind, and the thread or message that it is about.

    ``ends`` is how that ended the execution, if it did.
    """

    source: int
    target: int
    kind: str
    subject: int
    ends: str | None = None


Step = ThreadStep | DeliveryStep


def paths(variant: Variant, semantics: Semantics = KERNEL) -> dict[Ending, tuple[Step, ...]]:
    """Give the steps of an execution for each ending that the model knows.

    Each is a shortest among the executions that ``explore`` looks at.
    """
    k = machine(variant, semantics)
    next_states, endings = Reducer(k).successors, Endings(k)
    origin: dict[State, State | None] = {k.initial(): None}
    found: dict[Ending, State] = {}
    waiting = deque(origin)
    while waiting:
        state = waiting.popleft()
        successors = next_states(state)
        if not successors:
            for ending in endings(state):
                found.setdefault(ending, state)
        for successor in successors:
            if successor not in origin:
                origin[successor] = state
                waiting.append(successor)
    return {ending: _up_to(variant, ending, _steps(k, origin, state)) for ending, state in found.items()}


def path_to(variant: Variant, goal: Ending, semantics: Semantics = KERNEL) -> tuple[str, ...] | None:
    """Give the steps of an execution that ends so, one line each; None when none does."""
    steps = paths(variant, semantics).get(goal)
    return None if steps is None else tuple(_line(variant, step) for step in steps)


def _up_to(variant: Variant, goal: Ending, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Of an execution in which several threads die, leave the death that is the goal, at its end.

    The model lets the others go on after one has died: they could have done so before it.
    """
    if not isinstance(goal, Outcome) or goal.kind != "panic":
        return steps
    deaths = [step for step in steps if step.ends and goal.ending == f"panic {step.ends}@{_place(variant, step)}"]
    return (*(step for step in steps if not step.ends), *deaths[:1])


def _place(variant: Variant, step: Step) -> str:
    if isinstance(step, DeliveryStep):
        return "ipi"
    return f"{variant.threads[step.thread].name}.{step.statement + 1}"


def _steps(k: Machine, origin: dict[State, State | None], last: State) -> tuple[Step, ...]:
    steps: list[Step] = []
    after, before = last, origin[last]
    while before is not None:
        steps.append(_step(k, before, after))
        after, before = before, origin[before]
    return tuple(reversed(steps))


def _step(k: Machine, before: State, after: State) -> Step:
    """Tell what was done between two states."""
    layout = k.layout
    for t in range(len(k.variant.threads)):
        if after in threads.step(k, before, t):
            started, left = before[layout.control[t]], after[layout.control[t]]
            number, resumed = (started, False) if type(started) is int else (started[0], True)
            if type(left) is int:
                return ThreadStep(t, number, resumed, left)
            if left[1] == DEAD:
                return ThreadStep(t, number, resumed, number, ends=left[2])
            return ThreadStep(t, number, resumed, number, inside=left[1].__name__, sleeps=_sleeps(k, after, t, left))
    for pair, place in layout.channels.items():
        if after in ipi.deliver(k, before, pair):
            kind, subject = before[place][0]
            left = after[place]
            return DeliveryStep(*pair, kind, subject, left[1] if left[:1] == (DEAD,) else None)
    raise ValueError("no step leads from the one state to the other")


def _sleeps(k: Machine, state: State, t: int, control: tuple[Any, ...]) -> bool:
    _, function, *arguments = control
    try:
        return function(k, list(state), t, *arguments) is BLOCKED
    except EndError:
        return False


def _line(variant: Variant, step: Step) -> str:
    """Write down a step."""
    if isinstance(step, DeliveryStep):
        names = variant.threads if step.kind == ipi.THREAD else variant.messages
        line = f"IPI from CPU {step.source} to CPU {step.target}: {step.kind} {names[step.subject].name}"
        return f"{line}: {step.ends}" if step.ends else line
    thread = variant.threads[step.thread]
    line = f"{thread.name}.{step.statement + 1} {written(thread.body[step.statement])}"
    return f"{'... ' if step.resumed else ''}{line}" + (
        f": {step.ends}" if step.ends else " ..." if step.inside else ""
    )
