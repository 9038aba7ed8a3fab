"""Small random variants from a seed: every port kind, handlers, serializers, moves, critical sections, misuse."""

from __future__ import annotations

import random
from dataclasses import replace

from msgport.manual.api import PortKind
from msgport.model import KERNEL, MANUAL, Semantics
from msgport.scenario.program import (
    Argument,
    Handler,
    Message,
    Observable,
    Port,
    Position,
    Ref,
    Register,
    Statement,
    Thread,
    Variant,
)

HERE = Position("random", 1, 1)

PUTS = (
    Handler("return", (4,)),
    Handler("keep"),
    Handler("reply", (3,)),
    Handler("replyreturn", (3, 4)),
    Handler("chain"),
    Handler("netisr", (6,)),
)
REPLIES = (Handler("done"), Handler("none"), Handler("chain"))
QUEUEING = (PortKind.THREAD, PortKind.SPIN, PortKind.SERIALIZE)
ABORTS = (Handler("count"), Handler("reply", (9,)))
FLAGS: tuple[tuple[str, ...], ...] = ((), (), (), ("PRIORITY",), ("DROPABLE",), ("USER0",), ("DROPABLE", "PRIORITY"))


COMMON = {"send": 20, "domsg": 10, "take": 22, "reply": 16, "wait": 8, "look": 6, "special": 4, "init": 1, "point": 1}
THEMES: dict[str, dict[str, int]] = {
    "plain": {"look": 12},
    "anything": {"special": 15, "enter": 4, "critical": 4, "move": 4, "init": 4},
    "say": {"say": 40},
    "serializers": {"enter": 25, "take": 30},
    "critical": {"critical": 30},
    "moves": {"move": 30},
    "drop": {"drop": 30},
    "abort": {"abort": 25},
    "keep": {"take": 40},
    "priority": {"take": 40},
    "point": {"point": 40},
}
"""What a variant is mostly about: how often each kind of statement is picked, beside the common ones."""


class Generator:
    """One variant in the making."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        pick = self.random
        self.theme = pick.choice(list(THEMES))
        self.columns = pick.choice((1, 2, 2, 2, 2, 3, 3, 3))
        self.threads = [f"T{i}" for i in range(self.columns)]
        self.serializers = ("Z", "Y")[: pick.choice((0, 1, 1, 2))]
        self.ports = [Port(f"{t}.port", PortKind.THREAD, t, builtin=True) for t in self.threads]
        for name in ("P", "Q")[: pick.choice((1, 1, 2))]:
            self.ports.append(self.port(name))
        self.messages = [self.message(name) for name in ("a", "b", "c")[: pick.choice((1, 2, 2, 3))]]

    def port(self, name: str) -> Port:
        pick = self.random
        kinds = [PortKind.THREAD, PortKind.SPIN, PortKind.THREAD, PortKind.SPIN, *PortKind]
        if self.theme == "keep" and name == "P":
            return Port(name, PortKind.PUTONLY, putport=Handler("keep"))
        if self.theme == "serializers" and self.serializers:
            kinds = [PortKind.SERIALIZE]
        kind = pick.choice([k for k in kinds if self.serializers or k is not PortKind.SERIALIZE])
        port = Port(name, kind)
        if kind is PortKind.THREAD or (kind is PortKind.SPIN and pick.random() < 0.5):
            port = replace(port, owner=pick.choice(self.threads))
        if kind is PortKind.SERIALIZE:
            port = replace(port, serializer=pick.choice(self.serializers))
        # On a port made with its handler there is none for it to chain to.
        if kind is PortKind.PUTONLY or pick.random() < 0.2:
            port = replace(port, putport=pick.choice([h for h in PUTS if kind in QUEUEING or not h.chains]))
        if kind is PortKind.REPLYONLY or pick.random() < 0.15:
            port = replace(port, replyport=pick.choice([h for h in REPLIES if kind in QUEUEING or not h.chains]))
        return port

    def message(self, name: str) -> Message:
        pick = self.random
        usable = [p.name for p in self.ports if p.kind in (*QUEUEING, PortKind.REPLYONLY_NULL)]
        reply = pick.choice(usable if pick.random() < 0.9 else [p.name for p in self.ports])
        abort = pick.choice(ABORTS) if pick.random() < 0.25 else None
        flags = pick.choice(FLAGS)
        if self.theme in ("drop", "priority"):
            flags = pick.choice((("DROPABLE",) if self.theme == "drop" else ("PRIORITY",), ()))
        if self.theme == "abort":
            abort = pick.choice(ABORTS)
        return Message(name, None, raw=True) if pick.random() < 0.03 else Message(name, reply, flags, abort)

    def variant(self) -> Variant:
        pick = self.random
        cpus = pick.choice(([0, 0, 0], [0, 1, 2], [0, 1, 1], [0, 1, 0], [0, 0, 1]))
        left = pick.choice((7, 8, 9, 10, 11, 12))
        bodies: list[list[Statement]] = [[] for _ in self.threads]
        self.got: list[list[str]] = [[] for _ in self.threads]
        self.taken: list[list[str]] = [[] for _ in self.threads]
        self.fed: set[str] = set()
        self.sent: dict[str, int] = {}
        for _ in range(30):
            if left <= 0:
                break
            t = pick.randrange(self.columns)
            more = self.statements(t)
            bodies[t] += more
            left -= len(more)
        threads = tuple(
            Thread(name, cpus[i], tuple(body)) for i, (name, body) in enumerate(zip(self.threads, bodies, strict=True))
        )
        says = any(s.op == "say" for thread in threads for s in thread.body)
        observables = [
            Observable("register", f"{thread.name}:{s.register}")
            for thread in threads
            for s in thread.body
            if s.register
        ]
        observables += [Observable("error", m.name) for m in self.messages]
        observables += [Observable("flags", m.name) for m in self.messages if pick.random() < 0.5]
        observables += [Observable("queue", p.name) for p in self.ports if pick.random() < 0.5]
        observables += [Observable("calls", f"{p.name}.putport") for p in self.ports if p.putport]
        observables += [Observable("calls", f"{m.name}.abort") for m in self.messages if m.abort]
        return Variant(
            scenario="random",
            choices=(),
            claims=(),
            threads=threads,
            ports=tuple(self.ports),
            messages=tuple(self.messages),
            serializers=self.serializers,
            observables=() if says else tuple(observables),
            expectations=(),
            position=HERE,
            says=says,
        )

    def statement(self, op: str, *arguments: Argument, register: str | None = None) -> Statement:
        return Statement(op, arguments, register, HERE)

    def dropable(self, message: Ref) -> bool:
        return any("DROPABLE" in m.flags for m in self.messages if m.name == message.name)

    def messages_named(self) -> list[str]:
        return [m.name for m in self.messages]

    def fresh(self, t: int) -> str:
        self.got[t].append(f"r{len(self.got[t])}")
        return self.got[t][-1]

    def statements(self, t: int) -> list[Statement]:
        """Give the next statements of column ``t``: mostly what a sensible program does, now and then not."""
        pick = self.random
        port = pick.choice(self.ports)
        there = Ref("port", port.name)
        wild = pick.random() < 0.06
        unsent = [m.name for m in self.messages if m.name not in self.sent]
        mine = [m for m in self.sent if self.sent[m] == t] or unsent
        message = Ref("message", pick.choice(mine if mine and not wild else self.messages_named()))
        held: Argument = Register(pick.choice(self.taken[t])) if self.taken[t] and not wild else message
        number = f"n{sum(map(len, self.got))}"
        weights = COMMON | THEMES[self.theme]
        kind = pick.choices(list(weights), list(weights.values()))[0]
        if kind == "reply" and not self.taken[t] and not wild:
            kind = "take"
        if kind in ("send", "domsg"):
            if not unsent and not wild:
                return []
            message = Ref("message", pick.choice(unsent or self.messages_named()))
            usable = [p for p in self.ports if p.putport or (p.kind in QUEUEING and p.owner != self.threads[t])]
            if usable and not wild:
                port = pick.choice(usable)
            there = Ref("port", port.name)
            self.fed.add(port.name)
            self.sent[message.name] = t
            replies = [m.reply for m in self.messages if m.name == message.name]
            self.fed.update(reply for reply in replies if reply)
            owner = next((p.owner for p in self.ports if p.name in replies), None)
            kind = "send" if owner not in (None, self.threads[t]) and not wild else kind
            kind = "send" if self.dropable(message) and not wild else kind
            op = "domsg" if kind == "domsg" else ("beginmsg" if wild else "sendmsg")
            body = [self.statement(op, there, message, register=None if op == "sendmsg" else self.number(t, number))]
            return self.guarded(port, body)
        if kind == "take":
            open_ports = [
                p
                for p in self.ports
                if (p.owner in (None, self.threads[t]) and p.kind in QUEUEING)
                or (p.putport is not None and p.putport.behaviour == "keep")
            ]
            fed = [p for p in open_ports if p.name in self.fed]
            port = port if wild else pick.choice(fed or open_ports)
            if not fed and pick.random() < 0.5:
                return []
            op = pick.choice(("waitport", "waitport", "getport"))
            if port.putport is not None and port.putport.behaviour == "keep":
                op = "kept"
            register = self.fresh(t)
            self.taken[t].append(register)
            return self.guarded(port, [self.statement(op, Ref("port", port.name), register=register)])
        if kind == "reply":
            if isinstance(held, Register):
                self.taken[t].remove(held.name)
            if pick.random() < 0.15:
                return [self.statement("forwardmsg", there, held, register=self.number(t, number))]
            return [self.statement("replymsg", held, pick.randrange(3))]
        if kind == "wait":
            if not wild and (message.name not in self.sent or self.dropable(message)):
                return []
            return [self.statement("waitmsg", message, register=self.number(t, number))]
        if kind == "look":
            op_name = pick.choice(("checkmsg", "checkmsg", "checkmsg", "error", "flags", "result"))
            operand = message if op_name == "checkmsg" else held
            return [self.statement(op_name, operand, register=self.number(t, number))]
        if kind == "point":
            if pick.random() < 0.5:
                return [self.statement("setresultp", held, Ref("message", pick.choice(self.messages_named())))]
            register = self.fresh(t)
            self.taken[t].append(register)
            return [self.statement("resultp", held, register=register)]
        if kind == "special":
            kind = pick.choice(("abort", "drop", "say", "setputport", "setreplyport", "setresult"))
        anyones = Ref("message", pick.choice(self.messages_named()))
        match kind:
            case "abort":
                return [self.statement("abortmsg", anyones)]
            case "drop":
                return [self.statement("dropmsg", anyones, register=self.number(t, number))]
            case "say":
                return [self.statement("say", f"line {t}")]
            case "setputport":
                return [self.statement("setputport", there, pick.choice(PUTS))]
            case "setreplyport":
                return [self.statement("setreplyport", there, pick.choice(REPLIES))]
            case "setresult":
                return [self.statement("setresult", message, 7)]
            case "move":
                return [self.statement("setcpu", pick.randrange(3))]
            case "critical":
                return [self.statement("crit_enter"), *self.statements(t), *self.statements(t), self.leaving()]
            case "enter" if self.serializers:
                guard = Ref("serializer", pick.choice(self.serializers))
                return [self.statement("enter", guard), *self.statements(t), self.statement("exit", guard)]
        if kind == "init":
            if pick.random() < 0.5 and not port.builtin:
                return [self.statement("initport_spin", there)]
            if pick.random() < 0.3 and not port.builtin:
                return [self.statement("initport_thread", there, Ref("thread", self.threads[t]))]
            reply = Ref("port", pick.choice(self.ports).name)
            return [self.statement("initmsg", message, reply, pick.choice(FLAGS))]
        return []

    def leaving(self) -> Statement:
        """Leave a critical section; now and then enter it again instead."""
        return self.statement("crit_exit" if self.random.random() < 0.8 else "crit_enter")

    def number(self, t: int, name: str) -> str:
        self.got[t].append(name)
        return name

    def guarded(self, port: Port, body: list[Statement]) -> list[Statement]:
        if port.serializer is None or self.random.random() < 0.1:
            return body
        guard = Ref("serializer", port.serializer)
        return [self.statement("enter", guard), *body, self.statement("exit", guard)]


def random_variant(seed: int) -> Variant:
    """Give the variant of a seed."""
    return Generator(seed).variant()


def random_semantics(seed: int) -> Semantics:
    """Give the kernel, the manual, or the kernel with one difference taken back."""
    pick = random.Random(seed)
    taken_back = pick.choice(list(vars(KERNEL)))
    mixed = replace(KERNEL, **{taken_back: getattr(MANUAL, taken_back)})
    return pick.choice((KERNEL, KERNEL, MANUAL, mixed))
