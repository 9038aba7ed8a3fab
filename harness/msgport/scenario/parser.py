"""Scenario text to variants: ``vary:`` expanded, every name resolved, every statement and expectation checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import cast

from lark import Token, Tree

from msgport.manual.claims import CLAIMS
from msgport.scenario.columns import HIGHEST_CPU, Column, handlers_in, headings, threads
from msgport.scenario.condition import Expectation
from msgport.scenario.declare import Names, declare
from msgport.scenario.expect import SAID, Vocabulary, applies, expectation
from msgport.scenario.program import Observable, Thread, Variant
from msgport.scenario.source import Source, nearest
from msgport.scenario.syntax import Choose, tree_of

PLACE = "place"
"""The ``vary:`` name whose alternatives put the threads on CPUs."""

MOST_VARIANTS = 1000

MODULES = ("example1", "example2")
"""The hand-written modules that ``module:`` may name."""


def parse(text: str, file: str) -> tuple[Variant, ...]:
    """The variants of a scenario, in the order of ``vary:``'s alternatives, the last name changing fastest.

    ``file`` is the name shown in positions. Raises ScenarioError.
    """
    source = Source(file, text)
    scenario = _Scenario(source, tree_of(source))
    return tuple(scenario.variants())


@dataclass
class _Header:
    """The header lines: each at most once."""

    about: str = ""
    claims: tuple[str, ...] = ()
    module: str | None = None
    vary: dict[str, list[Token]] = field(default_factory=dict)
    vary_names: dict[str, Token] = field(default_factory=dict)
    observe: list[tuple[Token, Token]] = field(default_factory=list)


class _Scenario:
    """A parse tree with its header read, ready to make variants."""

    def __init__(self, source: Source, tree: Tree[Token]) -> None:
        self.source = source
        self.tree = tree
        self.header = _Header()
        title = next(tree.find_data("title"))
        self.name = cast(Token, title.children[0])
        seen: set[str] = set()
        for each in tree.children:
            if isinstance(each, Tree) and each.data in ("about", "claims", "module", "vary", "observe"):
                if each.data in seen:
                    raise source.error(source.position(each.meta), f"{each.data}: is given twice", "one line of a kind")
                seen.add(each.data)
                getattr(self, f"_read_{each.data}")(each)

    def _read_about(self, tree: Tree[Token]) -> None:
        self.header.about = str(tree.children[0]).strip() if tree.children else ""

    def _read_claims(self, tree: Tree[Token]) -> None:
        tokens = _tokens(tree)
        for token in tokens:
            if token not in CLAIMS:
                raise self.source.error(token, f"there is no claim {token!s}", nearest(token, CLAIMS))
        self.header.claims = tuple(str(token) for token in tokens)

    def _read_module(self, tree: Tree[Token]) -> None:
        token = _tokens(tree)[0]
        if token not in MODULES:
            raise self.source.error(token, f"there is no hand-written module {token!s}", nearest(token, MODULES))
        self.header.module = str(token)

    def _read_vary(self, tree: Tree[Token]) -> None:
        for choice in tree.children:
            assert isinstance(choice, Tree)
            name, *alternatives = _tokens(choice)
            if name in self.header.vary:
                raise self.source.error(name, f"{name!s} varies twice", "give all its alternatives in one place")
            for place, token in enumerate(alternatives):
                if token.startswith("$") or token in alternatives[:place]:
                    raise self.source.error(token, f"{token!s} cannot be an alternative", "each is a word, given once")
            self.header.vary[str(name)] = alternatives
            self.header.vary_names[str(name)] = name

    def _read_observe(self, tree: Tree[Token]) -> None:
        for each in tree.children:
            assert isinstance(each, Tree)
            kind, subject = _tokens(each)
            if kind not in ("error", "flags", "queue", "calls"):
                raise self.source.error(
                    kind, f"{kind!s} cannot be observed", nearest(kind, ("error", "flags", "queue", "calls"))
                )
            self.header.observe.append((kind, subject))

    def variants(self) -> Iterator[Variant]:
        self._check_vary()
        for chosen in product(*self.header.vary.values()):
            yield self._variant(dict(zip(self.header.vary, chosen, strict=True)))

    def _declared_ports(self) -> set[str]:
        declarations = next(self.tree.find_data("declarations"))
        return {str(_tokens(tree)[0]) for tree in declarations.find_data("port")}

    def _check_vary(self) -> None:
        """Every varied name is a port, ``place``, or used somewhere as ``$name``; and they do not make too many."""
        tokens = self.tree.scan_values(lambda value: isinstance(value, Token) and value.startswith("$"))
        used = {token[1:]: token for token in tokens}
        for name, token in used.items():
            if name not in self.header.vary:
                hint = nearest(name, self.header.vary)
                raise self.source.error(token, f"vary: gives no choices for {name!r}", hint)
        for name, token in self.header.vary_names.items():
            if name != PLACE and name not in used and name not in self._declared_ports():
                raise self.source.error(
                    token, f"{name} varies, but nothing uses it", f"declare a port {name}, or write ${name} somewhere"
                )

        count = prod(len(alternatives) for alternatives in self.header.vary.values())
        if count > MOST_VARIANTS:
            last = list(self.header.vary_names.values())[-1]
            hint = f"at most {MOST_VARIANTS}: vary less, or write two scenarios"
            raise self.source.error(last, f"vary: makes {count} variants", hint)

    def _variant(self, chosen: dict[str, Token]) -> Variant:
        source, header = self.source, self.header
        choices = {name: str(token) for name, token in chosen.items()}
        tree = Choose(choices).transform(self.tree)
        names = Names(source)
        given = headings(names, next(tree.find_data("columns")))
        cpus = _placed(source, chosen[PLACE], given) if PLACE in chosen else tuple(_own(given))
        kinds = {name: token for name, token in chosen.items() if name in self._declared_ports()}
        declare(names, next(tree.find_data("declarations")), kinds)
        rows = [child for child in tree.children if isinstance(child, Tree) and child.data == "row"]
        made, columns = threads(names, cpus, rows)
        says = any(statement.op == "say" for thread in made for statement in thread.body)
        if header.module and not says:
            raise source.error(self.name, f"the module {header.module} says nothing", "its lines are its outcome: say")
        kinds_of = self._observed(names, made, columns, says)
        expected = self._expected(
            tree, Vocabulary(source, made, tuple(names.messages), _writing(kinds_of, says)), choices
        )
        return Variant(
            scenario=str(self.name),
            choices=tuple(choices.items()),
            claims=header.claims,
            threads=made,
            ports=names.all_ports(),
            messages=tuple(names.messages.values()),
            serializers=tuple(names.serializers),
            observables=tuple(kinds_of),
            expectations=expected,
            position=source.position(self.name),
            about=header.about,
            module=header.module,
            says=says,
        )

    def _observed(
        self, names: Names, made: tuple[Thread, ...], columns: list[Column], says: bool
    ) -> dict[Observable, str]:
        """The observables in an outcome's order, each with what its values are."""
        if says:
            # One execution a load, and its lines are the outcome.
            for kind, subject in self.header.observe:
                raise self.source.error(
                    kind,
                    f"{kind!s} {subject!s} is observed in a scenario that says something",
                    "what is said is the whole outcome: leave out observe:, or say nothing",
                )
            return {}
        observed = {
            Observable("register", f"{thread.name}:{statement.register}"): column.registers[statement.register]
            for thread, column in zip(made, columns, strict=True)
            for statement in thread.body
            if statement.register
        }
        writing: dict[Observable, str] = dict(observed)
        for kind, subject in self.header.observe:
            observable = Observable(str(kind), self._subject(names, made, kind, subject))
            if observable in writing:
                raise self.source.error(kind, f"{observable} is observed twice", "once is enough")
            writing[observable] = {"error": "number", "calls": "number"}.get(kind, str(kind))
        return writing

    def _subject(self, names: Names, made: tuple[Thread, ...], kind: Token, subject: Token) -> str:
        if kind == "queue":
            return names.port(subject)
        if kind != "calls":
            return names.message(subject)
        handlers = {f"{port.name}.putport" for port in names.ports.values() if port.putport}
        handlers |= {f"{port.name}.replyport" for port in names.ports.values() if port.replyport}
        handlers |= {f"{message.name}.abort" for message in names.messages.values() if message.abort}
        for thread in made:
            handlers |= handlers_in(thread.body)
        if subject not in handlers:
            raise self.source.error(subject, f"{subject!s} is no handler of this scenario", nearest(subject, handlers))
        return str(subject)

    def _expected(self, tree: Tree[Token], vocabulary: Vocabulary, choices: dict[str, str]) -> tuple[Expectation, ...]:
        alternatives = {name: [str(token) for token in tokens] for name, tokens in self.header.vary.items()}
        lines = [child for child in tree.children if isinstance(child, Tree) and child.data == "expectation"]
        return tuple(
            expectation(vocabulary, line)
            for line in lines
            if applies(self.source, cast(Tree[Token] | None, line.children[2]), alternatives, choices)
        )


def _writing(kinds_of: dict[Observable, str], says: bool) -> dict[str, str]:
    """What the values of each observable are, by the name that conditions use."""
    return {str(observable): kind for observable, kind in kinds_of.items()} | ({SAID: SAID} if says else {})


def _tokens(tree: Tree[Token]) -> list[Token]:
    return [child for child in tree.children if isinstance(child, Token)]


def _own(given: list[int | None]) -> Iterator[int]:
    """Each thread's own CPU: what its head gives, else its number."""
    return (thread if cpu is None else cpu for thread, cpu in enumerate(given))


def _placed(source: Source, place: Token, given: list[int | None]) -> tuple[int, ...]:
    """The CPUs of the threads for an alternative of ``place``."""
    if place == "same-cpu":
        return (0,) * len(given)
    if place == "cross-cpu":
        return tuple(_own(given))
    cpus = place.split("-")
    if len(cpus) != len(given) or not all(cpu.isdecimal() and int(cpu) <= HIGHEST_CPU for cpu in cpus):
        example = "-".join(str(cpu) for cpu in range(len(given)))
        raise source.error(place, f"{place!s} is no place", f"write same-cpu, cross-cpu, or a CPU a thread: {example}")
    return tuple(int(cpu) for cpu in cpus)
