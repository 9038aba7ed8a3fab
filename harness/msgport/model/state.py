"""The shape of a state: a flat tuple, and where in it everything stands.

A state holds small values only: numbers, short tuples, strings. A message is its index in ``variant.messages``; a
port, thread or serializer likewise. ``Layout`` says at which index of the tuple each field stands.

control of thread t   an int: the statement (from 0) that it will start next; or, inside a call,
                      ``(statement, function, *arguments)``: what it will do next; or ``(statement, DEAD, ending)``
queue                 a tuple of messages, oldest first
channel (i, j)        a tuple of ``(kind, subject)``, oldest first: what CPU i has sent to CPU j
register              None until reached (and when skipped), NULL, STRAY or a message, a number, or flags as text
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgport.manual.api import FLAGS
from msgport.scenario.outcome import ANY
from msgport.scenario.program import Handler, Variant

State = tuple[Any, ...]
Work = list[Any]
"""A state that a step is writing."""

NULL = -1
STRAY = -2
"""A pointer to nothing that the variant declares."""
NOBODY = -1
DEAD = "dead"
INTRANSIT = 0x10

Behaviour = tuple[str, tuple[int, ...]]
"""A handler as states hold it: the name of what it does, its numbers."""


def behaviour(handler: Handler) -> Behaviour:
    """Write a handler as states hold it."""
    return handler.behaviour, handler.arguments


def flag_bits(names: Iterable[str]) -> int:
    """Add up flags given by name."""
    return sum(FLAGS[name] for name in set(names))


class Layout:
    """Where each field of each thing stands in a variant's states.

    Every attribute that is a list or a dict maps an index (or name) to a place in the state.
    """

    def __init__(self, variant: Variant) -> None:
        """Allot the places."""
        self.variant = variant
        self._size = 0
        threads, ports, messages = variant.threads, variant.ports, variant.messages
        self.threads = {thread.name: i for i, thread in enumerate(threads)}
        self.ports = {port.name: i for i, port in enumerate(ports)}
        self.messages = {message.name: i for i, message in enumerate(messages)}
        self.serializers = {name: i for i, name in enumerate(variant.serializers)}

        self.control = self._places(len(threads))
        self.cpu = self._places(len(threads))
        self.critical = self._places(len(threads))
        self.registers: list[dict[str, int]] = [
            {
                name: self._places(1)[0]
                for name in dict.fromkeys(statement.register for statement in thread.body)
                if name is not None
            }
            for thread in threads
        ]
        self.holder = self._places(variant.cpus)  # the thread that keeps a CPU to itself, or NOBODY
        self.serialized_by = self._places(len(variant.serializers))

        self.queue = self._places(len(ports))
        self.kept = self._places(len(ports))
        self.kind = self._places(len(ports))
        self.owner = self._places(len(ports))
        self.serializer = self._places(len(ports))
        self.putport = self._places(len(ports))
        self.replyport = self._places(len(ports))

        self.flags = self._places(len(messages))
        self.error = self._places(len(messages))
        self.result = self._places(len(messages))
        self.target = self._places(len(messages))
        self.reply = self._places(len(messages))
        self.abort = self._places(len(messages))
        self.readers = self._places(len(messages))  # bit t is set when thread t may read it

        self.calls = {o.subject: self._places(1)[0] for o in variant.observables if o.kind == "calls"}
        self.said = self._places(1)[0] if variant.says else None
        self.channels = {(i, j): self._places(1)[0] for i in range(variant.cpus) for j in range(variant.cpus) if i != j}

    def _places(self, count: int) -> list[int]:
        start, self._size = self._size, self._size + count
        return list(range(start, self._size))

    def initial(self, *, definite: bool) -> State:
        """Give the state before the first step. ``definite``: a fresh message's ms_error is known (it is 0)."""
        variant = self.variant
        state: Work = [None] * self._size
        for t, thread in enumerate(variant.threads):
            state[self.control[t]] = 0
            state[self.cpu[t]] = thread.cpu
            state[self.critical[t]] = 0
        for place in (*self.holder, *self.serialized_by):
            state[place] = NOBODY
        for p, port in enumerate(variant.ports):
            state[self.queue[p]] = state[self.kept[p]] = ()
            state[self.kind[p]] = port.kind.value
            state[self.owner[p]] = NOBODY if port.owner is None else self.threads[port.owner]
            state[self.serializer[p]] = NOBODY if port.serializer is None else self.serializers[port.serializer]
            state[self.putport[p]] = () if port.putport is None else (behaviour(port.putport),)
            state[self.replyport[p]] = () if port.replyport is None else (behaviour(port.replyport),)
        for m, message in enumerate(variant.messages):
            bits = 0 if message.raw else FLAGS["DONE"] | flag_bits(message.flags)
            if message.abort is not None and not message.raw:
                bits |= FLAGS["ABORTABLE"]
            state[self.flags[m]] = bits
            state[self.error[m]] = 0 if definite else ANY
            state[self.result[m]] = 0
            state[self.target[m]] = NOBODY
            state[self.reply[m]] = NOBODY if message.reply is None or message.raw else self.ports[message.reply]
            state[self.abort[m]] = () if message.abort is None or message.raw else behaviour(message.abort)
            state[self.readers[m]] = -1  # nobody has sent it: anyone may read
        for place in self.calls.values():
            state[place] = 0
        if self.said is not None:
            state[self.said] = ()
        for place in self.channels.values():
            state[place] = ()
        return tuple(state)
