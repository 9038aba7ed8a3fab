"""The queues of ports: putting at the tail, taking from the head or the middle, and waking who sleeps for it."""

from __future__ import annotations

from msgport.manual.api import FLAGS
from msgport.model.machine import BLOCKED, DONE, QUEUED, REPLY, SYNC, UNDEFINED, EndError, Machine, Next
from msgport.model.state import INTRANSIT, State, Work

PRIORITY = FLAGS["PRIORITY"]


def enqueue(k: Machine, w: Work, port: int, message: int) -> None:
    """Put a message at the tail of a port's queue. One that is on a queue or under way already corrupts both."""
    layout = k.layout
    k.writes |= k.objects.tail[port] | k.objects.message[message]
    if w[layout.flags[message]] & INTRANSIT or any(message in w[place] for place in layout.queue):
        k.touch(w, message)
        raise EndError(UNDEFINED)
    w[layout.flags[message]] |= QUEUED
    w[layout.queue[port]] += (message,)
    wake(k, w, ("port", port))


def complete(k: Machine, w: Work, port: int, message: int) -> None:
    """Finish a reply where its reply port is: mark the message done, queue it unless its sender waits for it."""
    layout = k.layout
    k.writes |= k.objects.message[message]
    flags = w[layout.flags[message]]
    if flags & SYNC:
        w[layout.flags[message]] = flags | DONE | REPLY
        if k.sleepers:
            k.writes |= k.objects.tail[port]
        wake(k, w, ("message", message) if w[layout.kind[port]] != "thread" else ("port", port))
    else:
        enqueue(k, w, port, message)
        w[layout.flags[message]] |= DONE | REPLY


def choices(k: Machine, w: Work, port: int) -> tuple[int, ...]:
    """Which messages may be taken next from a port's queue that is not empty: one, unless the manual leaves it open."""
    layout = k.layout
    queue: tuple[int, ...] = w[layout.queue[port]]
    if not k.priorities:
        return queue[:1]
    k.reads |= k.objects.tail[port]
    urgent, others = by_class(k, w, port)
    if k.semantics.priority_first:
        return tuple((urgent + others)[:1])
    return tuple(urgent[:1] + others[:1])


def by_class(k: Machine, w: Work | State, port: int) -> tuple[list[int], list[int]]:
    """Split a port's queue into its PRIORITY messages and the others, each in the order of arrival."""
    flags, queue = k.layout.flags, w[k.layout.queue[port]]
    urgent = [message for message in queue if w[flags[message]] & PRIORITY]
    return urgent, [message for message in queue if not w[flags[message]] & PRIORITY]


def dequeue(k: Machine, w: Work, port: int, message: int) -> None:
    """Take a message off a port's queue."""
    layout = k.layout
    k.writes |= k.objects.head[port] | k.objects.message[message]
    queue = w[layout.queue[port]]
    if message not in queue:
        raise EndError(UNDEFINED)
    w[layout.queue[port]] = queue[1:] if queue[0] == message else tuple(m for m in queue if m != message)
    w[layout.flags[message]] &= ~QUEUED


def asleep(k: Machine, w: Work, _t: int, what: tuple[str, int], *_resume: object) -> Next:
    """Sleep until somebody wakes who sleeps on ``what``; nothing else helps."""
    if what[0] == "port":
        k.reads |= k.objects.tail[what[1]]
    else:
        k.touch(w, what[1], write=False)
    return BLOCKED


def wake(k: Machine, w: Work, what: tuple[str, int]) -> None:
    """Let those who fell asleep on a port or message look again (only kept track of where a sleeper can miss it)."""
    if not k.sleepers:
        return
    for place in k.layout.control:
        control = w[place]
        if type(control) is tuple and control[1] is asleep and control[2] == what:
            w[place] = (control[0], *control[3:])
