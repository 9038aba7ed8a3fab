"""The statements of a column and the handlers of ports and messages: one table for parser, model, templates and docs.

A statement whose message operand is a register that holds ``null`` or was itself skipped is skipped: it does nothing
and its register shows ``-``. That is what lets ``r0 = getport P ; replymsg r0 5`` be written without an ``if``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Parameter = Literal[
    "port",
    "message",
    "declared-message",
    "thread",
    "serializer",
    "guard",
    "putport",
    "replyport",
    "abort",
    "number",
    "flags",
    "text",
]
"""What may stand in an argument's place. ``message`` is a declared message or a register; ``guard`` a serializer, or a
port for the serializer that guards it (none, and then the statement does nothing, when its kind has none); ``flags``
are names joined with ``+``, and optional when they come last."""

Result = Literal["message", "number", "flags"]


@dataclass(frozen=True)
class Form:
    """How a statement is written and what it is: its parameters, its result, the manual's function behind it."""

    parameters: tuple[Parameter, ...]
    result: Result | None
    function: str | None
    about: str


STATEMENTS: dict[str, Form] = {
    # Ports, made anew inside a column (declared ports are made before each execution).
    "initport_thread": Form(("port", "thread"), None, "lwkt_initport_thread", "make it a thread port of that thread"),
    "initport_spin": Form(("port",), None, "lwkt_initport_spin", "make it a spin port"),
    "initport_serialize": Form(("port", "serializer"), None, "lwkt_initport_serialize", "make it a serializer port"),
    "initport_panic": Form(("port",), None, "lwkt_initport_panic", "make it a port that panics"),
    "initport_replyonly_null": Form(("port",), None, "lwkt_initport_replyonly_null", "make it a null reply port"),
    "initport_replyonly": Form(("port", "replyport"), None, "lwkt_initport_replyonly", "make it a reply-only port"),
    "initport_putonly": Form(("port", "putport"), None, "lwkt_initport_putonly", "make it a put-only port"),
    # Messages.
    "initmsg": Form(("declared-message", "port", "flags"), None, "lwkt_initmsg", "initialise a message"),
    "initmsg_abortable": Form(
        ("declared-message", "port", "abort", "flags"), None, "lwkt_initmsg_abortable", "initialise an abortable one"
    ),
    "sendmsg": Form(("port", "message"), None, "lwkt_sendmsg", "send, asking for an asynchronous reply"),
    "domsg": Form(("port", "message"), "number", "lwkt_domsg", "send and wait for the reply; its error"),
    "beginmsg": Form(("port", "message"), "number", "lwkt_beginmsg", "call the putport handler; what it returns"),
    "forwardmsg": Form(("port", "message"), "number", "lwkt_forwardmsg", "forward; what the putport handler returns"),
    "replymsg": Form(("message", "number"), None, "lwkt_replymsg", "reply with an error code"),
    "abortmsg": Form(("message",), None, "lwkt_abortmsg", "try to abort; may be called on a message one does not own"),
    "dropmsg": Form(("message",), "number", "lwkt_dropmsg", "take it back; 0 or 2 (ENOENT)"),
    "waitmsg": Form(("message",), "number", "lwkt_waitmsg", "sleep until it has been replied to; its error"),
    "checkmsg": Form(("message",), "number", "lwkt_checkmsg", "1 when it is done, else 0; needs no ownership"),
    # Ports, used.
    "getport": Form(("port",), "message", "lwkt_getport", "the first message, or null"),
    "waitport": Form(("port",), "message", "lwkt_waitport", "the first message; sleeps until there is one"),
    # What tests need beside the manual's functions.
    "kept": Form(
        ("port",), "message", None, "the oldest message that its keep handler kept; sleeps until there is one"
    ),
    "error": Form(("message",), "number", None, "its ms_error"),
    "flags": Form(("message",), "flags", None, "its flags, those that an outcome shows"),
    "result": Form(("message",), "number", None, "its u.ms_lresult"),
    "setresult": Form(("message", "number"), None, None, "set its u.ms_lresult"),
    "resultp": Form(("message",), "message", None, "the message that its u.ms_resultp points to, or null"),
    "setresultp": Form(("message", "declared-message"), None, None, "point its u.ms_resultp to a message"),
    "enter": Form(("guard",), None, None, "enter a serializer"),
    "exit": Form(("guard",), None, None, "leave it"),
    "crit_enter": Form((), None, None, "enter a critical section: this CPU takes no IPI, runs nothing else"),
    "crit_exit": Form((), None, None, "leave it; what is open when the column ends is left after it"),
    "setcpu": Form(("number",), None, None, "move this thread to another CPU"),
    "setputport": Form(("port", "putport"), None, None, "assign mp_putport"),
    "setreplyport": Form(("port", "replyport"), None, None, "assign mp_replyport"),
    "say": Form(("text",), None, None, "print a line with kprintf"),
}

OPTIONAL = frozenset({"flags"})
"""Parameters that may be left out when they come last."""


@dataclass(frozen=True)
class Behaviour:
    """What a handler does when it is called. ``arguments`` is how many numbers it takes in parentheses."""

    arguments: int
    about: str


PUTPORT_HANDLERS: dict[str, Behaviour] = {
    "return": Behaviour(1, "return(N): handle it at once; return N, which must not be 99 (EASYNC)"),
    "keep": Behaviour(0, "keep: keep the message, return EASYNC; a column takes it with `kept P` and replies later"),
    "reply": Behaviour(1, "reply(N): reply with error N from within, then return EASYNC"),
    "replyreturn": Behaviour(2, "replyreturn(N, M): reply with error N from within, then return M: a mistake"),
    "chain": Behaviour(0, "chain: call the handler that stood there before, return what it returns"),
    "netisr": Behaviour(1, "netisr(N): on the caller's own port handle it at once, return N; else chain"),
}

REPLYPORT_HANDLERS: dict[str, Behaviour] = {
    "done": Behaviour(0, "done: set DONE and REPLY"),
    "none": Behaviour(0, "none: do nothing but count; the message stays as it is"),
    "chain": Behaviour(0, "chain: call the handler that stood there before"),
}

ABORT_HANDLERS: dict[str, Behaviour] = {
    "count": Behaviour(0, "count: do nothing but count"),
    "reply": Behaviour(1, "reply(N): reply to the message with error N"),
}
