"""How a scenario's words become C: identifiers that clash with nothing, strings, comments.

Nothing of a scenario reaches C by another way than through here.
"""

from __future__ import annotations

import re

from msgport.scenario.program import Handler, Port

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def identifier(name: str) -> str:
    """Give the name back if it can be part of a C identifier; ValueError if it cannot."""
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"{name!r} is no identifier, it cannot become a name in C")
    return name


def thread_index(name: str) -> str:
    """The enumeration constant of a thread."""
    return "MPT_T_" + identifier(name)


def thread_td(name: str) -> str:
    """The ``struct thread *`` of a thread."""
    return f"mpt_td({thread_index(name)})"


def port_field(port: Port) -> str:
    """What the names of everything that belongs to a port end in; for declared ports also its struct field."""
    return f"b_{identifier(port.owner or '')}" if port.builtin else f"p_{identifier(port.name)}"


def thread_column(name: str) -> str:
    """The ``struct mpt_column`` of a thread."""
    return f"mpt_columns[{thread_index(name)}]"


def port_pointer(port: Port, execution: str = "x") -> str:
    """An expression for the port's address."""
    if port.builtin:
        return f"mpt_own_port({thread_index(port.owner or '')})"
    return f"&{execution}->{port_field(port)}"


def message_field(name: str) -> str:
    """The struct field of a message."""
    return "m_" + identifier(name)


def serializer_field(name: str) -> str:
    """The struct field of a serializer."""
    return "s_" + identifier(name)


def register_variable(name: str) -> str:
    """The local variable of a register that holds a message."""
    return "r_" + identifier(name)


def handler_function(subject: str, role: str, handler: Handler) -> str:
    """The function of a handler on a port or message; ``role`` is putport, replyport or abort."""
    numbers = "".join(f"_{'minus' if number < 0 else ''}{abs(number)}" for number in handler.arguments)
    return f"mpt_{subject}_{role}_{identifier(handler.behaviour)}{numbers}"


def string(text: str) -> str:
    """A C string literal of the text's UTF-8 bytes."""
    return '"' + "".join(_character(byte) for byte in text.encode()) + '"'


def _character(byte: int) -> str:
    character = chr(byte)
    # A question mark may begin a trigraph; three octal digits never run into what follows.
    return character if 0x20 <= byte < 0x7F and character not in '"\\?' else f"\\{byte:03o}"


def comment(text: str) -> str:
    """Text that can stand inside a C comment."""
    return text.replace("*/", "* /").replace("/*", "/ *")
