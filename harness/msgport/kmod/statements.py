"""Statements and handlers of a scenario as lines of C."""

from __future__ import annotations

import re
from dataclasses import dataclass

from msgport.kmod.names import (
    handler_function,
    message_field,
    port_field,
    port_pointer,
    register_variable,
    serializer_field,
    string,
    thread_column,
    thread_td,
)
from msgport.manual.api import PRIVATE, SHOWN_FLAGS, Era
from msgport.scenario.program import Argument, Handler, Port, Ref, Register, Statement, Variant
from msgport.scenario.statements import STATEMENTS

CALLS: dict[str, str] = {
    "initport_thread": "lwkt_initport_thread({0}, {1});",
    "initport_serialize": "lwkt_initport_serialize({0}, {1});",
    "initport_panic": "lwkt_initport_panic({0});",
    "initport_replyonly_null": "lwkt_initport_replyonly_null({0});",
    "initport_replyonly": "lwkt_initport_replyonly({0}, {1});",
    "initport_putonly": "lwkt_initport_putonly({0}, {1});",
    "initmsg": "lwkt_initmsg({0}, {1}, {2});",
    "initmsg_abortable": "lwkt_initmsg_abortable({0}, {1}, {3}, {2});",
    "sendmsg": "lwkt_sendmsg({0}, {1});",
    "domsg": "lwkt_domsg({0}, {1}, 0)",
    "forwardmsg": "lwkt_forwardmsg({0}, {1})",
    "replymsg": "lwkt_replymsg({0}, {1});",
    "abortmsg": "lwkt_abortmsg({0});",
    "waitmsg": "lwkt_waitmsg({0}, 0)",
    "checkmsg": "lwkt_checkmsg({0}) != 0",
    "getport": "lwkt_getport({0})",
    "waitport": "lwkt_waitport({0}, 0)",
    "error": "{members}ms_error",
    "flags": "{members}ms_flags & MPT_SHOWN",
    "result": "{members}u.ms_lresult",
    "setresult": "{members}u.ms_lresult = {1};",
    "resultp": "{members}u.ms_resultp",
    "setresultp": "{members}u.ms_resultp = {1};",
    "crit_enter": "crit_enter();",
    "crit_exit": "crit_exit();",
    "setcpu": "lwkt_setcpu_self(globaldata_find({0}));",
}
"""C for statements that are one call, the same in every era. A ``;`` marks those without a result; ``members`` reaches
into what the first argument points to."""

OWNS_AFTERWARDS = frozenset({"domsg", "waitmsg", "flags", "error"})
"""Statements after which their message is the thread's own, so that the trace may read its flags."""


class Writer:
    """Writes the statements of one variant for one era."""

    def __init__(self, variant: Variant, era: Era) -> None:
        """Look up the variant's ports by name, its observables' places come with each call."""
        self.variant = variant
        self.era = era
        self.ports = {port.name: port for port in variant.ports}

    def initport_spin(self, pointer: str, owner: str) -> str:
        """The call that makes a spin port; it took one, two, then three arguments."""
        match self.era:
            case Era.A:
                return f"lwkt_initport_spin({pointer});"
            case Era.B | Era.C:
                return f"lwkt_initport_spin({pointer}, {owner});"
            case Era.D | Era.E:
                return f"lwkt_initport_spin({pointer}, {owner}, FALSE);"

    def spin_init(self, pointer: str) -> str:
        """The call that initialises a spinlock."""
        return f'spin_init({pointer}, "mpspin");' if self.era is Era.E else f"spin_init({pointer});"

    def setup_port(self, port: Port) -> list[str]:
        """Make a declared port what it is before each execution; give a built-in one its own handlers back."""
        pointer = port_pointer(port)
        lines: list[str] = []
        if port.builtin:
            column = thread_column(port.owner or "")
            lines += [f"{access(pointer)}mp_{role} = {column}.{role};" for role in ("putport", "replyport")]
        else:
            owner = thread_td(port.owner) if port.owner else "NULL"
            match port.kind.value:
                case "thread":
                    lines.append(f"lwkt_initport_thread({pointer}, {owner});")
                case "spin":
                    lines.append(self.initport_spin(pointer, owner))
                case "serialize":
                    lines.append(f"lwkt_initport_serialize({pointer}, &x->{serializer_field(port.serializer or '')});")
                case "replyonly":
                    lines.append(f"lwkt_initport_replyonly({pointer}, {self.handler(port, 'replyport')});")
                case "putonly":
                    lines.append(f"lwkt_initport_putonly({pointer}, {self.handler(port, 'putport')});")
                case kind:
                    lines.append(f"lwkt_initport_{kind}({pointer});")
        for role, handler in (("putport", port.putport), ("replyport", port.replyport)):
            if handler and port.kind.value not in ("putonly" if role == "putport" else "replyonly",):
                lines += self.override(port, role, handler)
        return lines

    def handler(self, port: Port, role: str) -> str:
        """The function of a port's declared handler; ValueError when a kind that needs one has none."""
        handler = port.putport if role == "putport" else port.replyport
        if handler is None:
            raise ValueError(f"port {port.name} is {port.kind} and has no {role} handler")
        return handler_function(port_field(port), role, handler)

    def override(self, port: Port, role: str, handler: Handler) -> list[str]:
        """Assign a handler to a port; one that chains remembers what stood there before."""
        pointer = port_pointer(port)
        function = handler_function(port_field(port), role, handler)
        member = f"{access(pointer)}mp_{role}"
        if not handler.chains:
            return [f"{member} = {function};"]
        result = "int" if role == "putport" else "void"
        return [
            "/* Another thread may assign one at the same time. */",
            "for (;;) {",
            f"\t{result} (*before)(lwkt_port_t, lwkt_msg_t) = {member};",
            "",
            f"\tif (before == {function})",
            "\t\tbreak;",
            f"\tx->before_{function} = before;",
            f"\tif (atomic_cmpset_ptr(&{member}, before, {function}))",
            "\t\tbreak;",
            "}",
        ]

    def argument(self, parameter: str, argument: Argument, statement: Statement) -> str:
        """An argument as a C expression."""
        match argument:
            case Register(name):
                return register_variable(name)
            case Handler():
                target = statement.arguments[0]
                assert isinstance(target, Ref)
                if target.kind == "message":
                    return handler_function(message_field(target.name), "abort", argument)
                return handler_function(port_field(self.ports[target.name]), parameter, argument)
            case Ref("port", name):
                return port_pointer(self.ports[name])
            case Ref("message", name):
                return f"&x->{message_field(name)}"
            case Ref("thread", name):
                return thread_td(name)
            case Ref("serializer", name):
                return f"&x->{serializer_field(name)}"
            case tuple():
                return flags(argument)
            case int():
                return str(argument)
            case str() if parameter == "text":
                return string(argument)
        raise ValueError(f"{argument!r} cannot be an argument of {statement.op}")

    def call(self, statement: Statement) -> list[str]:
        """The C of a statement without its bookkeeping: lines, or one expression when it has a result."""
        form = STATEMENTS[statement.op]
        arguments = [
            self.argument(parameter, argument, statement)
            for parameter, argument in zip(form.parameters, statement.arguments, strict=False)
        ]
        if len(arguments) < len(form.parameters) and form.parameters[-1] == "flags":
            arguments.append("0")
        target = statement.arguments[0] if statement.arguments else None
        match statement.op:
            case "initport_spin":
                return [self.initport_spin(arguments[0], "NULL")]
            case "beginmsg" if "lwkt_beginmsg" in PRIVATE[self.era]:
                return [f"{access(arguments[0])}mp_putport({arguments[0]}, {arguments[1]})"]
            case "beginmsg":
                return [f"lwkt_beginmsg({arguments[0]}, {arguments[1]})"]
            case "dropmsg" if self.era in (Era.A, Era.B):
                return [f"(lwkt_dropmsg({arguments[0]}), 0)"]
            case "dropmsg":
                return [f"lwkt_dropmsg({arguments[0]})"]
            case "kept":
                assert isinstance(target, Ref)
                return [f"mpt_take_kept(&x->kept_{port_field(self.ports[target.name])})"]
            case "enter" | "exit":
                assert isinstance(target, Ref)
                guard = self.guard(target)
                return [f"lwkt_serialize_{statement.op}(&x->{serializer_field(guard)});"] if guard else []
            case "setputport" | "setreplyport":
                assert isinstance(target, Ref)
                handler = statement.arguments[1]
                assert isinstance(handler, Handler)
                return self.override(self.ports[target.name], statement.op[3:], handler)
            case "say":
                return [f"mpt_say(&me->thread, x, {arguments[0]});"]
        return [CALLS[statement.op].format(*arguments, members=access(arguments[0]) if arguments else "")]

    def guard(self, target: Ref) -> str | None:
        """The serializer that an ``enter`` or ``exit`` is about; None when the port's kind has none."""
        return target.name if target.kind == "serializer" else self.ports[target.name].serializer

    def statement(self, statement: Statement, number: int, slot: int | None) -> tuple[str, ...]:
        """A statement with its bookkeeping. ``slot`` is its register's place in an outcome's row, if it has one."""
        form = STATEMENTS[statement.op]
        lines = self.call(statement)
        value = f"x->value[{slot}] = " if slot is not None else ""
        messages = [
            argument
            for parameter, argument in zip(form.parameters, statement.arguments, strict=False)
            if parameter in ("message", "declared-message")
        ]
        held = next((a for a in messages if isinstance(a, Register)), None)
        owned = self.argument("message", messages[0], statement) if statement.op in OWNS_AFTERWARDS else "NULL"
        comment: list[str] = []
        if f"lwkt_{statement.op}" in PRIVATE[self.era]:
            comment = ["/* lwkt_beginmsg() is private to the kernel: this is all it does. */"]
        match form.result:
            case None:
                body = [*lines, f"mpt_end(me, {number}, MPT_NONE, NULL);"]
            case "message":
                taken = register_variable(statement.register) if statement.register else None
                if taken is None:
                    body = [f"mpt_end(me, {number}, mpt_which(x, {lines[0]}), NULL);"]
                else:
                    # What a pointer leads to need not be the thread's own, as what it took from a port is.
                    own = "NULL" if statement.op == "resultp" else taken
                    body = [f"{taken} = {lines[0]};", f"mpt_end(me, {number}, {value}mpt_which(x, {taken}), {own});"]
            case _ if slot is None:
                body = [f"mpt_end(me, {number}, {lines[0]}, {owned});"]
            case _:
                body = [f"{value}{lines[0]};", f"mpt_end(me, {number}, x->value[{slot}], {owned});"]
        if held is not None:
            guarded = [f"if (mpt_mine(x, {register_variable(held.name)})) {{", *("\t" + each for each in body), "}"]
            return (*comment, *guarded)
        return (*comment, *body)


def access(pointer: str) -> str:
    """What to write before a member of what a pointer expression points to."""
    return pointer[1:] + "." if pointer.startswith("&") else pointer + "->"


def flags(names: tuple[str, ...]) -> str:
    """Message flags as a C expression."""
    return " | ".join(f"MSGF_{name}" for name in names) or "0"


SHOWN = tuple(f"MSGF_{name}" for name in SHOWN_FLAGS)


@dataclass(frozen=True)
class HandlerFunction:
    """A handler as a C function: its head, its lines, its counter, and where it remembers what stood there before."""

    function: str
    type: str
    parameters: str
    lines: tuple[str, ...]
    counter: str
    before: bool
    before_declaration: str


def write_handler(subject: str, role: str, handler: Handler, others: tuple[Handler, ...] = ()) -> HandlerFunction:
    """Write a handler. ``subject`` is the port's or message's field, ``others`` are its other handlers in that role.

    A call counts once, however many handlers it is passed on to. ValueError for a behaviour that is not known.
    """
    function = handler_function(subject, role, handler)
    n = handler.arguments
    before = f"x->before_{function}(port, msg)"
    count = f"atomic_add_int(&x->calls_{subject}_{role}, 1);"
    ours = " && ".join(f"x->before_{function} != {handler_function(subject, role, other)}" for other in others)
    # Another handler of ours that is called next counts the call.
    pass_on = (f"if ({ours})", f"\t{count}") if ours else (count,)
    lines: tuple[str, ...]
    match role, handler.behaviour:
        case "putport", "return":
            lines = (count, f"return ({n[0]});")
        case "putport", "keep":
            lines = (count, f"mpt_keep(&x->kept_{subject}, msg);", "return (EASYNC);")
        case "putport", "reply":
            lines = (count, f"lwkt_replymsg(msg, {n[0]});", "return (EASYNC);")
        case "putport", "replyreturn":
            lines = (count, f"lwkt_replymsg(msg, {n[0]});", f"return ({n[1]});")
        case "putport", "chain":
            lines = (*pass_on, f"return ({before});")
        case "putport", "netisr":
            own = ("if (port->mpu_td == curthread) {", f"\t{count}", f"\treturn ({n[0]});", "}")
            lines = (*own, *pass_on, f"return ({before});")
        case "replyport", "done":
            lines = (count, "msg->ms_flags |= MSGF_DONE | MSGF_REPLY;")
        case "replyport", "none":
            lines = (count,)
        case "replyport", "chain":
            lines = (*pass_on, f"{before};")
        case "abort", "count":
            lines = (count,)
        case "abort", "reply":
            lines = (count, f"lwkt_replymsg(msg, {n[0]});")
        case _:
            raise ValueError(f"there is no {role} handler {handler.behaviour!r}")
    result = "int" if role == "putport" else "void"
    types = ["lwkt_msg_t msg"] if role == "abort" else ["lwkt_port_t port", "lwkt_msg_t msg"]
    used = set(re.findall(r"\w+", " ".join(lines)))
    parameters = ", ".join(each if each.split()[1] in used else f"{each} __unused" for each in types)
    return HandlerFunction(
        function=function,
        type=result,
        parameters=parameters,
        lines=lines,
        counter=f"calls_{subject}_{role}",
        before=handler.chains,
        before_declaration=f"{result}\t\t\t(*before_{function})(lwkt_port_t, lwkt_msg_t)",
    )
