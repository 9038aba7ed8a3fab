"""Which variants a run takes: ``-k EXPR`` over their names and claims, in pytest's manner."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgport.scenario.program import Variant

_TOKEN = re.compile(r"\s*(\(|\)|[^\s()]+)")

Selector = Callable[[Variant], bool]


class SelectionError(ValueError):
    """An expression of ``-k`` that cannot be read; the message shows where."""


def selector(expression: str) -> Selector:
    """Read ``word and not (word or word)``.

    A word is found in a variant when it is a substring, in any case, of its name or of one of its claims. Raises
    SelectionError.
    """
    tokens = _TOKEN.findall(expression)
    position = 0

    def peek() -> str | None:
        return tokens[position] if position < len(tokens) else None

    def fail() -> SelectionError:
        found = peek() or "the end"
        return SelectionError(f"-k {expression!r}: {found!r} cannot stand there; write: word and not (word or word)")

    def either() -> Selector:
        nonlocal position
        terms = [both()]
        while peek() == "or":
            position += 1
            terms.append(both())
        return lambda variant: any(term(variant) for term in terms)

    def both() -> Selector:
        nonlocal position
        terms = [single()]
        while peek() == "and":
            position += 1
            terms.append(single())
        return lambda variant: all(term(variant) for term in terms)

    def single() -> Selector:
        nonlocal position
        token = peek()
        if token is None or token in (")", "and", "or"):
            raise fail()
        position += 1
        if token == "not":
            inner = single()
            return lambda variant: not inner(variant)
        if token == "(":
            inner = either()
            if peek() != ")":
                raise fail()
            position += 1
            return inner
        word = token.lower()
        return lambda variant: any(word in text.lower() for text in (variant.name, *variant.claims))

    whole = either()
    if peek() is not None:
        raise fail()
    return whole
