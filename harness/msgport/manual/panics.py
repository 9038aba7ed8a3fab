"""The panics that a kernel's message ports can raise: a name for each, and the text that announces it.

``text`` is a regular expression over what follows ``panic: `` on the console, white space folded. It allows the
kernel's wording to differ where releases differ and pins down what tells two panics apart. The first class whose
text matches names the panic; a text that matches none is ``other``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class PanicClass:
    """One way to panic: its stable name, the text that announces it, whether only INVARIANTS kernels have it.

    ``function`` is the kernel's that panics so and in no other way: its name in a stack trace tells the class, too.
    """

    name: str
    text: str
    assertion: bool
    about: str
    function: str = ""


PANICS: tuple[PanicClass, ...] = (
    # The special ports: these stay without INVARIANTS.
    PanicClass(
        "getport-illegal",
        r"lwkt_getport\(\) illegal on port",
        False,
        "getport on a port that has no queue",
        "lwkt_panic_getport",
    ),
    PanicClass(
        "putport-illegal",
        r"lwkt_begin/do/sendmsg\(\) illegal on port",
        False,
        "a put to a reply-only port",
        "lwkt_panic_putport",
    ),
    PanicClass(
        "waitmsg-illegal",
        r"port \S+ msg \S+ cannot be waited on",
        False,
        "waitmsg via a special reply port",
        "lwkt_panic_waitmsg",
    ),
    PanicClass(
        "waitport-illegal",
        r"port \S+ cannot be waited on",
        False,
        "waitport on a port that has no queue",
        "lwkt_panic_waitport",
    ),
    PanicClass(
        "replymsg-illegal",
        r"lwkt_replymsg\(\) is illegal on port",
        False,
        "reply to a put-only or panic port",
        "lwkt_panic_replyport",
    ),
    PanicClass(
        "dropmsg-illegal",
        r"lwkt_dropmsg\(\) is illegal on port",
        False,
        "drop on a port that cannot drop",
        "lwkt_panic_dropmsg",
    ),
    # Assertions. Their function and expression tell them apart.
    PanicClass(
        "send-not-idle",
        r'assertion "?[^"]*ms_reply_port != NULL.*MSGF_DONE.*\b(_lwkt_sendmsg_prepare|lwkt_sendmsg|lwkt_domsg)\b',
        True,
        "a send of a message that is not DONE and off every queue, or that has no reply port",
    ),
    PanicClass("forward-not-held", r"assertion .*\blwkt_forwardmsg\b", True, "a forward of a message nobody holds"),
    PanicClass(
        "put-done", r"assertion .*MSGF_DONE.*\blwkt_(thread|spin|serialize)_putport\w*", True, "a put of a DONE message"
    ),
    PanicClass(
        "reply-not-held",
        r"assertion .*MSGF_DONE.*\blwkt_(thread|spin|serialize)_replyport\b",
        True,
        "a reply to a message that is done, queued or on its way",
    ),
    PanicClass("not-intransit", r"assertion .*INTRANSIT.*_remote\b", True, "a message changed while it was in flight"),
    PanicClass("not-owner", r"assertion .*mpu?_\w*td.* == .*\blwkt_thread_\w+", True, "another thread's thread port"),
    PanicClass("serialized-twice", r"assertion .*lwkt_serialize_enter\b", True, "a serializer entered twice"),
    PanicClass("not-serialized", r"assertion .*IS_SERIALIZED.*", True, "a serializer port without its serializer"),
    PanicClass("wait-dropable", r"can't wait dropable message", True, "waitmsg on a dropable message"),
    PanicClass("drop-not-owner", r"message could only be dropped in the same thread", True, "dropmsg by a non-owner"),
    PanicClass("drop-not-dropable", r"assertion .*MSGF_DROPABLE", True, "dropmsg of a message that is not DROPABLE"),
)

OTHER = "other"

ASSERTIONS = frozenset(panic.name for panic in PANICS if panic.assertion)
"""The classes that only a kernel with INVARIANTS has."""


def classify(text: str) -> str:
    """Name the panic that ``text`` (what follows ``panic: ``, possibly over several lines) announces."""
    folded = " ".join(text.split())
    return next((panic.name for panic in PANICS if re.search(panic.text, folded)), OTHER)


def classify_function(function: str) -> str | None:
    """Name the panic that a function in a stack trace tells; None when it tells none, or more than one."""
    return next((panic.name for panic in PANICS if panic.function and panic.function == function), None)
