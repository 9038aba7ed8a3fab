"""A variant in one fixed writing, and the hash of it that module, transcript and results carry.

The writing is scenario text again: behind a title line it parses to an equal variant without choices.
"""

from __future__ import annotations

from hashlib import sha256

from msgport.scenario.program import Argument, Handler, Message, Port, Ref, Register, Statement, Variant
from msgport.scenario.statements import STATEMENTS


def canonical(variant: Variant) -> str:
    """Write all that the module and the meaning of its outcomes depend on, and nothing else.

    Left out: names of scenario and choices, about, claims, expectations, positions, comments.
    """
    observed = [str(each) for each in variant.observables if each.kind != "register"]
    declared = [
        *(f"serializer {name}" for name in variant.serializers if name not in _own_serializers(variant)),
        *(_port(port) for port in variant.ports if not port.builtin),
        *(_message(message) for message in variant.messages),
    ]
    rows = max((len(thread.body) for thread in variant.threads), default=0)
    cells = [[written(each) for each in thread.body] + [""] * rows for thread in variant.threads]
    return "\n".join(
        (
            *([f"module: {variant.module}"] if variant.module else []),
            *(["observe: " + ", ".join(observed)] if observed else []),
            "{ " + "; ".join(declared) + " }",
            " | ".join(f"{thread.name} @ {thread.cpu}" for thread in variant.threads) + " ;",
            *(" | ".join(column[row] for column in cells) + " ;" for row in range(rows)),
            "",
        )
    )


def content_hash(variant: Variant) -> str:
    """16 hexadecimal digits of SHA-256 over the canonical text."""
    return sha256(canonical(variant).encode()).hexdigest()[:16]


def _own_serializers(variant: Variant) -> set[str]:
    return {port.name for port in variant.ports if port.serializer == port.name}


def _handler(handler: Handler) -> str:
    return handler.behaviour + (f"({', '.join(map(str, handler.arguments))})" if handler.arguments else "")


def _port(port: Port) -> str:
    return " ".join(
        (
            f"port {port.name} {port.kind}",
            *([f"owner {port.owner}"] if port.owner else []),
            *([f"serializer {port.serializer}"] if port.serializer and port.serializer != port.name else []),
            *([f"putport {_handler(port.putport)}"] if port.putport else []),
            *([f"replyport {_handler(port.replyport)}"] if port.replyport else []),
        )
    )


def _message(message: Message) -> str:
    return " ".join(
        (
            f"msg {message.name}",
            *(["raw"] if message.raw else []),
            *([f"reply {message.reply}"] if message.reply else []),
            *([f"flags {'+'.join(message.flags)}"] if message.flags else []),
            *([f"abort {_handler(message.abort)}"] if message.abort else []),
        )
    )


def _argument(argument: Argument, text: bool) -> str:
    match argument:
        case Ref() | Register():
            return argument.name
        case Handler():
            return _handler(argument)
        case tuple():
            return "+".join(argument)
        case _:
            return f'"{argument}"' if text else str(argument)


def written(statement: Statement) -> str:
    """Write one statement as a scenario does."""
    parameters = STATEMENTS[statement.op].parameters
    words = (
        _argument(argument, parameter == "text")
        for parameter, argument in zip(parameters, statement.arguments, strict=False)
    )
    return " ".join((*([f"{statement.register} ="] if statement.register else []), statement.op, *words))
