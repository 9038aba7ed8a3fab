"""What can be told of a variant before it runs: which messages, ports and CPUs each statement may have to do with.

Everything here errs on the side of more: a register may hold whatever could ever be taken into it.
"""

from __future__ import annotations

from msgport.model.state import Layout
from msgport.scenario.program import Argument, Handler, Ref, Register, Statement

PUTS = ("sendmsg", "domsg", "beginmsg", "forwardmsg")
QUEUEING = frozenset({"thread", "spin", "serialize"})
_PRIVATE = ("waitmsg",)
"""Statements that look at a message no more closely than its being done, which they wait for."""


class Facts:
    """A variant's statements, looked at without running them.

    Attributes are indexed as states are: by port, message or thread number.
    """

    def __init__(self, layout: Layout) -> None:
        """Look at every statement until nothing new is found."""
        self.layout = layout
        variant = layout.variant
        self.statements = [(t, s) for t, thread in enumerate(variant.threads) for s in thread.body]
        self._declared()
        self._flow()

        self.cpus = [{thread.cpu} for thread in variant.threads]
        for t, s in self.statements:
            if s.op == "setcpu" and isinstance(s.arguments[0], int):
                self.cpus[t].add(s.arguments[0])
        self.shared = [sum(cpu in cpus for cpus in self.cpus) > 1 for cpu in range(variant.cpus)]
        self.critical = {t for t, s in self.statements if s.op == "crit_enter"}
        self.sleepers = (
            any(
                handler.behaviour == "done" and self.kinds[p] & QUEUEING
                for p, handlers in enumerate(self.reply_handlers)
                for handler in handlers
            )
            or self._done_unawares()
        )
        self.sends_watched, self.replies_watched = self._watched()
        self.holding = any(
            self.may_hold(t, s) and (t in self.critical or s.op == "abortmsg" or any(self.shared))
            for t, s in self.statements
        )

    def messages(self, t: int, argument: Argument) -> set[int]:
        """Which messages an operand may be."""
        if isinstance(argument, Register):
            return self.held.get((t, argument.name), set())
        if isinstance(argument, Ref) and argument.kind == "message":
            return {self.layout.messages[argument.name]}
        return set()

    def operands(self, t: int, statement: Statement) -> set[int]:
        """Which messages a statement may be about."""
        return set().union(*(self.messages(t, argument) for argument in _touched(statement)))

    def port(self, statement: Statement) -> int | None:
        """Give the port that a statement names, if it names one."""
        return next(
            (self.layout.ports[a.name] for a in statement.arguments if isinstance(a, Ref) and a.kind == "port"), None
        )

    def may_hold(self, t: int, statement: Statement) -> bool:
        """Tell whether a thread may keep its CPU to itself after a step of the statement."""
        if t in self.critical:
            return True
        messages = self.operands(t, statement)
        if statement.op == "abortmsg":
            return any(h.behaviour == "reply" for m in messages for h in self.aborts[m])
        if statement.op not in (*PUTS, "replymsg"):
            return False
        if any((t, m) in self.sends_watched or (t, m) in self.replies_watched for m in messages):
            return True
        port = self.port(statement)
        if port is None:
            return False
        if any(handler.behaviour == "replyreturn" for handler in self.put_handlers[port]):
            return True
        if statement.op != "domsg":
            return False
        replies = set().union(*(self.replies[m] for m in messages))
        return (
            self.sleepers
            or bool(self.put_handlers[port])
            or bool(messages & self.dropable)
            or any(self.kinds[r] - {"thread", "spin"} or self.owners[r] - {t} for r in replies)
        )

    def _declared(self) -> None:
        layout, variant = self.layout, self.layout.variant
        self.kinds = [{port.kind.value} for port in variant.ports]
        self.owners = [{layout.threads[port.owner]} if port.owner else set() for port in variant.ports]
        self.serializers = [{layout.serializers[p.serializer]} if p.serializer else set() for p in variant.ports]
        self.put_handlers: list[list[Handler]] = [[p.putport] if p.putport else [] for p in variant.ports]
        self.reply_handlers: list[list[Handler]] = [[p.replyport] if p.replyport else [] for p in variant.ports]
        self.replies = [{layout.ports[m.reply]} if m.reply else set() for m in variant.messages]
        self.aborts: list[list[Handler]] = [[m.abort] if m.abort else [] for m in variant.messages]
        self.dropable = {i for i, m in enumerate(variant.messages) if "DROPABLE" in m.flags}
        self.priorities = any("PRIORITY" in m.flags for m in variant.messages)
        for _, s in self.statements:
            port = self.port(s)
            handlers = [a for a in s.arguments if isinstance(a, Handler)]
            flags = next((a for a in s.arguments if isinstance(a, tuple)), ())
            if s.op.startswith("initmsg"):
                self.priorities |= "PRIORITY" in flags
                for m in self.operands_named(s):
                    self.replies[m] |= set() if port is None else {port}
                    self.aborts[m] += handlers
                    self.dropable |= {m} if "DROPABLE" in flags else set()
            if port is None:
                continue
            if s.op.startswith("initport_"):
                self.kinds[port].add(s.op.removeprefix("initport_"))
                for a in s.arguments:
                    if isinstance(a, Ref) and a.kind == "thread":
                        self.owners[port].add(layout.threads[a.name])
                    if isinstance(a, Ref) and a.kind == "serializer":
                        self.serializers[port].add(layout.serializers[a.name])
            if s.op in ("initport_putonly", "setputport"):
                self.put_handlers[port] += handlers
            if s.op in ("initport_replyonly", "setreplyport"):
                self.reply_handlers[port] += handlers

    def operands_named(self, statement: Statement) -> set[int]:
        """Which messages a statement names."""
        return {self.layout.messages[a.name] for a in _touched(statement) if isinstance(a, Ref) and a.kind == "message"}

    def _flow(self) -> None:
        variant = self.layout.variant
        self.queued: list[set[int]] = [set() for _ in variant.ports]
        self.kept: list[set[int]] = [set() for _ in variant.ports]
        self.targets: list[set[int]] = [set() for _ in variant.messages]
        self.held: dict[tuple[int, str], set[int]] = {}
        pointed = {m for t, s in self.statements if s.op == "setresultp" for m in self.messages(t, s.arguments[1])}
        size = -1
        while size != (size := sum(map(len, (*self.queued, *self.kept, *self.targets, *self.held.values())))):
            for t, s in self.statements:
                port, messages = self.port(s), self.operands(t, s)
                if s.op in PUTS and port is not None:
                    self.queued[port] |= messages
                    self.kept[port] |= messages
                    for m in messages:
                        self.targets[m].add(port)
                if s.op in (*PUTS, "replymsg", "abortmsg"):
                    for m in messages:
                        for r in self.replies[m]:
                            self.queued[r].add(m)
                if s.op in ("getport", "waitport", "kept") and port is not None and s.register:
                    source = self.kept if s.op == "kept" else self.queued
                    self.held.setdefault((t, s.register), set()).update(source[port])
                if s.op == "resultp" and s.register:
                    self.held.setdefault((t, s.register), set()).update(pointed)

    def _done_unawares(self) -> bool:
        """Tell whether a message may be initialised, and so be done, while another thread sleeps until it is."""
        waits = {(u, m) for u, s in self.statements if s.op in ("waitmsg", "domsg") for m in self.operands(u, s)}
        return any(
            u != t and m == waited
            for t, s in self.statements
            if s.op.startswith("initmsg")
            for m in self.operands_named(s)
            for u, waited in waits
        )

    def _watched(self) -> tuple[frozenset[tuple[int, int]], frozenset[tuple[int, int]]]:
        """Which (thread, message) calls another CPU may look into: sends, and replies that travel.

        A thread can look at a message that it does not own by its name, by a register once it gave it away, or by one
        that was not taken from a port.
        """
        sends: set[tuple[int, int]] = set()
        replies: set[tuple[int, int]] = set()
        users: set[tuple[int, int]] = set()
        lookers: set[tuple[int, int, str]] = set()
        for t, thread in enumerate(self.layout.variant.threads):
            given_away: set[int] = set()
            for s in thread.body:
                if s.op == "resultp" and s.register:
                    given_away |= self.held.get((t, s.register), set())
                messages = self.operands(t, s)
                users |= {(t, m) for m in messages}
                seen = self.operands_named(s) | (messages & given_away)
                lookers |= {(t, m, s.op) for m in seen if s.op not in _PRIVATE}
                if s.op in (*PUTS, "replymsg", "abortmsg"):
                    given_away |= messages
        for t, m in users:
            for u, looked, op in lookers:
                if looked != m or u == t or (len(self.cpus[t] | self.cpus[u]) == 1):
                    continue
                sends.add((t, m))
                if op not in ("checkmsg", "error", "flags", "result", "resultp"):
                    replies.add((t, m))
        return frozenset(sends), frozenset(replies)


def _touched(statement: Statement) -> tuple[Argument, ...]:
    """The arguments that a statement has to do with, which is more than to point at."""
    return statement.arguments[:1] if statement.op == "setresultp" else statement.arguments
