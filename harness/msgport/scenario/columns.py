"""The columns of a scenario: each cell checked against the table of statements."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lark import Token, Tree

from msgport.scenario.declare import Names, call_of, flag_names, number
from msgport.scenario.program import Argument, Handler, Ref, Register, Statement, Thread
from msgport.scenario.source import nearest
from msgport.scenario.statements import OPTIONAL, STATEMENTS, Form, Parameter, Result

HIGHEST_CPU = 255
LONGEST_LINE = 66
"""Bytes that a said line may take in a record, where each byte outside A-Z a-z 0-9 _ . / - takes three."""


@dataclass
class Column:
    """One thread while its cells are read: its registers so far, with what each holds."""

    names: Names
    registers: dict[str, Result] = field(default_factory=dict)

    def statement(self, tree: Tree[Token]) -> Statement:
        """Check one cell; ScenarioError says what is wrong with it."""
        source = self.names.source
        register, op, *arguments = tree.children
        assert isinstance(op, Token)
        if op not in STATEMENTS:
            raise source.error(op, f"there is no statement {op!s}", nearest(op, STATEMENTS))
        form = STATEMENTS[op]
        least = sum(parameter not in OPTIONAL for parameter in form.parameters)
        if not least <= len(arguments) <= len(form.parameters):
            raise source.error(op, f"{op!s} takes {least} arguments, not {len(arguments)}", _hint(op, form))
        checked = tuple(
            self._argument(op, parameter, argument, _hint(op, form))
            for parameter, argument in zip(form.parameters, arguments, strict=False)
        )
        if isinstance(register, Token):
            self._bind(register, op, form)
        return Statement(str(op), checked, str(register) if register else None, source.position(op))

    def _bind(self, register: Token, op: Token, form: Form) -> None:
        source = self.names.source
        if form.result is None:
            raise source.error(register, f"{op!s} has no result to put into {register!s}", _hint(op, form))
        if register in self.registers:
            raise source.error(register, f"register {register!s} is set twice in this column", "take another name")
        self.registers[self.names.declare(register)] = form.result

    def _argument(self, op: Token, parameter: Parameter, argument: Token | Tree[Token], hint: str) -> Argument:
        source, names = self.names.source, self.names
        if parameter in ("putport", "replyport", "abort"):
            handler = names.only_handler if op.startswith("initport_") else names.handler
            return handler(parameter, *self._call(argument, parameter, hint))
        if parameter == "flags":
            tokens = [argument] if isinstance(argument, Token) else argument.children
            if isinstance(argument, Token) or argument.data == "flag_sum":
                return flag_names(source, [token for token in tokens if isinstance(token, Token)])
        if not isinstance(argument, Token):
            raise source.error(_first(argument), f"this is no {parameter}", hint)
        if parameter == "number":
            return number(source, argument)
        if parameter == "text":
            return self._text(argument, hint)
        if argument.type in ("TEXT", "NUMBER"):
            raise source.error(argument, f"{argument!s} is no {parameter}", hint)
        if parameter == "message":
            return self._message(argument)
        if parameter == "declared-message":
            return Ref("message", names.message(argument))
        if parameter == "port":
            if op.startswith("initport_") and argument not in names.ports:
                name = names.port(argument)
                raise source.error(argument, f"{name} cannot be made anew: it is the thread's own", "declare a port")
            return Ref("port", names.port(argument))
        if parameter == "thread":
            return Ref("thread", names.thread(argument))
        if parameter == "guard" and argument not in names.serializers:
            guard = names.guard(argument)
            return Ref("serializer", guard) if guard else Ref("port", str(argument))
        return Ref("serializer", names.serializer(argument))

    def _call(self, argument: Token | Tree[Token], kind: str, hint: str) -> tuple[Token, list[Token]]:
        if isinstance(argument, Token):
            return argument, []
        if argument.data != "handler_call":
            raise self.names.source.error(_first(argument), f"this is no {kind} handler", hint)
        return call_of(argument)

    def _text(self, token: Token, hint: str) -> str:
        source, text = self.names.source, str(token)[1:-1]
        if token.type != "TEXT":
            raise source.error(token, f'{token!s} is no text in "quotes"', hint)
        if not text.isascii() or not text.isprintable() or " / " in text or not text.strip():
            raise source.error(token, "this text cannot be said", "printable ASCII without ' / ', not empty")
        if len(re.sub(r"[^A-Za-z0-9_./-]", "%XX", text)) > LONGEST_LINE:
            raise source.error(
                token, "this text is too long", f"{LONGEST_LINE} bytes, blanks and punctuation counting three"
            )
        return text

    def _message(self, token: Token) -> Argument:
        """A declared message, or a register of this column that holds one."""
        source = self.names.source
        if token in self.names.messages:
            return Ref("message", str(token))
        if token in self.registers:
            if self.registers[str(token)] != "message":
                held = self.registers[str(token)]
                raise source.error(token, f"register {token!s} holds {held}, not a message", "name a message")
            return Register(str(token))
        known = [*self.names.messages, *(name for name, kind in self.registers.items() if kind == "message")]
        raise source.error(
            token, f"{token!s} is neither a message nor a register set before in this column", nearest(token, known)
        )


def usage(op: str, form: Form) -> str:
    """How a statement is written: ``REGISTER = domsg PORT MESSAGE``; what may be left out stands in brackets."""
    words = (f"[{word.upper()}]" if word in OPTIONAL else word.upper() for word in form.parameters)
    return " ".join((*(["[REGISTER =]"] if form.result else []), op, *words))


def _hint(op: str, form: Form) -> str:
    return "write: " + usage(op, form)


def _first(tree: Tree[Token]) -> Token:
    return next(tree.scan_values(lambda value: isinstance(value, Token)))


def headings(source_names: Names, columns: Tree[Token]) -> list[int | None]:
    """Read the column heads into ``source_names.threads``; the CPU that each gives, if any."""
    source = source_names.source
    cpus: list[int | None] = []
    for place, column in enumerate(columns.children):
        assert isinstance(column, Tree)
        name, cpu = column.children
        assert isinstance(name, Token)
        if name != f"T{place}":
            raise source.error(name, f"column {place} is headed {name!s}", f"write T{place}: threads count from T0")
        cpus.append(cpu_number(source_names, cpu) if isinstance(cpu, Token) else None)
    source_names.threads = tuple(f"T{place}" for place in range(len(cpus)))
    return cpus


def cpu_number(names: Names, token: Token) -> int:
    """A CPU's number; ScenarioError when no machine has so many."""
    cpu = number(names.source, token)
    if cpu > HIGHEST_CPU:
        raise names.source.error(token, f"there is no CPU {cpu}", f"CPUs count from 0 to {HIGHEST_CPU}")
    return cpu


def threads(names: Names, cpus: tuple[int, ...], rows: list[Tree[Token]]) -> tuple[tuple[Thread, ...], list[Column]]:
    """Read the rows: the threads, and the columns with their registers."""
    columns = [Column(names) for _ in names.threads]
    bodies: list[list[Statement]] = [[] for _ in names.threads]
    for row in rows:
        if len(row.children) > len(columns):
            extra = next((cell for cell in row.children[len(columns) :] if isinstance(cell, Tree)), None)
            at = _first(extra) if extra else names.source.position(row.meta)
            raise names.source.error(
                at, f"this row has {len(row.children)} cells for {len(columns)} columns", "take a | away"
            )
        for cell, column, body in zip(row.children, columns, bodies, strict=False):
            if isinstance(cell, Tree):
                statement = column.statement(cell)
                if statement.op == "setcpu":
                    number_of = next(token for token in cell.children[2:] if isinstance(token, Token))
                    cpu_number(names, number_of)
                body.append(statement)
    _check_chains(names, bodies)
    made = zip(names.threads, cpus, bodies, strict=True)
    return tuple(Thread(name, cpu, tuple(body)) for name, cpu, body in made), columns


def _check_chains(names: Names, bodies: list[list[Statement]]) -> None:
    """Refuse what can make a ring of handlers: each knows one other, that which stood there when it was assigned."""
    chains: dict[tuple[str, str], list[Handler]] = {
        (port.name, role): [handler]
        for port in names.all_ports()
        for role, handler in (("putport", port.putport), ("replyport", port.replyport))
        if handler and handler.chains
    }
    again: dict[tuple[str, str], Statement] = {}
    for statement in (each for body in bodies for each in body):
        match statement.op, statement.arguments:
            case "setputport" | "setreplyport", (Ref(name=port), Handler(chains=True) as handler):
                place = (port, statement.op.removeprefix("set"))
                if handler in chains.setdefault(place, []):
                    again[place] = statement
                chains[place].append(handler)
    for place, statement in again.items():
        if len(set(chains[place])) > 1:
            raise names.source.error(
                statement.position,
                f"{place[0]} gets a {place[1]} handler that chains once more, and has another one that chains: behind "
                "each other they would call each other for ever",
                "assign each handler that chains once",
            )


def handlers_in(statements: tuple[Statement, ...]) -> set[str]:
    """The handlers that columns set: ``P.putport``, ``P.replyport``, ``m.abort``."""
    sets = {
        "setputport": "putport",
        "initport_putonly": "putport",
        "setreplyport": "replyport",
        "initport_replyonly": "replyport",
        "initmsg_abortable": "abort",
    }
    return {
        f"{each.arguments[0].name}.{sets[each.op]}"
        for each in statements
        if each.op in sets and isinstance(each.arguments[0], Ref)
    }
