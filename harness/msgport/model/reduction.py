"""Partial-order reduction: which processes' steps are enough to explore in a state.

A *process* is a thread or an IPI channel. In each state we look for a set of processes whose next steps nothing that
the others may do before them can disturb (a persistent set, by closure over conflicts, after Overman and Godefroid):
exploring only those reaches every state in which the system stops. A panic, a sleep for ever and an unowned read are
such states (a dead thread stays in them), so no outcome is lost. No state can be reached from itself, since every
step brings a column or a message's journey forward: nothing is put off for ever.

What a process may yet do is told from the statements that its column has left, and from what its channel holds. One
argument keeps that precise: whoever touches a message first, among those outside the set, does it by its name, by a
register that holds it now, or by taking it from where it lies now. A step that touches a message marks the place where
it lies (``Machine.touch``); names and registers are looked at here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgport.model import ipi, threads
from msgport.model.machine import Machine
from msgport.model.state import DEAD, NOBODY, State
from msgport.scenario.program import Ref, Register, Statement


@dataclass
class Marks:
    """Objects that may be read and written, as bits."""

    reads: int = 0
    writes: int = 0

    def __ior__(self, other: Marks) -> Marks:
        """Add another's."""
        self.reads |= other.reads
        self.writes |= other.writes
        return self


Step = tuple[tuple[State, ...], int, int, int]
"""A process's next step: the states after it, the objects read and written, the thread that has to leave a CPU."""


class Process(NamedTuple):
    """A thread or channel that has something left to do, and the objects that it may ever read and write."""

    step: Callable[[Machine, State, Any], tuple[State, ...]]
    which: Any
    reads: int
    writes: int


class Reducer:
    """Chooses, state by state, which processes to step."""

    def __init__(self, k: Machine) -> None:
        """Work out what each column may do from each of its statements on."""
        self.k = k
        self._columns = [(place, len(k.program[t]), self._futures(t)) for t, place in enumerate(k.layout.control)]
        self._channels: list[tuple[tuple[int, int], int, dict[tuple[Any, ...], Process]]] = [
            (pair, place, {}) for pair, place in k.layout.channels.items()
        ]

    def successors(self, state: State) -> list[State]:
        """Give the states after the next steps of a persistent set of processes; none where the system stops."""
        k = self.k
        processes = self._processes(state)
        steps: list[Step | None] = [None] * len(processes)
        best: list[State] = []
        for seed in range(len(processes)):
            members = [seed]
            rest = [process for process in range(len(processes)) if process != seed]
            found: list[State] = []
            # Members grow as we go, by whatever may disturb a member's next step, or enable one that cannot go on.
            for member in members:
                step = steps[member]
                if step is None:
                    process = processes[member]
                    after = process.step(k, state, process.which)
                    step = steps[member] = (after, k.reads, k.writes, k.needs)
                after, reads, writes, needs = step
                if member == seed and not after:
                    break
                found += after
                if best and len(found) >= len(best):
                    break
                touched = reads | writes
                for other in rest.copy():
                    _, which, may_read, may_write = processes[other]
                    if which == needs if needs != NOBODY else touched & may_write or writes & may_read:
                        members.append(other)
                        rest.remove(other)
            if found and (not best or len(found) < len(best)):
                best = found
                if len(best) == 1:
                    break
        return best

    def _processes(self, state: State) -> list[Process]:
        processes: list[Process] = []
        for place, length, futures in self._columns:
            control = state[place]
            if type(control) is not int:
                if control[1] == DEAD:
                    continue
                control = control[0]
            elif control == length:
                continue
            process, operands = futures[control]
            if operands:
                writes = process.writes
                for message in [state[register] for register in operands]:
                    if message is not None and message >= 0:
                        writes |= self.k.objects.message[message]
                process = process._replace(writes=writes)
            processes.append(process)
        for pair, place, contents in self._channels:
            items = state[place]
            if items and items[0] != DEAD:
                future = contents.get(items)
                if future is None:
                    marks = self._contents(pair, items)
                    future = contents[items] = Process(ipi.deliver, pair, marks.reads, marks.writes)
                processes.append(future)
        return processes

    def _futures(self, t: int) -> list[tuple[Process, tuple[int, ...]]]:
        """What column ``t`` may touch from each statement on, and the registers whose messages it may touch."""
        left = Marks()
        operands: set[int] = set()
        futures: list[tuple[Process, tuple[int, ...]]] = []
        for statement in reversed(self.k.variant.threads[t].body):
            left |= self._statement(t, statement)
            operands |= {self.k.layout.registers[t][a.name] for a in statement.arguments if isinstance(a, Register)}
            futures.append((Process(threads.step, t, left.reads, left.writes), tuple(sorted(operands))))
        return futures[::-1]

    def _contents(self, pair: tuple[int, int], items: tuple[Any, ...]) -> Marks:
        facts, objects = self.k.facts, self.k.objects
        marks = Marks(objects.cpu[pair[1]], objects.channel_head[pair])
        for kind, subject in items:
            if kind == ipi.THREAD:
                marks.writes |= objects.place[subject]
                continue
            marks.writes |= objects.message[subject]
            for port in facts.targets[subject] if kind == ipi.PUT else facts.replies[subject]:
                marks |= self._landing(port, set())
        return marks

    # What a statement may touch, whatever the state.

    def _statement(self, t: int, s: Statement) -> Marks:
        k, facts, objects = self.k, self.k.facts, self.k.objects
        marks = Marks(k.remade)
        for cpu in facts.cpus[t]:
            marks.reads |= objects.cpu[cpu]
            if facts.may_hold(t, s):
                marks.writes |= objects.cpu[cpu]
        messages, port = facts.operands(t, s), facts.port(s)
        for m in facts.operands_named(s):
            marks.writes |= objects.message[m]
        if port is not None:
            marks.reads |= objects.port[port]
        match s.op:
            case "sendmsg" | "domsg" | "beginmsg" | "forwardmsg" if port is not None:
                marks |= self._putting(t, port, messages)
                if s.op == "domsg":
                    marks |= self._waiting(t, messages)
            case "replymsg":
                marks |= self._replying(t, messages)
            case "abortmsg" if any(h.behaviour == "reply" for m in messages for h in facts.aborts[m]):
                marks |= self._replying(t, messages)
            case "waitmsg":
                marks |= self._waiting(t, messages)
            case "dropmsg":
                for p in set().union(*(facts.targets[m] for m in messages)):
                    marks |= Marks(objects.port[p], objects.head[p])
                if not k.semantics.drop_queued_only:
                    marks.writes |= sum(objects.channel_head.values())
            case "getport" | "waitport" if port is not None:
                marks.writes |= objects.head[port]
                # A put to a queue disturbs no taking from its head, unless the taker sees that there was nothing.
                if s.op == "getport" or "serialize" in facts.kinds[port] or k.priorities or t in facts.critical:
                    marks.reads |= objects.tail[port]
                marks |= self._serializing(port)
            case "kept" if port is not None:
                marks.writes |= objects.kept_head[port]
                if t in facts.critical:
                    marks.reads |= objects.kept_tail[port]
            case "enter" | "exit":
                for name in (a.name for a in s.arguments if isinstance(a, Ref) and a.kind == "serializer"):
                    marks.writes |= objects.serializer[k.layout.serializers[name]]
            case "resultp" if s.register:
                # Whatever it points to, this column may touch from now on.
                for m in facts.held.get((t, s.register), ()):
                    marks.writes |= objects.message[m]
            case "setcpu":
                marks.writes |= objects.place[t] | sum(objects.channel_tail.values()) | sum(objects.cpu)
            case "say":
                marks.writes |= objects.console
            case "setputport" | "setreplyport" if port is not None:
                marks.writes |= objects.port[port]
            case op if op.startswith("initport_") and port is not None:
                marks.writes |= objects.port[port] | objects.head[port] | objects.tail[port]
                marks.writes |= objects.kept_head[port] | objects.kept_tail[port]
        return marks

    def _putting(self, t: int, port: int, messages: set[int]) -> Marks:
        facts = self.k.facts
        marks = self._landing(port, facts.cpus[t])
        if facts.put_handlers[port]:
            marks.writes |= self.k.objects.kept_tail[port]
            marks |= self._replying(t, messages)
        return marks

    def _replying(self, t: int, messages: set[int]) -> Marks:
        marks = Marks()
        for port in set().union(*(self.k.facts.replies[m] for m in messages)):
            marks |= self._landing(port, self.k.facts.cpus[t])
        return marks

    def _landing(self, port: int, sources: set[int]) -> Marks:
        """What it takes to put a message on a port from one of some CPUs, its way through the channels included."""
        facts, objects = self.k.facts, self.k.objects
        marks = Marks(objects.port[port], objects.tail[port])
        if "thread" in facts.kinds[port]:
            for owner in facts.owners[port]:
                marks.reads |= objects.place[owner]
                for target in facts.cpus[owner]:
                    marks.reads |= objects.cpu[target]
                    for source in sources - {target}:
                        marks.writes |= objects.channel_tail[source, target]
                if len(facts.cpus[owner]) > 1:  # it may have to be chased from anywhere
                    marks.writes |= sum(objects.channel_tail.values())
                    marks.reads |= sum(objects.cpu)
        return marks

    def _waiting(self, t: int, messages: set[int]) -> Marks:
        objects = self.k.objects
        marks = Marks()
        for port in set().union(*(self.k.facts.replies[m] for m in messages)):
            marks |= Marks(objects.port[port] | objects.tail[port], objects.head[port])
            marks |= self._serializing(port)
        return marks

    def _serializing(self, port: int) -> Marks:
        return Marks(writes=sum(self.k.objects.serializer[z] for z in self.k.facts.serializers[port]))
