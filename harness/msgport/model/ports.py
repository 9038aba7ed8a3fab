"""What the port kinds do: put, reply, take, wait, drop. Handlers that stand in for a kind's own come first."""

from __future__ import annotations

from msgport.manual.api import EASYNC, ENOENT, FLAGS
from msgport.model import ipi
from msgport.model.machine import (
    BLOCKED,
    DONE,
    QUEUED,
    REPLY,
    SYNC,
    UNDEFINED,
    Action,
    EndError,
    Fork,
    Function,
    Machine,
    Next,
    Pause,
)
from msgport.model.queues import asleep, choices, complete, dequeue, enqueue
from msgport.model.state import INTRANSIT, NOBODY, NULL, Work
from msgport.scenario.outcome import ANY

DROPABLE = FLAGS["DROPABLE"]


def serialized(k: Machine, w: Work, t: int, port: int) -> None:
    """Insist that thread ``t`` holds the port's serializer. That it does, nobody else can change."""
    if w[k.layout.serialized_by[w[k.layout.serializer[port]]]] != t:
        k.misuse("not-serialized")


def owned(k: Machine, w: Work, t: int, port: int) -> None:
    """Insist that thread ``t`` owns the thread port."""
    if w[k.layout.owner[port]] != t:
        k.misuse("not-owner")


# Putting. ``after`` is the function that goes on with the value that the handler returns.


def put(k: Machine, w: Work, t: int, after: Action, port: int, message: int, skipped: int = 0) -> Next:
    """Call the port's putport handler; ``skipped`` handlers have chained to the next."""
    layout = k.layout
    k.reads |= k.objects.port[port]
    k.touch(w, message)
    handlers = w[layout.putport[port]][skipped:]
    if not handlers:
        return _put_default(k, w, t, after, port, message)
    if not skipped:
        k.count(w, f"{k.variant.ports[port].name}.putport")
    what, numbers = handlers[0]
    match what:
        case "return":
            return (*after, numbers[0])
        case "netisr" if w[layout.owner[port]] == t:
            return (*after, numbers[0])
        case "keep":
            k.writes |= k.objects.kept_tail[port]
            w[layout.kept[port]] += (message,)
            w[layout.readers[message]] = 0
            return (*after, EASYNC)
        case "reply":
            return (reply, message, numbers[0], (*after, EASYNC))
        case "replyreturn":
            return (reply, message, numbers[0], (later, (*after, numbers[1])))
    return (put, after, port, message, skipped + 1)


def _put_default(k: Machine, w: Work, t: int, after: Action, port: int, message: int) -> Next:
    layout = k.layout
    kind = w[layout.kind[port]]
    flags = w[layout.flags[message]]
    if kind not in ("thread", "spin", "serialize"):
        raise EndError("putport-illegal")
    if flags & (DONE | REPLY):
        k.misuse("put-done")
    if kind == "serialize":
        serialized(k, w, t, port)
    w[layout.target[message]] = port
    if kind == "spin" and (t, message) in k.facts.sends_watched:
        return Pause((_put_now, after, port, message))
    return _put_now(k, w, t, after, port, message)


def _put_now(k: Machine, w: Work, t: int, after: Action, port: int, message: int) -> Next:
    layout = k.layout
    k.touch(w, message)
    w[layout.readers[message]] = 0
    cpu = w[layout.cpu[t]]
    if w[layout.kind[port]] == "thread" and (there := ipi.owner_cpu(k, w, port)) != cpu:
        if w[layout.flags[message]] & (INTRANSIT | QUEUED):
            raise EndError(UNDEFINED)
        w[layout.flags[message]] |= INTRANSIT
        ipi.send(k, w, cpu, there, ipi.PUT, message)
    else:
        enqueue(k, w, port, message)
    return (*after, EASYNC)


# Replying.


def later(k: Machine, w: Work, t: int, then: Action) -> Next:
    """Go on in a step of its own: the message has been given away, and others may have changed it meanwhile."""
    return Pause(then)


def reply(k: Machine, w: Work, t: int, message: int, error: int, then: Action | None, skipped: int = 0) -> Next:
    """Reply to a message, then go on with ``then``: the error is written, then the reply port's handler is called."""
    layout = k.layout
    flags = k.touch(w, message)
    port = w[layout.reply[message]]
    if port == NOBODY:
        raise EndError(UNDEFINED)
    if not k.semantics.asserts and flags & (DONE | QUEUED | INTRANSIT | REPLY):
        raise EndError(UNDEFINED)
    k.reads |= k.objects.port[port]
    w[layout.error[message]] = error
    w[layout.readers[message]] = 0
    handlers = w[layout.replyport[port]][skipped:]
    if not handlers:
        return _reply_default(k, w, t, port, message, then)
    if not skipped:
        k.count(w, f"{k.variant.ports[port].name}.replyport")
    match handlers[0][0]:
        case "done":
            w[layout.flags[message]] |= DONE | REPLY
        case "chain":
            return (reply, message, error, then, skipped + 1)
    return then


def _reply_default(k: Machine, w: Work, t: int, port: int, message: int, then: Action | None) -> Next:
    layout = k.layout
    flags = w[layout.flags[message]]
    kind = w[layout.kind[port]]
    if kind == "replyonly_null":
        w[layout.flags[message]] |= DONE | REPLY
        return then
    if kind not in ("thread", "spin", "serialize"):
        raise EndError("replymsg-illegal")
    if flags & (DONE | QUEUED) or (kind == "thread" and flags & INTRANSIT):
        k.misuse("reply-not-held")
    if flags & INTRANSIT:
        raise EndError(UNDEFINED)
    if kind == "serialize":
        serialized(k, w, t, port)
    cpu = w[layout.cpu[t]]
    if kind == "thread" and (there := ipi.owner_cpu(k, w, port)) != cpu:
        w[layout.flags[message]] |= INTRANSIT | REPLY
        if (t, message) in k.facts.replies_watched:
            return Pause((_reply_over, there, message, then))
        return _reply_over(k, w, t, there, message, then)
    complete(k, w, port, message)
    return then


def _reply_over(k: Machine, w: Work, t: int, there: int, message: int, then: Action | None) -> Next:
    ipi.send(k, w, w[k.layout.cpu[t]], there, ipi.REPLY_TO, message)
    return then


# Taking.


def getport(k: Machine, w: Work, t: int, port: int) -> Next:
    """Take the first message, or null."""
    layout, objects = k.layout, k.objects
    _takeable(k, w, t, port, "getport-illegal")
    k.writes |= objects.head[port]
    if not w[layout.queue[port]]:
        k.reads |= objects.tail[port]
        return k.finish(w, NULL)
    return _take_first(k, w, t, port)


def waitport(k: Machine, w: Work, t: int, port: int) -> Next:
    """Take the first message; sleep until there is one. On a serializer port the sleeper lets the serializer go."""
    layout = k.layout
    _takeable(k, w, t, port, "waitport-illegal")
    if w[layout.queue[port]]:
        return _take_first(k, w, t, port)
    k.reads |= k.objects.tail[port] | k.objects.head[port]
    if w[layout.kind[port]] == "serialize":
        _let_go(k, w, port)
        return Pause((_wait_serialized, port))
    return BLOCKED


def _takeable(k: Machine, w: Work, t: int, port: int, panic: str) -> None:
    k.reads |= k.objects.port[port]
    match w[k.layout.kind[port]]:
        case "thread":
            owned(k, w, t, port)
        case "serialize":
            serialized(k, w, t, port)
        case "spin":
            pass
        case _:
            raise EndError(panic)


def _let_go(k: Machine, w: Work, port: int) -> None:
    place = k.layout.serializer[port]
    k.writes |= k.objects.serializer[w[place]]
    w[k.layout.serialized_by[w[place]]] = NOBODY


def _take_back(k: Machine, w: Work, t: int, port: int) -> bool:
    serializer = w[k.layout.serializer[port]]
    k.writes |= k.objects.serializer[serializer]
    if w[k.layout.serialized_by[serializer]] != NOBODY:
        return False
    w[k.layout.serialized_by[serializer]] = t
    return True


def _wait_serialized(k: Machine, w: Work, t: int, port: int) -> Next:
    layout = k.layout
    k.reads |= k.objects.port[port] | k.objects.tail[port] | k.objects.head[port]
    if not w[layout.queue[port]] or not _take_back(k, w, t, port):
        k.reads |= k.objects.serializer[w[layout.serializer[port]]]
        return BLOCKED
    return _take_first(k, w, t, port)


def _take_first(k: Machine, w: Work, t: int, port: int) -> Next:
    messages = choices(k, w, port)
    if len(messages) > 1:
        return Fork(tuple((_take, port, message) for message in messages))
    return _take(k, w, t, port, messages[0])


def _take(k: Machine, w: Work, t: int, port: int, message: int) -> Next:
    dequeue(k, w, port, message)
    w[k.layout.readers[message]] = 1 << t
    return k.finish(w, message)


def kept(k: Machine, w: Work, t: int, port: int) -> Next:
    """Take the oldest message that the port's keep handler kept; sleep until there is one."""
    place = k.layout.kept[port]
    if not w[place]:
        k.reads |= k.objects.kept_tail[port] | k.objects.kept_head[port]
        return BLOCKED
    message = w[place][0]
    k.writes |= k.objects.kept_head[port] | k.objects.message[message]
    w[place] = w[place][1:]
    w[k.layout.readers[message]] = 1 << t
    return k.finish(w, message)


# Waiting for one message.


def waitmsg(k: Machine, w: Work, t: int, known: bool, message: int) -> Next:
    """Sleep until the message is done; take it off its reply port. ``known``: the manual defines what is returned."""
    layout = k.layout
    flags = k.touch(w, message)
    port = w[layout.reply[message]]
    if port == NOBODY:
        raise EndError(UNDEFINED)
    k.reads |= k.objects.port[port]
    kind = w[layout.kind[port]]
    if kind not in ("thread", "spin", "serialize"):
        raise EndError("waitmsg-illegal")
    if flags & DROPABLE:
        k.misuse("wait-dropable")
    if not flags & DONE or flags & QUEUED:
        if kind == "thread":
            owned(k, w, t, port)
        elif kind == "serialize":
            serialized(k, w, t, port)
    if flags & DONE:
        return _waited(k, w, t, known, port, message)
    if kind == "serialize":
        _let_go(k, w, port)
    elif not k.sleepers:
        return BLOCKED
    return _sleep(k, w, known, port, message)


def _sleep(k: Machine, w: Work, known: bool, port: int, message: int) -> Next:
    again: Action = (_look_again, known, port, message)
    if not k.sleepers:
        return Pause(again)
    k.reads |= k.objects.tail[port]
    by_message = w[k.layout.kind[port]] != "thread" and w[k.layout.flags[message]] & SYNC
    return Pause((asleep, ("message", message) if by_message else ("port", port), *again))


def _look_again(k: Machine, w: Work, t: int, known: bool, port: int, message: int) -> Next:
    if not k.touch(w, message) & DONE:
        return _sleep(k, w, known, port, message) if k.sleepers else BLOCKED
    if w[k.layout.kind[port]] == "serialize" and not _take_back(k, w, t, port):
        k.reads |= k.objects.serializer[w[k.layout.serializer[port]]]
        return BLOCKED
    return _waited(k, w, t, known, port, message)


def _waited(k: Machine, w: Work, t: int, known: bool, port: int, message: int) -> Next:
    layout = k.layout
    if w[layout.flags[message]] & QUEUED:
        dequeue(k, w, port, message)
    w[layout.readers[message]] |= 1 << t
    return k.finish(w, w[layout.error[message]] if known or k.semantics.definite else ANY)


WAITS: dict[Function, int] = {waitport: 2, _wait_serialized: 2, _look_again: 3, asleep: 5}
"""The actions that a thread may be asleep in, and where in its control the port stands that it waits for."""

# Dropping.


def drop(k: Machine, w: Work, t: int, message: int) -> Next:
    """Take a message back from its target port, if it is still there."""
    layout, semantics = k.layout, k.semantics
    flags = k.touch(w, message)
    if semantics.drop_dropable_only and not flags & DROPABLE:
        k.misuse("drop-not-dropable")
    port = w[layout.target[message]]
    if port == NOBODY:
        return _dropped(k, w, ENOENT)
    k.reads |= k.objects.port[port]
    kind = w[layout.kind[port]]
    has_owner = kind in ("thread", "spin") and w[layout.owner[port]] != NOBODY
    if (semantics.drop_some_kinds_only or kind not in ("thread", "spin", "serialize")) and not has_owner:
        raise EndError("dropmsg-illegal")
    if semantics.drop_owner_only and has_owner and w[layout.owner[port]] != t:
        k.misuse("drop-not-owner")
    if kind == "serialize":
        serialized(k, w, t, port)
    if flags & REPLY:
        return _dropped(k, w, ENOENT)
    if flags & QUEUED:
        dequeue(k, w, port, message)
    elif flags & INTRANSIT and not semantics.drop_queued_only:
        ipi.withdraw(k, w, message)
    else:
        return _dropped(k, w, ENOENT)
    w[layout.flags[message]] |= DONE
    w[layout.readers[message]] |= 1 << t
    return _dropped(k, w, 0)


def _dropped(k: Machine, w: Work, result: int) -> Next:
    return k.finish(w, result if k.semantics.definite else ANY)
