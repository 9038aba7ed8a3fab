"""Where the two models differ: one record, two instances, and a sentence for each way in which the kernel deviates."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Semantics:
    """What a model takes for granted; each field is one named difference between the manual and the kernel.

    ``initmsg_assigns``: lwkt_initmsg replaces the message's flags instead of adding to them.
    ``abort_in_flight_only``: lwkt_abortmsg calls the abort function only between the send and the reply.
    ``drop_dropable_only``: lwkt_dropmsg wants a message with DROPABLE.
    ``drop_owner_only``: lwkt_dropmsg wants to be called by the thread that owns the target port.
    ``drop_some_kinds_only``: lwkt_dropmsg works on thread ports and owned spin ports and panics on others.
    ``drop_queued_only``: lwkt_dropmsg misses a message whose put is still under way to another CPU.
    ``priority_first``: PRIORITY messages are taken before all others; otherwise their order against others is open.
    ``asserts``: misuse trips an assertion (INVARIANTS); otherwise whatever follows it is undefined.
    ``spin_builtin``: a thread's built-in port is a spin port, which the page does not know; otherwise a thread port.
    ``definite``: every result is known; otherwise those that the page does not define are open.
    """

    initmsg_assigns: bool
    abort_in_flight_only: bool
    drop_dropable_only: bool
    drop_owner_only: bool
    drop_some_kinds_only: bool
    drop_queued_only: bool
    priority_first: bool
    asserts: bool
    definite: bool
    spin_builtin: bool = False


MANUAL = Semantics(
    initmsg_assigns=False,
    abort_in_flight_only=False,
    drop_dropable_only=False,
    drop_owner_only=False,
    drop_some_kinds_only=False,
    drop_queued_only=False,
    priority_first=False,
    asserts=False,
    definite=False,
)
"""Permits whatever msgport.9 does not forbid."""

KERNEL = Semantics(
    initmsg_assigns=True,
    abort_in_flight_only=True,
    drop_dropable_only=True,
    drop_owner_only=True,
    drop_some_kinds_only=True,
    drop_queued_only=True,
    priority_first=True,
    asserts=True,
    definite=True,
)
"""What DragonFly does (3.4 and later), built with INVARIANTS as its GENERIC kernels are.

``replace(KERNEL, asserts=False)`` is one without: what an assertion would have stopped then corrupts in silence.
"""

SPIN_KERNEL = replace(KERNEL, spin_builtin=True)
"""The same, booted with the tunable ``lwkt.use_spin_port=1``."""


@dataclass(frozen=True)
class Deviation:
    """A way in which the kernel leaves what the page says: the ``Semantics`` field behind it, a name, a sentence."""

    field: str
    name: str
    about: str


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        "initmsg_assigns",
        "initmsg-assigns-flags",
        "lwkt_initmsg assigns the flags it is given, where the page has them or'ed to those already on the message.",
    ),
    Deviation(
        "abort_in_flight_only",
        "abort-only-in-flight",
        "lwkt_abortmsg calls the abort function only when the message is sent and not yet replied to, where the page "
        "has it called whenever the message was initialised as abortable.",
    ),
    Deviation(
        "drop_dropable_only",
        "drop-needs-dropable",
        "lwkt_dropmsg panics unless the message has MSGF_DROPABLE, which the page does not mention.",
    ),
    Deviation(
        "drop_owner_only",
        "drop-by-owner-only",
        "lwkt_dropmsg panics unless the target port's owner calls it, where the page lets any thread drop.",
    ),
    Deviation(
        "drop_some_kinds_only",
        "drop-thread-and-owned-spin-only",
        "lwkt_dropmsg panics on serializer ports and on spin ports without an owner, where the page names no kind.",
    ),
    Deviation(
        "drop_queued_only",
        "drop-misses-in-flight",
        "lwkt_dropmsg misses a message that is still under way to another CPU: it is queued afterwards all the same.",
    ),
)

READINGS: tuple[str, ...] = (
    "Sending a message that is not idle, replying to or forwarding one that nobody holds, taking from another thread's "
    "thread port, waiting for a reply to one, waiting for a dropable message, and touching a serializer port without "
    "its serializer are misuse: the page does not say what follows, so anything may.",
    "Handlers of a special port that the page has panic do panic, in both models.",
    "lwkt_abortmsg of a message that is not abortable does nothing.",
    "lwkt_dropmsg of a message that is on no target port's queue (never sent, taken, replied to) does nothing.",
    "lwkt_waitmsg of a message that was never sent returns at once.",
    "PRIORITY is not on the page: in the manual model either the first PRIORITY message or the first other is next.",
    "ms_error is known once lwkt_replymsg or lwkt_sendmsg's own reply wrote it, until a synchronous lwkt_domsg.",
    "A message that the kernel would put on two queues at once, or whose PRIORITY lwkt_initmsg changes while it is "
    "queued, or a port made anew while messages or sleepers are on it, corrupts memory: both models leave what follows "
    "open.",
    "A race between two replies to one message is told apart at the assertion: the loser panics.",
)
"""How the page was read where it can be read in more than one way, or is silent."""
