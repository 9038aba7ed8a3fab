"""What msgport.9 claims, in our own words: one testable statement each, with a stable id.

``reading`` says how a vague sentence is understood here. ``untestable`` says why no scenario can test the claim; a
claim without it is tested by every scenario of the catalogue that names it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One statement of the page: its id (``topic.statement``), the page's section, what it says."""

    id: str
    section: str
    text: str
    reading: str = ""
    untestable: str = ""


_NAME = "NAME"
_SYNOPSIS = "SYNOPSIS"
_DESCRIPTION = "DESCRIPTION"
_MESSAGES = "MESSAGE FUNCTIONS"
_PORTS = "PORT FUNCTIONS"
_SPECIAL = "SPECIAL PORT INITIALIZERS"
_INTERNAL = "INTERNAL MESSAGE FUNCTIONS"
_FILES = "FILES"
_EXAMPLES = "EXAMPLES"
_NOTES = "NOTES"
_HISTORY = "HISTORY"

_ALL = (
    Claim(
        "checkmsg.done",
        _NAME,
        "checkmsg tells whether a message is done.",
        reading="The page only gives its name and type: true once the reply has come, false from send to reply.",
    ),
    Claim(
        "synopsis.headers",
        _SYNOPSIS,
        "The functions are declared in sys/msgport.h, the inline ones in sys/msgport2.h.",
        reading="Every generated module includes both, so each compiles only where this holds.",
        untestable="settled when a module is compiled, before anything runs",
    ),
    Claim(
        "synopsis.initports",
        _SYNOPSIS,
        "The seven initport functions take a port and what their kind needs, and return nothing.",
        untestable="settled when a module is compiled; `msgport manual` compares the synopsis with each era's API",
    ),
    Claim(
        "synopsis.initport-spin",
        _SYNOPSIS,
        "initport_spin takes nothing but the port.",
        untestable="settled when a module is compiled: true up to 3.0; since 3.2 it takes an owner, since 3.6 one more",
    ),
    Claim(
        "synopsis.dropmsg",
        _SYNOPSIS,
        "dropmsg returns nothing.",
        untestable="settled when a module is compiled: true up to 3.2; since 3.4 it returns 0 or ENOENT",
    ),
    Claim(
        "synopsis.beginmsg",
        _SYNOPSIS,
        "beginmsg can be called by whoever includes sys/msgport2.h.",
        untestable="settled when a module is compiled: true up to 3.4; since 3.6 it is private to the implementation",
    ),
    Claim(
        "forwardmsg.value",
        _SYNOPSIS,
        "forwardmsg returns a number.",
        reading="The page does not say which: it is left open. DragonFly's is what the putport handler returned.",
    ),
    Claim(
        "waitmsg.value",
        _SYNOPSIS,
        "waitmsg returns a number.",
        reading="The page does not say which: it is left open. DragonFly's is the message's error.",
    ),
    Claim(
        "getport.value",
        _SYNOPSIS,
        "What getport and waitport return is an untyped pointer.",
        reading="It points to the message itself.",
    ),
    Claim(
        "domsg.flags",
        _SYNOPSIS,
        "domsg takes flags.",
        reading="The page does not describe them: those of the sleep, as waitmsg's.",
        untestable="the one flag in use, PCATCH, counts when a signal comes, to threads of a process only",
    ),
    Claim("port.builtin", _DESCRIPTION, "Every LWKT thread has a port of its own."),
    Claim(
        "port.builtin-thread",
        _DESCRIPTION,
        "A thread's own port is of type thread unless something else is asked for.",
        reading="By default: as a kernel comes up without lwkt.use_spin_port, and the thread without a flag for it.",
    ),
    Claim("port.additional", _DESCRIPTION, "Ports can be made beside those that are built in."),
    Claim("port.kinds", _DESCRIPTION, "Ports come in three types: thread, spin, serializer."),
    Claim("port.thread-single-owner", _DESCRIPTION, "A thread port is owned by one thread; it may own several."),
    Claim("port.kind-at-init", _DESCRIPTION, "A port's kind is chosen when it is initialised."),
    Claim("port.thread-delivers", _DESCRIPTION, "A message sent to a thread port can be taken by the port's owner."),
    Claim(
        "port.thread-owner",
        _DESCRIPTION,
        "Only the owner of a thread port may take messages from it.",
        reading="The page does not say what happens to another thread that tries: anything may.",
    ),
    Claim("port.spin-compete", _DESCRIPTION, "Threads may compete for a spin port's messages; one gets each."),
    Claim("port.serialize-compete", _DESCRIPTION, "Threads may compete for a serializer port's messages."),
    Claim("port.check-shared", _DESCRIPTION, "Several threads may look for messages on a spin or serializer port."),
    Claim(
        "reply.normally",
        _DESCRIPTION,
        "A receiver should normally reply.",
        untestable="advice to whoever writes a receiver; the kernel cannot break it",
    ),
    Claim("reply.two-ways", _DESCRIPTION, "A message can be replied to synchronously or asynchronously."),
    Claim("reply.port", _DESCRIPTION, "A reply goes to the reply port registered on the message."),
    Claim(
        "reply.target-decides",
        _DESCRIPTION,
        "The sender asks for a synchronous or asynchronous reply, but the target port decides which it is.",
    ),
    Claim(
        "message.initialised",
        _MESSAGES,
        "A message has to be initialised before it is used.",
        reading="A duty of the caller; the page does not say what becomes of a message that is not.",
    ),
    Claim("initmsg.initialises", _MESSAGES, "A message that initmsg has initialised can be sent."),
    Claim("initmsg.reply-port", _MESSAGES, "initmsg registers the port that asynchronous replies go to."),
    Claim("initmsg.flags", _MESSAGES, "initmsg sets the flags it is given."),
    Claim("initmsg.or-flags", _MESSAGES, "initmsg adds its flags to those that the message has already."),
    Claim("initmsg-abortable.function", _MESSAGES, "initmsg_abortable gives a message its abort function."),
    Claim(
        "initmsg-abortable.like-initmsg",
        _MESSAGES,
        "initmsg_abortable otherwise does what initmsg does.",
        reading="It sets the reply port and the flags.",
    ),
    Claim("sendmsg.delivers", _MESSAGES, "sendmsg sends the message to the target port."),
    Claim("sendmsg.asks-async", _MESSAGES, "sendmsg asks for an asynchronous reply."),
    Claim("sendmsg.returns", _MESSAGES, "sendmsg returns at once, without waiting for the reply."),
    Claim(
        "sendmsg.reply-queued",
        _MESSAGES,
        "The reply to a message sent with sendmsg is queued to its reply port.",
        reading="'Normal circumstances' are a reply port that queues; also when the target answers synchronously.",
    ),
    Claim("domsg.delivers", _MESSAGES, "domsg sends the message to the target port."),
    Claim("domsg.asks-sync", _MESSAGES, "domsg asks for a synchronous reply."),
    Claim("domsg.waits", _MESSAGES, "domsg does not return before the message has been replied to."),
    Claim("domsg.returns-reply", _MESSAGES, "domsg returns the reply's error code."),
    Claim("domsg.sync-target", _MESSAGES, "domsg to a target that replies synchronously returns that reply at once."),
    Claim(
        "domsg.common-case",
        _MESSAGES,
        "domsg to a target that does not reply synchronously blocks until the reply arrives, and returns it.",
    ),
    Claim("replymsg.error", _MESSAGES, "replymsg answers with its error argument."),
    Claim("replymsg.async-target", _MESSAGES, "replymsg answers a message that its target handles asynchronously."),
    Claim(
        "replymsg.receiver",
        _MESSAGES,
        "replymsg is for the receiving side.",
        reading="Whoever holds the message: the thread that took it, its target's handler, its abort function.",
    ),
    Claim("forwardmsg.forwards", _MESSAGES, "forwardmsg sends a received message on to another port."),
    Claim(
        "forwardmsg.same-message",
        _MESSAGES,
        "forwardmsg simply forwards: the message stays the same request.",
        reading="It is replied to the first sender's reply port, in the way that the first sender asked for.",
    ),
    Claim(
        "abortmsg.calls",
        _MESSAGES,
        "abortmsg calls the abort function of an abortable message.",
        reading="'Try' is said of the abort, not of the call: that is made for any such message, sent or not.",
    ),
    Claim(
        "abortmsg.only-abortable",
        _MESSAGES,
        "abortmsg is for messages that were initialised as abortable.",
        reading="Of any other message it does nothing.",
    ),
    Claim("dropmsg.dequeues", _MESSAGES, "dropmsg takes a message off the port that it was sent to."),
    Claim("dropmsg.never-sent", _MESSAGES, "A dropped message is as if it had never been sent; it can be sent again."),
    Claim("initport-thread.handlers", _PORTS, "initport_thread gives a port the thread kind's handlers."),
    Claim("initport-thread.owner", _PORTS, "initport_thread makes a thread port with the owner it is given."),
    Claim(
        "initport-spin.lock",
        _PORTS,
        "initport_spin sets up the spinlock inside the port, which protects all access to it.",
        reading="The lock cannot be seen, but what it protects can: threads that use a port at once lose no message.",
    ),
    Claim("initport-spin.handlers", _PORTS, "initport_spin gives a port the spin kind's handlers."),
    Claim("initport-serialize.handlers", _PORTS, "initport_serialize gives a port the serializer kind's handlers."),
    Claim(
        "initport-serialize.protected",
        _PORTS,
        "Access to a serializer port is protected by the serializer that it was given.",
        reading="The caller holds it around each call on the port; a call that sleeps releases it meanwhile.",
    ),
    Claim(
        "getport.first",
        _PORTS,
        "getport takes the first available message off the port and returns it.",
        reading="First is first to be queued; how a message gets from one CPU to another the page leaves open.",
    ),
    Claim("getport.dequeues", _PORTS, "A message that getport returned is off the port's queue."),
    Claim("getport.null", _PORTS, "getport returns NULL when the port has no message."),
    Claim(
        "getport.receiver",
        _PORTS,
        "getport and waitport are for threads on the receiving side.",
        reading="A sender that takes its replies is the receiving side of its reply port.",
    ),
    Claim("waitport.first", _PORTS, "waitport takes the first available message off the port and returns it."),
    Claim("waitport.dequeues", _PORTS, "A message that waitport returned is off the port's queue."),
    Claim("waitport.sleeps", _PORTS, "waitport sleeps until a message arrives when there is none."),
    Claim(
        "waitport.flags",
        _PORTS,
        "waitport's flags are those of the sleep.",
        untestable="its one flag in use, PCATCH, counts when a signal comes, to threads of a process only",
    ),
    Claim("replyonly.only-replies", _SPECIAL, "A reply-only port is no target: sending to it panics."),
    Claim("replyonly.handler", _SPECIAL, "A reply-only port calls the handler it was given for each reply."),
    Claim("replyonly.frees", _SPECIAL, "A reply-only port can free what a message held once it has been replied to."),
    Claim("replyonly.others-panic", _SPECIAL, "Every other operation on a reply-only port panics."),
    Claim("replyonly-null.done", _SPECIAL, "A null reply port marks a replied message as done."),
    Claim("replyonly-null.not-queued", _SPECIAL, "A null reply port queues no reply."),
    Claim("replyonly-null.others-panic", _SPECIAL, "Every other operation on a null reply port panics."),
    Claim("putonly.only-target", _SPECIAL, "A put-only port is no reply port: replying to it panics."),
    Claim("putonly.handler", _SPECIAL, "A put-only port calls the handler it was given for each message put."),
    Claim("putonly.others-panic", _SPECIAL, "Every other operation on a put-only port panics."),
    Claim("panic.any-handler", _SPECIAL, "Every operation on a panic port panics."),
    Claim("panic.no-reply", _SPECIAL, "A panic port as reply port catches replies to messages that expect none."),
    Claim("panic.consumed", _SPECIAL, "A message whose reply port panics can be sent, and received, all the same."),
    Claim(
        "internal.direct-use",
        _INTERNAL,
        "beginmsg and waitmsg are for the infrastructure and need not be called directly.",
        untestable="advice to whoever writes a service; waitmsg is called by many, and this catalogue does, too",
    ),
    Claim("beginmsg.calls-putport", _INTERNAL, "beginmsg calls the target port's putport handler."),
    Claim("beginmsg.propagates", _INTERNAL, "beginmsg returns what the putport handler returns."),
    Claim(
        "putport.returns",
        _INTERNAL,
        "A putport handler returns EASYNC for what it has not handled yet, else another value.",
    ),
    Claim(
        "beginmsg.callers",
        _INTERNAL,
        "Only sendmsg and replymsg call beginmsg.",
        untestable="who calls it inside the kernel cannot be seen; in DragonFly's source it is sendmsg and domsg",
    ),
    Claim("waitmsg.sleeps", _INTERNAL, "waitmsg sleeps until that message has been replied to."),
    Claim(
        "waitmsg.flags",
        _INTERNAL,
        "waitmsg's flags are those of the sleep.",
        untestable="its one flag in use, PCATCH, counts when a signal comes, to threads of a process only",
    ),
    Claim(
        "files.source",
        _FILES,
        "The implementation is in sys/kern/lwkt_msgport.c.",
        untestable="where the source stands does not show in what a kernel does",
    ),
    Claim("example.per-cpu", _EXAMPLES, "Example 1: a service thread on each CPU answers on its built-in port."),
    Claim("example.builtin-ready", _EXAMPLES, "Example 1: a new thread's built-in port needs no initialisation."),
    Claim("example.receiver-context", _EXAMPLES, "A request's work is done in the receiving thread's context."),
    Claim("example.reinitialised", _EXAMPLES, "Example 1: one message is initialised and sent again for each CPU."),
    Claim("example.in-order", _EXAMPLES, "Example 1: each CPU's thread has answered before the next is asked."),
    Claim("example.autofree", _EXAMPLES, "Example 2: a reply-only port's handler frees the messages replied to."),
    Claim("message.argument", _EXAMPLES, "A message carries an argument to its receiver."),
    Claim("message.pointer", _EXAMPLES, "Example 2: the argument may be a pointer, in u.ms_resultp."),
    Claim("putport.async", _NOTES, "The default putport handlers only ever queue the message: they return EASYNC."),
    Claim("putport.sync-context", _NOTES, "A synchronous putport handler runs in the sender's context."),
    Claim(
        "port.override",
        _NOTES,
        "A port's handlers can be replaced by one's own.",
        reading="The page goes on to say how for two of them, putport and replyport.",
    ),
    Claim("putport.override-putonly", _NOTES, "initport_putonly replaces a port's putport handler."),
    Claim("putport.override-pointer", _NOTES, "Assigning mp_putport replaces a port's putport handler."),
    Claim(
        "netisr.direct",
        _NOTES,
        "A putport handler can turn messages to the sender's own port into direct calls.",
    ),
    Claim("netisr.others-queued", _NOTES, "Such a handler leaves messages from other threads to the queue."),
    Claim(
        "files.netisr",
        _NOTES,
        "The example of it is in sys/kern/netisr.c.",
        untestable="where a source stands does not show in what a kernel does; DragonFly's is sys/net/netisr.c",
    ),
    Claim("replymsg.queued", _NOTES, "The reply to an asynchronous request is queued to the sender's reply port."),
    Claim("replymsg.sync-writes", _NOTES, "The reply to a synchronous request writes the error on the message."),
    Claim("replymsg.sync-wakes", _NOTES, "The reply to a synchronous request wakes the sender that waits for it."),
    Claim("replymsg.sync-not-queued", _NOTES, "The reply to a synchronous request is not queued to the reply port."),
    Claim("replyport.override-replyonly", _NOTES, "initport_replyonly replaces a port's replyport handler."),
    Claim("replyport.override-null", _NOTES, "initport_replyonly_null replaces a port's replyport handler."),
    Claim("replyport.override-pointer", _NOTES, "Assigning mp_replyport replaces a port's replyport handler."),
    Claim(
        "replymsg.sync-waiter",
        _NOTES,
        "A synchronous reply need not be queued, because its sender waits for this very message.",
        reading="It wakes that sender and no other thread that waits at the same reply port.",
    ),
    Claim("message.reused", _NOTES, "The reply is the message that was sent, with the error written on it."),
    Claim("message.error", _NOTES, "The error of a reply is written on the message before the reply port gets it."),
    Claim(
        "history.since",
        _HISTORY,
        "Message ports are in DragonFly since 1.0.",
        untestable="history; the harness knows the eras from 1.10 on",
    ),
)

CLAIMS: dict[str, Claim] = {claim.id: claim for claim in _ALL}
"""Every claim by id, in the order of the page."""
