"""The message-port API that msgport.9 documents, and the numbers that stand behind its names.

Sources: msgport.9 (SYNOPSIS, DESCRIPTION); the flag values are DragonFly's and the same in every era.
"""

from __future__ import annotations

from enum import StrEnum


class PortKind(StrEnum):
    """The seven ways to initialise a port; the value is the suffix of its ``lwkt_initport_*``."""

    THREAD = "thread"
    SPIN = "spin"
    SERIALIZE = "serialize"
    PANIC = "panic"
    REPLYONLY_NULL = "replyonly_null"
    REPLYONLY = "replyonly"
    PUTONLY = "putonly"


class Era(StrEnum):
    """A span of DragonFly releases with one message-port API."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"


FUNCTIONS: tuple[str, ...] = (
    "lwkt_initport_thread",
    "lwkt_initport_spin",
    "lwkt_initport_serialize",
    "lwkt_initport_panic",
    "lwkt_initport_replyonly_null",
    "lwkt_initport_replyonly",
    "lwkt_initport_putonly",
    "lwkt_sendmsg",
    "lwkt_domsg",
    "lwkt_forwardmsg",
    "lwkt_abortmsg",
    "lwkt_initmsg",
    "lwkt_initmsg_abortable",
    "lwkt_beginmsg",
    "lwkt_replymsg",
    "lwkt_getport",
    "lwkt_waitport",
    "lwkt_waitmsg",
    "lwkt_checkmsg",
    "lwkt_dropmsg",
)
"""The 20 functions in the order of the page's NAME section."""

FLAGS: dict[str, int] = {
    "DONE": 0x1,
    "REPLY": 0x2,
    "QUEUED": 0x4,
    "SYNC": 0x8,
    "DROPABLE": 0x40,
    "ABORTABLE": 0x80,
    "PRIORITY": 0x100,
    "USER0": 0x10000,
    "USER1": 0x20000,
    "USER2": 0x40000,
    "USER3": 0x80000,
}
"""Message flags by name without ``MSGF_``. INTRANSIT, WAITING and RECEIPT are left out: their timing is private."""

SHOWN_FLAGS: tuple[str, ...] = ("DONE", "REPLY", "QUEUED", "SYNC", "PRIORITY", "USER0", "USER1", "USER2", "USER3")
"""The flags that an outcome may show, in the order in which they are written."""

EASYNC = 99
ENOENT = 2


def show_flags(bits: int) -> str:
    """Write flag bits as an outcome shows them: ``DONE+REPLY``, or ``0`` when none of the shown flags is set."""
    return "+".join(name for name in SHOWN_FLAGS if bits & FLAGS[name]) or "0"
