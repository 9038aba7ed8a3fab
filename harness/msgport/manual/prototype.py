"""C function prototypes as data, so that a page's and a kernel's can be held against each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[A-Za-z_]\w*|\.\.\.|\S")
_QUALIFIERS = frozenset(("const", "volatile", "restrict", "__restrict", "register", "extern", "static", "__inline"))
_BASIC = frozenset(("void", "char", "short", "int", "long", "float", "double", "signed", "unsigned", "_Bool"))
_TAGGED = frozenset(("struct", "union", "enum"))
# sys/thread.h and sys/msgport.h name these pointers; a page may use either.
_SAME = {"thread_t": "struct thread *", "lwkt_port_t": "struct lwkt_port *", "lwkt_msg_t": "struct lwkt_msg *"}


@dataclass(frozen=True)
class Prototype:
    """A function's declaration as it was written; ``same_as`` compares what it means."""

    returns: str
    name: str
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        """Write it as C does."""
        space = "" if self.returns.endswith("*") else " "
        return f"{self.returns}{space}{self.name}({', '.join(self.parameters) or 'void'})"

    @property
    def types(self) -> tuple[str, ...]:
        """The parameters' types in one spelling, without names."""
        found = tuple(type_of(parameter) for parameter in self.parameters)
        return () if found == ("void",) else found

    def differences(self, other: Prototype) -> tuple[str, ...]:
        """What makes a caller of one fail with the other: ``return type``, ``parameters``."""
        returns = type_of(self.returns) != type_of(other.returns)
        return ("return type",) * returns + ("parameters",) * (self.types != other.types)


def prototype(declaration: str) -> Prototype:
    """Read ``int lwkt_domsg(lwkt_port_t port, lwkt_msg_t msg, int flags)``. Raises ValueError."""
    match = re.fullmatch(r"\s*(.*?[\s*])(\w+)\s*\((.*)\)\s*;?\s*", declaration, re.DOTALL)
    if match is None:
        raise ValueError(f"no C prototype: {declaration!r}")
    return Prototype(match[1].strip(), match[2], parameters_of(match[3]))


def parameters_of(text: str) -> tuple[str, ...]:
    """A parameter list without its parentheses, cut at its own commas; empty for ``void``."""
    found, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            found.append(text[start:at])
            start = at + 1
    found.append(text[start:])
    stripped = tuple(" ".join(each.split()) for each in found if each.strip())
    return () if stripped == ("void",) else stripped


def type_of(declaration: str) -> str:
    """A type, or a parameter's declaration without the parameter's name, in one spelling."""
    words = [word for word in _WORD.findall(declaration) if word not in _QUALIFIERS]
    close = _function_pointer(words)
    if close:
        inside = parameters_of(" ".join(words[close + 2 : -1]))
        returns = type_of(" ".join(words[: words.index("(")]))
        return f"{returns} (*)({', '.join(type_of(each) for each in inside)})"
    array = ["*"] if "[" in words else []
    words = words[: words.index("[")] if array else words
    named = _names(words)
    return _spelled([word for place, word in enumerate(words) if not named or place != named] + array)


def _function_pointer(words: Sequence[str]) -> int:
    """Where ``(*name)`` closes in a parameter that is a pointer to a function; else 0."""
    if "(" not in words or words[-1] != ")":
        return 0
    star, close = words.index("(") + 1, words.index(")")
    return close if words[star] == "*" and words[close + 1 : close + 2] == ["("] else 0


def _names(words: Sequence[str]) -> int:
    """The place of the declared name among a declaration's words; 0 when it has none."""
    last = len(words) - 1
    if last < 1 or not re.match(r"[A-Za-z_]", words[last]) or words[last] in _BASIC or words[last - 1] in _TAGGED:
        return 0
    return last


def _spelled(words: Sequence[str]) -> str:
    base = " ".join(word for word in words if word != "*")
    text = _SAME.get(base, base + (" " if "*" in words else "")) + "*" * list(words).count("*")
    return text.strip()
