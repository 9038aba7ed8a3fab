"""The message-port API that msgport.9 documents, and the numbers that stand behind its names.

Sources: msgport.9 (SYNOPSIS, DESCRIPTION); the flag values are DragonFly's and the same in every era.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache

from msgport.manual.prototype import Prototype, prototype


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


RELEASES: dict[Era, str] = {
    Era.A: "3.0 and older",
    Era.B: "3.2",
    Era.C: "3.4",
    Era.D: "3.6 and 3.8",
    Era.E: "4.0 and later",
}
"""The releases of DragonFly that an era spans."""

_DECLARATIONS: tuple[tuple[str, str], ...] = (
    ("ABCDE", "void lwkt_initport_thread(lwkt_port_t port, struct thread *td)"),
    ("A", "void lwkt_initport_spin(lwkt_port_t port)"),
    ("BC", "void lwkt_initport_spin(lwkt_port_t port, struct thread *td)"),
    ("DE", "void lwkt_initport_spin(lwkt_port_t port, struct thread *td, boolean_t fixed_cpuid)"),
    ("ABCDE", "void lwkt_initport_serialize(lwkt_port_t port, struct lwkt_serialize *slz)"),
    ("ABCDE", "void lwkt_initport_panic(lwkt_port_t port)"),
    ("ABCDE", "void lwkt_initport_replyonly_null(lwkt_port_t port)"),
    ("ABCDE", "void lwkt_initport_replyonly(lwkt_port_t port, void (*rportfn)(lwkt_port_t, lwkt_msg_t))"),
    ("ABCDE", "void lwkt_initport_putonly(lwkt_port_t port, int (*pportfn)(lwkt_port_t, lwkt_msg_t))"),
    ("ABCDE", "void lwkt_sendmsg(lwkt_port_t port, lwkt_msg_t msg)"),
    ("C", "void lwkt_sendmsg_stage1(lwkt_port_t port, lwkt_msg_t msg)"),
    ("C", "void lwkt_sendmsg_stage2(lwkt_port_t port, lwkt_msg_t msg)"),
    ("DE", "void lwkt_sendmsg_prepare(lwkt_port_t port, lwkt_msg_t msg)"),
    ("DE", "void lwkt_sendmsg_start(lwkt_port_t port, lwkt_msg_t msg)"),
    ("DE", "void lwkt_sendmsg_oncpu(lwkt_port_t port, lwkt_msg_t msg)"),
    ("ABCDE", "int lwkt_domsg(lwkt_port_t port, lwkt_msg_t msg, int flags)"),
    ("ABCDE", "int lwkt_forwardmsg(lwkt_port_t port, lwkt_msg_t msg)"),
    ("ABCDE", "void lwkt_abortmsg(lwkt_msg_t msg)"),
    ("ABCDE", "void lwkt_initmsg(lwkt_msg_t msg, lwkt_port_t rport, int flags)"),
    ("ABCDE", "void lwkt_initmsg_abortable(lwkt_msg_t msg, lwkt_port_t rport, int flags, void (*abortfn)(lwkt_msg_t))"),
    ("ABC", "int lwkt_beginmsg(lwkt_port_t port, lwkt_msg_t msg)"),
    ("ABCDE", "void lwkt_replymsg(lwkt_msg_t msg, int error)"),
    ("ABCDE", "void *lwkt_getport(lwkt_port_t port)"),
    ("ABCDE", "void *lwkt_waitport(lwkt_port_t port, int flags)"),
    ("ABCDE", "int lwkt_waitmsg(lwkt_msg_t msg, int flags)"),
    ("ABCDE", "int lwkt_checkmsg(lwkt_msg_t msg)"),
    ("AB", "void lwkt_dropmsg(lwkt_msg_t msg)"),
    ("CDE", "int lwkt_dropmsg(lwkt_msg_t msg)"),
    ("E", "void lwkt_setmsg_receipt(lwkt_msg_t msg, void (*receiptfn)(lwkt_msg_t, lwkt_port_t))"),
)
"""Each function with the eras in which a module can call it so: sys/msgport.h and sys/msgport2.h of the releases."""

PRIVATE: dict[Era, frozenset[str]] = {
    era: frozenset(("lwkt_beginmsg",) if era in (Era.D, Era.E) else ()) for era in Era
}
"""Functions that an era has but keeps to lwkt_msgport.c."""


@cache
def prototypes(era: Era) -> dict[str, Prototype]:
    """The functions that a module can call in an era, by name."""
    found = (prototype(declaration) for eras, declaration in _DECLARATIONS if era in eras)
    return {each.name: each for each in found}


def function_names() -> frozenset[str]:
    """The functions of every era, private ones included."""
    return frozenset(name for era in Era for name in prototypes(era))
