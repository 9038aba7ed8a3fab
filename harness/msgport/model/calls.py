"""The statements of a column: what each does first, in terms of ports, messages and serializers."""

from __future__ import annotations

from typing import Any

from msgport.manual.api import EASYNC, FLAGS, SHOWN_FLAGS, PortKind, show_flags
from msgport.model import ipi
from msgport.model.machine import (
    BLOCKED,
    DONE,
    QUEUED,
    REPLY,
    SYNC,
    UNDEFINED,
    UNOWNED,
    Action,
    Call,
    EndError,
    Function,
    Machine,
    Next,
    Pause,
)
from msgport.model.ports import WAITS, drop, getport, kept, put, reply, waitmsg, waitport
from msgport.model.queues import PRIORITY
from msgport.model.state import NOBODY, NULL, STRAY, Behaviour, Layout, Work, behaviour, flag_bits
from msgport.scenario.outcome import ANY
from msgport.scenario.program import Argument, Handler, Ref, Register, Statement

ABORTABLE = FLAGS["ABORTABLE"]

# Messages.


def initmsg(k: Machine, w: Work, t: int, message: int, port: int, bits: int, abort: Behaviour | None = None) -> Next:
    """Initialise a message; with ``abort`` an abortable one."""
    layout = k.layout
    flags = k.touch(w, message)
    idle = not flags or flags & (DONE | QUEUED) == DONE
    if not idle and not k.semantics.asserts:
        raise EndError(UNDEFINED)
    w[layout.flags[message]] = DONE | bits | (0 if k.semantics.initmsg_assigns else flags)
    if (w[layout.flags[message]] ^ flags) & PRIORITY and any(message in w[place] for place in layout.queue):
        raise EndError(UNDEFINED)  # it will be taken off the wrong one of its port's two queues
    w[layout.reply[message]] = port
    if abort is not None:
        w[layout.flags[message]] |= ABORTABLE
        w[layout.abort[message]] = abort
    if idle:
        w[layout.readers[message]] = -1
    return k.finish(w, None)


def sendmsg(k: Machine, w: Work, t: int, port: int, message: int) -> Next:
    """Send, asking for an asynchronous reply."""
    return _send(k, w, t, port, message, 0)


def domsg(k: Machine, w: Work, t: int, port: int, message: int) -> Next:
    """Send and wait for the reply."""
    return _send(k, w, t, port, message, SYNC)


def _send(k: Machine, w: Work, t: int, port: int, message: int, sync: int) -> Next:
    flags = k.touch(w, message)
    if w[k.layout.reply[message]] == NOBODY or flags & (DONE | QUEUED) != DONE:
        k.misuse("send-not-idle")
    w[k.layout.flags[message]] = flags & ~(REPLY | SYNC | DONE) | sync
    w[k.layout.readers[message]] = 0
    going = (put, (_done if sync else _sent, message), port, message)
    return Pause(going) if (t, message) in k.facts.sends_watched else going


def _sent(k: Machine, w: Work, t: int, message: int, value: int) -> Next:
    return None if value == EASYNC else (reply, message, value, (_replied, message))


def _replied(k: Machine, w: Work, t: int, message: int) -> Next:
    # The sender knows that it is back when it can be on no queue and with nobody else.
    flags = k.touch(w, message)
    if flags & DONE and not flags & QUEUED:
        w[k.layout.readers[message]] |= 1 << t
    return None


def _done(k: Machine, w: Work, t: int, message: int, value: int) -> Next:
    if value == EASYNC:
        return Pause((waitmsg, True, message))
    k.touch(w, message)
    w[k.layout.flags[message]] |= DONE | REPLY
    if not k.semantics.definite:
        w[k.layout.error[message]] = ANY
    w[k.layout.readers[message]] |= 1 << t
    return k.finish(w, value)


def beginmsg(k: Machine, w: Work, t: int, port: int, message: int) -> Next:
    """Call the putport handler and nothing else."""
    return (put, (_begun,), port, message)


def _begun(k: Machine, w: Work, t: int, value: int) -> Next:
    return k.finish(w, value)


def forwardmsg(k: Machine, w: Work, t: int, port: int, message: int) -> Next:
    """Forward a message; reply to it when the handler was synchronous."""
    if k.touch(w, message) & (QUEUED | DONE | REPLY):
        k.misuse("forward-not-held")
    return (put, (_forwarded, message), port, message)


def _forwarded(k: Machine, w: Work, t: int, message: int, value: int) -> Next:
    k.finish(w, value if k.semantics.definite else ANY)
    return None if value == EASYNC else (reply, message, value, None)


def replymsg(k: Machine, w: Work, t: int, message: int, error: int) -> Next:
    """Reply to a message."""
    return (reply, message, error, None)


def abortmsg(k: Machine, w: Work, t: int, message: int) -> Next:
    """Call the abort function, in a critical section, if there is reason to."""
    flags = k.touch(w, message, write=False)
    if not flags & ABORTABLE or (k.semantics.abort_in_flight_only and flags & (DONE | REPLY)):
        return None
    what, numbers = w[k.layout.abort[message]]
    k.count(w, f"{k.variant.messages[message].name}.abort")
    if what == "count":
        return None
    w[k.layout.critical[t]] += 1
    return Pause((reply, message, numbers[0], (crit_exit,)))


def waitmsg_called(k: Machine, w: Work, t: int, message: int) -> Next:
    """Wait for a message; the page does not say what it returns."""
    return waitmsg(k, w, t, False, message)


def checkmsg(k: Machine, w: Work, t: int, message: int) -> Next:
    """Tell whether a message is done; who knows that it is may read it."""
    done = k.touch(w, message, write=False) & DONE
    if done:
        w[k.layout.readers[message]] |= 1 << t
    return k.finish(w, int(bool(done)) if k.semantics.definite else ANY)


# A message's fields.


def _own(k: Machine, w: Work, t: int, message: int, *, write: bool) -> None:
    k.touch(w, message, write=write)
    if not w[k.layout.readers[message]] >> t & 1:
        raise EndError(UNOWNED)


def error(k: Machine, w: Work, t: int, message: int) -> Next:
    """Read ms_error."""
    _own(k, w, t, message, write=False)
    return k.finish(w, w[k.layout.error[message]])


def flags(k: Machine, w: Work, t: int, message: int) -> Next:
    """Read the flags."""
    _own(k, w, t, message, write=False)
    return k.finish(w, shown(w[k.layout.flags[message]], definite=k.semantics.definite))


def result(k: Machine, w: Work, t: int, message: int) -> Next:
    """Read u.ms_lresult."""
    _own(k, w, t, message, write=False)
    value = w[k.layout.result[message]]
    return k.finish(w, value if isinstance(value, int) else ANY)  # an address may be any number


def setresult(k: Machine, w: Work, t: int, message: int, value: int) -> Next:
    """Set u.ms_lresult."""
    _own(k, w, t, message, write=True)
    w[k.layout.result[message]] = value
    return None


def resultp(k: Machine, w: Work, t: int, message: int) -> Next:
    """Follow u.ms_resultp, which shares its place with u.ms_lresult."""
    _own(k, w, t, message, write=False)
    value = w[k.layout.result[message]]
    if isinstance(value, int):
        return k.finish(w, STRAY if value else NULL)
    return k.finish(w, value[0])


def setresultp(k: Machine, w: Work, t: int, message: int, pointed: int) -> Next:
    """Point u.ms_resultp to a message."""
    _own(k, w, t, message, write=True)
    w[k.layout.result[message]] = (pointed,)
    return None


def shown(bits: int, *, definite: bool) -> str:
    """Write flags as an outcome does; the manual fixes only those that a caller passes."""
    if definite:
        return show_flags(bits)
    passed = [name for name in SHOWN_FLAGS if name.startswith(("USER", "PRIORITY"))]
    return "[" + "".join(("+" if bits & FLAGS[name] else "-") + name for name in passed) + "]"


# Ports, made anew or given other handlers.


def initport(
    k: Machine,
    w: Work,
    t: int,
    port: int,
    kind: str,
    owner: int = NOBODY,
    serializer: int = NOBODY,
    putport: tuple[Behaviour, ...] = (),
    replyport: tuple[Behaviour, ...] = (),
) -> Next:
    """Make a port anew: empty, with its kind's own handlers."""
    layout, objects = k.layout, k.objects
    k.writes |= objects.port[port] | objects.head[port] | objects.tail[port]
    k.writes |= objects.kept_head[port] | objects.kept_tail[port]
    if w[layout.queue[port]] or any(_sleeps_on(k, w, place, port) for place in layout.control):
        raise EndError(UNDEFINED)
    w[layout.kind[port]] = kind
    w[layout.owner[port]] = owner
    w[layout.serializer[port]] = serializer
    w[layout.putport[port]] = putport
    w[layout.replyport[port]] = replyport
    return None


def _sleeps_on(k: Machine, w: Work, place: int, port: int) -> bool:
    """Tell whether a thread is, or may be about to be, asleep in a wait that has to do with a port."""
    control = w[place]
    if type(control) is int:
        t = place - k.layout.control[0]
        body = k.variant.threads[t].body
        return control < len(body) and body[control].op == "waitport" and k.program[t][control].action[1] == port
    if control[1] is waitmsg:
        return bool(w[k.layout.reply[control[3]]] == port)
    return control[1] in WAITS and port == control[WAITS[control[1]]]


def setputport(k: Machine, w: Work, t: int, port: int, handler: Behaviour) -> Next:
    """Assign mp_putport; the handler that stood there is the one that ``chain`` calls."""
    k.writes |= k.objects.port[port]
    w[k.layout.putport[port]] = (handler, *w[k.layout.putport[port]])
    return None


def setreplyport(k: Machine, w: Work, t: int, port: int, handler: Behaviour) -> Next:
    """Assign mp_replyport; the handler that stood there is the one that ``chain`` calls."""
    k.writes |= k.objects.port[port]
    w[k.layout.replyport[port]] = (handler, *w[k.layout.replyport[port]])
    return None


# Serializers, critical sections, CPUs.


def enter(k: Machine, w: Work, t: int, serializer: int) -> Next:
    """Enter a serializer; sleep while another thread holds it."""
    place = k.layout.serialized_by[serializer]
    if w[place] == t:
        k.misuse("serialized-twice")
    k.writes |= k.objects.serializer[serializer]
    if w[place] != NOBODY:
        k.writes &= ~k.objects.serializer[serializer]
        k.reads |= k.objects.serializer[serializer]
        return BLOCKED
    w[place] = t
    return None


def leave(k: Machine, w: Work, t: int, serializer: int) -> Next:
    """Leave a serializer. While a thread holds it nobody else can touch it, so this conflicts with nothing."""
    place = k.layout.serialized_by[serializer]
    if w[place] != t:
        k.misuse("not-serialized")
    w[place] = NOBODY
    return None


def crit_enter(k: Machine, w: Work, t: int) -> Next:
    """Enter a critical section."""
    w[k.layout.critical[t]] += 1
    return None


def crit_exit(k: Machine, w: Work, t: int) -> Next:
    """Leave a critical section."""
    if not w[k.layout.critical[t]]:
        raise EndError(UNDEFINED)
    w[k.layout.critical[t]] -= 1
    return None


def setcpu(k: Machine, w: Work, t: int, cpu: int) -> Next:
    """Move to another CPU: the thread itself travels as an IPI, behind what its old CPU sent there before."""
    here = w[k.layout.cpu[t]]
    if here == cpu:
        return None
    ipi.send(k, w, here, cpu, ipi.THREAD, t)
    return Pause((_arrive, cpu))


def _arrive(k: Machine, w: Work, t: int, cpu: int) -> Next:
    k.reads |= k.objects.place[t]
    return None if w[k.layout.cpu[t]] == cpu else BLOCKED


def say(k: Machine, w: Work, t: int, text: str) -> Next:
    """Print a line."""
    k.writes |= k.objects.console
    if k.layout.said is not None:
        w[k.layout.said] += (text,)
    return None


def nothing(k: Machine, w: Work, t: int) -> Next:
    """Do nothing: the guard of a port that no serializer guards."""
    return None


# From statements to what a thread does first.


def compile_statement(layout: Layout, statement: Statement) -> Call:
    """Resolve a statement's names. Raises KeyError for one that the variant does not declare: the parser's business."""
    op, arguments = statement.op, statement.arguments
    operand: str | None = None
    if op.startswith("initport_"):
        action = _initport(layout, PortKind(op.removeprefix("initport_")), arguments)
    elif op in ("initmsg", "initmsg_abortable"):
        message, port, *rest = arguments
        bits = flag_bits(rest[-1]) if rest and isinstance(rest[-1], tuple) else 0
        abort = (behaviour(rest[0]),) if rest and isinstance(rest[0], Handler) else ()
        action = (initmsg, _index(layout, message), _index(layout, port), bits, *abort)
    elif op in ("enter", "exit") and isinstance(arguments[0], Ref) and arguments[0].kind == "port":
        action = (nothing,)
    else:
        resolved: list[object] = []
        for argument in arguments:
            if isinstance(argument, Register):
                operand = argument.name
                resolved.append(argument)
            else:
                resolved.append(_index(layout, argument))
        action = (FUNCTIONS[op], *resolved)
    return Call(action, operand)


def _initport(layout: Layout, kind: PortKind, arguments: tuple[Argument, ...]) -> Action:
    port, *rest = (_index(layout, argument) for argument in arguments)
    owner = serializer = NOBODY
    putport: tuple[object, ...] = ()
    replyport: tuple[object, ...] = ()
    match kind:
        case PortKind.THREAD:
            owner = rest[0]
        case PortKind.SERIALIZE:
            serializer = rest[0]
        case PortKind.PUTONLY:
            putport = (rest[0],)
        case PortKind.REPLYONLY:
            replyport = (rest[0],)
    return (initport, port, kind.value, owner, serializer, putport, replyport)


def _index(layout: Layout, argument: Argument) -> Any:
    match argument:
        case Ref("port", name):
            return layout.ports[name]
        case Ref("message", name):
            return layout.messages[name]
        case Ref("thread", name):
            return layout.threads[name]
        case Ref("serializer", name):
            return layout.serializers[name]
        case Handler():
            return behaviour(argument)
    return argument


FUNCTIONS: dict[str, Function] = {
    "sendmsg": sendmsg,
    "domsg": domsg,
    "beginmsg": beginmsg,
    "forwardmsg": forwardmsg,
    "replymsg": replymsg,
    "abortmsg": abortmsg,
    "dropmsg": drop,
    "waitmsg": waitmsg_called,
    "checkmsg": checkmsg,
    "getport": getport,
    "waitport": waitport,
    "kept": kept,
    "error": error,
    "flags": flags,
    "result": result,
    "setresult": setresult,
    "resultp": resultp,
    "setresultp": setresultp,
    "enter": enter,
    "exit": leave,
    "crit_enter": crit_enter,
    "crit_exit": crit_exit,
    "setcpu": setcpu,
    "setputport": setputport,
    "setreplyport": setreplyport,
    "say": say,
}
"""What a thread does first for a statement, where the statement's arguments are the function's."""
