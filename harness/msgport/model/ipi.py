"""IPI channels: one FIFO for each ordered pair of CPUs, drained in order, in any order between pairs.

What travels: a message's put to a thread port, a reply to one, and a thread that moves. What finds that its thread
has moved on chases it through the next channel.
"""

from __future__ import annotations

from msgport.model.machine import EndError, Machine
from msgport.model.queues import complete, enqueue
from msgport.model.state import DEAD, INTRANSIT, NOBODY, State, Work

PUT, REPLY_TO, THREAD = "put", "reply", "thread"


def send(k: Machine, w: Work, source: int, target: int, kind: str, subject: int) -> None:
    """Put one thing into the channel from CPU ``source`` to CPU ``target``."""
    k.writes |= k.objects.channel_tail[source, target]
    w[k.layout.channels[source, target]] += ((kind, subject),)


def withdraw(k: Machine, w: Work, message: int) -> None:
    """Take a message that is under way back out of its channel."""
    for pair, place in k.layout.channels.items():
        if (PUT, message) in w[place]:
            k.writes |= k.objects.channel_head[pair]
            w[place] = tuple(item for item in w[place] if item != (PUT, message))
    w[k.layout.flags[message]] &= ~INTRANSIT


def owner_cpu(k: Machine, w: Work | State, port: int) -> int:
    """Give the CPU that a thread port's owner is on."""
    owner = w[k.layout.owner[port]]
    k.reads |= k.objects.port[port] | k.objects.place[owner]
    cpu: int = w[k.layout.cpu[owner]]
    return cpu


def deliver(k: Machine, s: State, pair: tuple[int, int]) -> tuple[State, ...]:
    """Deliver what is first in a channel; nothing when it is empty, or its CPU is in a critical section."""
    layout, objects = k.layout, k.objects
    k.reads = k.writes = 0
    k.needs = NOBODY
    place = layout.channels[pair]
    items = s[place]
    if not items or items[0] == DEAD:
        return ()
    cpu = pair[1]
    if k.holding:
        k.reads |= objects.cpu[cpu]
        holder = s[layout.holder[cpu]]
        if holder != NOBODY and s[layout.critical[holder]]:
            k.needs = holder
            return ()
    w = list(s)
    w[place] = items[1:]
    k.writes |= objects.channel_head[pair]
    kind, subject = items[0]
    try:
        if kind == THREAD:
            k.writes |= objects.place[subject]
            w[layout.cpu[subject]] = cpu
        else:
            _land(k, w, cpu, kind, subject)
    except EndError as end:
        w = list(s)
        w[place] = (DEAD, end.how)
    return (tuple(w),)


def _land(k: Machine, w: Work, cpu: int, kind: str, message: int) -> None:
    layout = k.layout
    k.writes |= k.objects.message[message]
    port = w[layout.target[message] if kind == PUT else layout.reply[message]]
    there = owner_cpu(k, w, port)
    if there != cpu:
        send(k, w, cpu, there, kind, message)
        return
    if not w[layout.flags[message]] & INTRANSIT:
        k.misuse("not-intransit")
    w[layout.flags[message]] &= ~INTRANSIT
    if kind == PUT:
        enqueue(k, w, port, message)
    else:
        complete(k, w, port, message)
