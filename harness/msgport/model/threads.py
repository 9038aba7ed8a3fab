"""One step of a thread: from a call boundary, or from inside a call, to where others may see what it did."""

from __future__ import annotations

from msgport.model.machine import BLOCKED, Action, Blocked, EndError, Fork, Machine, Pause
from msgport.model.state import DEAD, NOBODY, State, Work
from msgport.scenario.program import Register


def step(k: Machine, s: State, t: int) -> tuple[State, ...]:
    """Give the states after thread ``t``'s next step; none when it has finished, sleeps or may not run.

    A panic ends the thread and touches nothing else. That is enough: whatever the others do after it they could have
    done before it, so every execution that the panic cuts short is one that ends in the panic.
    """
    layout = k.layout
    k.reads = k.writes = 0
    k.needs = NOBODY
    control = s[layout.control[t]]
    if type(control) is int:
        statement = control
        if statement == len(k.program[t]):
            return ()
        call = k.program[t][statement]
        action = call.action
    else:
        statement, *rest = control
        if rest[0] == DEAD:
            return ()
        call, action = None, tuple(rest)

    cpu = s[layout.cpu[t]]
    holder = s[layout.holder[cpu]]
    if k.holding:
        k.reads |= k.objects.cpu[cpu]
        if holder not in (NOBODY, t):
            k.needs = holder
            return ()

    name = k.variant.threads[t].body[statement].register
    k.register = None if name is None else layout.registers[t][name]
    w = list(s)
    if call is not None and call.operand is not None:
        message = s[layout.registers[t][call.operand]]
        if message is None or message < 0:  # NULL, STRAY
            return (_over(k, w, t, statement),)
        action = tuple(message if isinstance(argument, Register) else argument for argument in action)
    try:
        return tuple(_run(k, w, t, statement, action))
    except EndError as end:
        w = list(s)
        w[layout.control[t]] = (statement, DEAD, end.how)
        return (tuple(w),)


def _run(k: Machine, w: Work, t: int, statement: int, action: Action) -> list[State]:
    first = True
    while True:
        then = action[0](k, w, t, *action[1:])
        if then is None:
            return [_over(k, w, t, statement)]
        if isinstance(then, Fork):
            return [state for way in then.ways for state in _run(k, list(w), t, statement, way)]
        if isinstance(then, Blocked):
            assert first, "an action that may block has a step of its own"
            return _fall_asleep(k, w, t, statement, action)
        if isinstance(then, Pause):
            return [_paused(k, w, t, statement, then.then)]
        action, first = then, False


def _over(k: Machine, w: Work, t: int, statement: int) -> State:
    w[k.layout.control[t]] = statement + 1
    k.reads |= k.remade  # a port made anew looks at who waits on it, and this thread may wait next
    _hold(k, w, t, w[k.layout.critical[t]] > 0 and statement + 1 < len(k.program[t]))
    return tuple(w)


def _paused(k: Machine, w: Work, t: int, statement: int, action: Action) -> State:
    """Stop inside a call. Unless it sleeps, the thread keeps its CPU: threads switch at call boundaries only."""
    w[k.layout.control[t]] = (statement, *action)
    k.reads |= k.remade
    if k.holding:
        noted = k.reads, k.writes
        try:
            sleeps = action[0](k, list(w), t, *action[1:]) is BLOCKED
        except EndError:
            sleeps = False
        k.reads, k.writes = noted
        _hold(k, w, t, not sleeps and (k.facts.shared[w[k.layout.cpu[t]]] or w[k.layout.critical[t]] > 0))
    return tuple(w)


def _fall_asleep(k: Machine, w: Work, t: int, statement: int, action: Action) -> list[State]:
    """Let the CPU go, if the thread kept it to itself; otherwise sleeping is no step."""
    if w[k.layout.holder[w[k.layout.cpu[t]]]] != t:
        return []
    w[k.layout.control[t]] = (statement, *action)
    _hold(k, w, t, False)
    return [tuple(w)]


def _hold(k: Machine, w: Work, t: int, keep: bool) -> None:
    """Take the CPU for the thread alone, or let it go."""
    if not k.holding:
        return
    cpu = w[k.layout.cpu[t]]
    place = k.layout.holder[cpu]
    if keep and w[place] != t:
        k.writes |= k.objects.cpu[cpu]
        w[place] = t
    elif not keep and w[place] == t:
        w[place] = NOBODY
