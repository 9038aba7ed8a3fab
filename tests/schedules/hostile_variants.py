"""Tiny variants from a seed that do what nobody should: most can panic, some trap, and little of it is in order.

They are for the machine alone. No model has a say in them: threads touch messages that are not theirs, make ports anew
under others, and leave critical sections and serializers as they find them.
"""

from __future__ import annotations

import random

from msgport.manual.api import PortKind
from msgport.scenario.program import (
    Argument,
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

HERE = Position("hostile", 1, 1)

PLACES = ((0, 1, 0), (0, 1, 0), (0, 1, 1), (0, 1, 2), (0, 0, 1), (1, 0, 1))
KINDS = (PortKind.THREAD, PortKind.THREAD, PortKind.SPIN)
FLAGS: tuple[tuple[str, ...], ...] = ((), (), (), ("DROPABLE",), ("PRIORITY",))
OPS = {
    "sendmsg": 26,
    "getport": 13,
    "waitport": 7,
    "replymsg": 16,
    "waitmsg": 4,
    "checkmsg": 4,
    "domsg": 3,
    "dropmsg": 2,
    "forwardmsg": 3,
    "initport_spin": 6,
    "crit": 8,
    "guard": 4,
    "setcpu": 4,
}
"""How often each is picked; crit and guard enter a critical section or a serializer, or leave it."""


class Column:
    """A thread in the making."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.body: list[Statement] = []
        self.taken: list[str] = []
        self.critical = False
        self.guarded = False

    def add(self, op: str, *arguments: Argument, result: bool = False) -> str | None:
        """Add a statement; give the register of its result, if it has one."""
        register = f"r{len(self.body)}" if result else None
        self.body.append(Statement(op, arguments, register, HERE))
        return register


def hostile_variant(seed: int) -> Variant:
    """Give the variant of a seed: two or three threads on up to three CPUs, with three to six statements in all."""
    pick = random.Random(seed)
    columns = [Column(f"T{i}") for i in range(pick.choice((2, 2, 2, 3, 3)))]
    place = pick.choice(PLACES)
    serializers = ("Z",) if pick.random() < 0.3 else ()
    ports = [Port(f"{column.name}.port", PortKind.THREAD, column.name, builtin=True) for column in columns]
    for name in ("P", "Q")[: pick.choice((1, 1, 2))]:
        kind = pick.choice((*KINDS, PortKind.SERIALIZE, PortKind.SERIALIZE) if serializers else KINDS)
        owned = kind is PortKind.THREAD or (kind is PortKind.SPIN and pick.random() < 0.4)
        owner = pick.choice(columns).name if owned else None
        ports.append(Port(name, kind, owner, serializer="Z" if kind is PortKind.SERIALIZE else None))
    messages = [
        Message(name, pick.choice(ports).name, pick.choice(FLAGS)) for name in ("a", "b")[: pick.choice((1, 1, 2))]
    ]
    turns = [*columns, *pick.choices(columns, k=pick.choice((1, 1, 2, 2, 3)))]
    pick.shuffle(turns)
    for column in turns:
        add_statement(pick, column, ports, messages, bool(serializers))
    registers = [(column, statement) for column in columns for statement in column.body if statement.register]
    return Variant(
        scenario="hostile",
        choices=(),
        claims=(),
        threads=tuple(Thread(column.name, place[i], tuple(column.body)) for i, column in enumerate(columns)),
        ports=tuple(ports),
        messages=tuple(messages),
        serializers=serializers,
        observables=(
            *(Observable("register", f"{column.name}:{statement.register}") for column, statement in registers),
            *(Observable(kind, message.name) for kind in ("error", "flags") for message in messages),
            *(Observable("queue", port.name) for port in ports),
        ),
        expectations=(),
        position=HERE,
        says=False,
    )


def add_statement(
    pick: random.Random, column: Column, ports: list[Port], messages: list[Message], guards: bool
) -> None:
    """Add a statement to the column, whether it makes sense there or not."""
    message = Ref("message", pick.choice(messages).name)
    port = Ref("port", pick.choice(ports).name)
    allowed = [each.name for each in ports if each.owner in (None, column.name)]
    source = Ref("port", pick.choice(allowed)) if pick.random() < 0.85 else port
    held: Argument = Register(pick.choice(column.taken)) if column.taken and pick.random() < 0.7 else message
    match pick.choices(list(OPS), list(OPS.values()))[0]:
        case "getport" | "waitport" as op:
            register = column.add(op, source, result=True)
            assert register is not None
            column.taken.append(register)
        case "replymsg":
            column.add("replymsg", held, pick.randrange(3))
        case "waitmsg" | "checkmsg" | "dropmsg" as op:
            column.add(op, message, result=True)
        case "domsg":
            column.add("domsg", port, message, result=True)
        case "forwardmsg":
            column.add("forwardmsg", port, held, result=True)
        case "initport_spin" if not port.name.endswith(".port"):
            column.add("initport_spin", port)
        case "crit":
            column.add("crit_exit" if column.critical else "crit_enter")
            column.critical = not column.critical
        case "guard" if guards:
            column.add("exit" if column.guarded else "enter", Ref("serializer", "Z"))
            column.guarded = not column.guarded
        case "setcpu":
            column.add("setcpu", pick.randrange(2))
        case _:
            column.add("sendmsg", port, message)
