"""Expectation lines and the fields of ``observe:``, checked against what a variant makes observable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from lark import Token, Tree

from msgport.manual.api import SHOWN_FLAGS
from msgport.manual.panics import OTHER, PANICS
from msgport.scenario.condition import All, Condition, Ending, Equal, Expectation, Not, Some
from msgport.scenario.program import Thread
from msgport.scenario.source import Source, nearest

SAID = "said"
"""The observable of a variant that says something: its lines in order, joined with `` / ``."""

IN_FLIGHT = "ipi"
"""What stands for a step when a panic strikes in the delivery of an IPI."""


@dataclass(frozen=True)
class Vocabulary:
    """What the conditions of one variant may speak of.

    ``kinds`` maps each observable, as ``str(Observable)`` writes it, to what its values are: message, number, flags,
    queue or said.
    """

    source: Source
    threads: tuple[Thread, ...]
    messages: tuple[str, ...]
    kinds: dict[str, str]

    def value(self, token: Token, kind: str) -> str:
        """The value in an outcome's own writing; ScenarioError when the observable can never have it."""
        text = str(token)
        if kind == SAID:
            if token.type == "TEXT":
                return text[1:-1]
            raise self.source.error(token, f"{text} is no said text", 'write the lines as "one / two"')
        if kind == "message":
            known = [*self.messages, "null", "stray", "-"]
            if text in known:
                return text
            raise self.source.error(token, f"{text} is no message that this can hold", nearest(text, known))
        if kind == "number":
            if text.isdecimal() or text == "-":
                return str(int(text)) if text.isdecimal() else text
            raise self.source.error(token, f"{text} is no number", "write a decimal number, or - for a skipped step")
        if kind == "flags":
            names = [] if text in ("0", "-") else text.split("+")
            if all(name in SHOWN_FLAGS for name in names):
                return "+".join(name for name in SHOWN_FLAGS if name in names) or text
            wrong = next(name for name in names if name not in SHOWN_FLAGS)
            raise self.source.error(token, f"{wrong} is no flag that an outcome shows", nearest(wrong, SHOWN_FLAGS))
        names = [] if text == "empty" else text.split("+")
        if all(name in self.messages for name in names):
            return text
        raise self.source.error(token, f"{text} is no queue of messages", "write the messages as a+b, or empty")

    def ending(self, token: Token) -> str:
        """An ending as outcomes write it; ScenarioError when there is no such panic, thread or statement."""
        words, at, steps = str(token).partition("@")
        kind, *name = words.split()
        known = [panic.name for panic in PANICS] + [OTHER]
        if name and kind != "panic":
            raise self.source.error(token, f"{kind} takes no name", "only a panic has a class")
        if name and name[0] not in known:
            raise self.source.error(token, f"there is no panic class {name[0]}", nearest(name[0], known))
        if at and (kind == "done" or (kind == "panic" and not name)):
            raise self.source.error(token, f"{kind} takes no step here", "write: panic CLASS@T0.1, deadlock@T0.1+T1.2")
        if at and not (kind == "panic" and steps == IN_FLIGHT):
            self._steps(token, steps, one=kind == "panic")
        return " ".join((kind, *name)) + at + steps

    def _steps(self, token: Token, steps: str, one: bool) -> None:
        lengths = {thread.name: len(thread.body) for thread in self.threads}
        seen: list[int] = []
        for step in steps.split("+"):
            match = re.fullmatch(r"(T\d+)\.(\d+)", step)
            if not match or match[1] not in lengths or not 1 <= int(match[2]) <= lengths[match[1]]:
                raise self.source.error(
                    token, f"there is no step {step}", "write THREAD.STATEMENT, statements of a column counting from 1"
                )
            seen.append(list(lengths).index(match[1]))
        if seen != sorted(set(seen)) or (one and len(seen) > 1):
            raise self.source.error(token, f"{steps} cannot be", "one step a thread, in the order of the columns")

    def condition(self, tree: Tree[Token]) -> Condition:
        """Read a condition."""
        if tree.data == "ending":
            return Ending(self.ending(_token(tree)))
        if tree.data in ("equal", "unequal"):
            observable, *tokens = tree.children
            assert isinstance(observable, Tree)
            name = self._observable(observable)
            values = [self.value(token, self.kinds[name]) for token in tokens if isinstance(token, Token)]
            equals = tuple(Equal(name, value) for value in values)
            either = equals[0] if len(equals) == 1 else Some(equals)
            return Not(either) if tree.data == "unequal" else either
        inner = tuple(self.condition(child) for child in tree.children if isinstance(child, Tree))
        match str(tree.data):
            case "not":
                return Not(inner[0])
            case "all":
                return All(inner)
            case "some":
                return Some(inner)
            case _:
                return Some((Not(inner[0]), inner[1]))

    def _observable(self, tree: Tree[Token]) -> str:
        tokens = [token for token in tree.children if isinstance(token, Token)]
        if tree.data == "register":
            thread, register = tokens
            column = f"T{thread}" if thread.isdecimal() else str(thread)
            if column not in {each.name for each in self.threads}:
                raise self.source.error(
                    thread, f"there is no thread {thread!s}", nearest(column, [each.name for each in self.threads])
                )
            name, at = f"{column}:{register!s}", register
        elif tree.data == "field":
            name, at = " ".join(tokens), tokens[0]
        else:
            name, at = SAID, None
        if name in self.kinds:
            return name
        position = self.source.position(at if at is not None else tree.meta)
        raise self.source.error(position, f"nothing observes {name}", nearest(name, self.kinds))


def _token(tree: Tree[Token]) -> Token:
    return next(child for child in tree.children if isinstance(child, Token))


def applies(
    source: Source, guards: Tree[Token] | None, alternatives: dict[str, list[str]], chosen: dict[str, str]
) -> bool:
    """Tell whether an expectation's ``[P = thread, place != same-cpu]`` picks the variant with the choices made."""
    picked = True
    for guard in guards.children if guards else ():
        assert isinstance(guard, Tree)
        name, *values = (child for child in guard.children if isinstance(child, Token))
        if name not in alternatives:
            raise source.error(name, f"vary: gives no choices for {str(name)!r}", nearest(name, alternatives))
        for value in values:
            if value not in alternatives[name]:
                raise source.error(value, f"{value!s} is no choice for {name!s}", nearest(value, alternatives[name]))
        picked = picked and (chosen[name] in values) == (guard.data == "only")
    return picked


def expectation(vocabulary: Vocabulary, tree: Tree[Token]) -> Expectation:
    """Read one expectation line."""
    model, quantifier, _guards, condition = tree.children
    assert isinstance(condition, Tree)
    text = vocabulary.source.text[tree.meta.start_pos : tree.meta.end_pos]
    return Expectation(
        cast(Literal["always", "never", "sometimes"], str(quantifier)),
        vocabulary.condition(condition),
        cast(Literal["both", "manual", "kernel"], str(model).rstrip(": \t") if model else "both"),
        " ".join(text.split()),
        tree.meta.line,
    )
