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
_DESCRIPTION = "DESCRIPTION"
_MESSAGES = "MESSAGE FUNCTIONS"
_PORTS = "PORT FUNCTIONS"
_SPECIAL = "SPECIAL PORT INITIALIZERS"
_INTERNAL = "INTERNAL MESSAGE FUNCTIONS"
_FILES = "FILES"
_EXAMPLES = "EXAMPLES"
_NOTES = "NOTES"

_ALL = (
    Claim(
        "checkmsg.done",
        _NAME,
        "checkmsg tells whether a message is done.",
        reading="The page only gives its name and type: true once the reply has come, false from send to reply.",
    ),
    Claim("port.builtin", _DESCRIPTION, "Every LWKT thread has a port of its own, of type thread."),
    Claim("port.additional", _DESCRIPTION, "Ports can be made beside those that are built in."),
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
    Claim(
        "reply.normally",
        _DESCRIPTION,
        "A receiver should normally reply.",
        untestable="advice to whoever writes a receiver; the kernel cannot break it",
    ),
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
        untestable="a duty of the caller; the page does not say what becomes of a message that is not",
    ),
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
    Claim("sendmsg.returns", _MESSAGES, "sendmsg returns at once, without waiting for the reply."),
    Claim(
        "sendmsg.reply-queued",
        _MESSAGES,
        "The reply to a message sent with sendmsg is queued to its reply port.",
        reading="'Normal circumstances' are a reply port that queues; also when the target answers synchronously.",
    ),
    Claim("domsg.delivers", _MESSAGES, "domsg sends the message to the target port."),
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
    Claim("forwardmsg.forwards", _MESSAGES, "forwardmsg sends a received message on to another port."),
    Claim(
        "abortmsg.calls",
        _MESSAGES,
        "abortmsg calls the abort function of an abortable message.",
        reading="'Try' leaves open whether a message not yet sent, or answered already, counts.",
    ),
    Claim("dropmsg.dequeues", _MESSAGES, "dropmsg takes a message off the port that it was sent to."),
    Claim("dropmsg.never-sent", _MESSAGES, "A dropped message is as if it had never been sent; it can be sent again."),
    Claim("initport-thread.owner", _PORTS, "initport_thread makes a thread port with the owner it is given."),
    Claim(
        "initport-spin.lock",
        _PORTS,
        "initport_spin sets up the spinlock inside the port, which protects all access to it.",
        untestable="a lock inside the port shows itself only in that nothing is lost, which other claims cover",
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
    Claim("waitport.first", _PORTS, "waitport takes the first available message off the port and returns it."),
    Claim("waitport.dequeues", _PORTS, "A message that waitport returned is off the port's queue."),
    Claim("waitport.sleeps", _PORTS, "waitport sleeps until a message arrives when there is none."),
    Claim(
        "waitport.flags",
        _PORTS,
        "waitport's flags are those of the sleep.",
        untestable="its one flag in use, PCATCH, needs a signal, and kernel threads get none",
    ),
    Claim("replyonly.handler", _SPECIAL, "A reply-only port calls the handler it was given for each reply."),
    Claim("replyonly.frees", _SPECIAL, "A reply-only port can free what a message held once it has been replied to."),
    Claim("replyonly.others-panic", _SPECIAL, "Every other operation on a reply-only port panics."),
    Claim("replyonly-null.done", _SPECIAL, "A null reply port marks a replied message as done."),
    Claim("replyonly-null.not-queued", _SPECIAL, "A null reply port queues no reply."),
    Claim("replyonly-null.others-panic", _SPECIAL, "Every other operation on a null reply port panics."),
    Claim("putonly.handler", _SPECIAL, "A put-only port calls the handler it was given for each message put."),
    Claim("putonly.others-panic", _SPECIAL, "Every other operation on a put-only port panics."),
    Claim("panic.any-handler", _SPECIAL, "Every operation on a panic port panics."),
    Claim("panic.no-reply", _SPECIAL, "A panic port as reply port catches replies to messages that expect none."),
    Claim("panic.consumed", _SPECIAL, "A message whose reply port panics can be sent, and received, all the same."),
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
        untestable="its one flag in use, PCATCH, needs a signal, and kernel threads get none",
    ),
    Claim(
        "files.source",
        _FILES,
        "The implementation is in sys/kern/lwkt_msgport.c.",
        untestable="where the source stands does not show in what a kernel does",
    ),
    Claim("example.per-cpu", _EXAMPLES, "Example 1: a service thread on each CPU answers on its built-in port."),
    Claim("example.in-order", _EXAMPLES, "Example 1: each CPU's thread has answered before the next is asked."),
    Claim("example.autofree", _EXAMPLES, "Example 2: a reply-only port's handler frees the messages replied to."),
    Claim("message.argument", _EXAMPLES, "A message carries an argument to its receiver."),
    Claim("putport.async", _NOTES, "The default putport handlers only ever queue the message: they return EASYNC."),
    Claim("putport.sync-context", _NOTES, "A synchronous putport handler runs in the sender's context."),
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
    Claim("message.reused", _NOTES, "The reply is the message that was sent, with the error written on it."),
    Claim("message.error", _NOTES, "The error of a reply is written on the message before the reply port gets it."),
)

CLAIMS: dict[str, Claim] = {claim.id: claim for claim in _ALL}
"""Every claim by id, in the order of the page."""
