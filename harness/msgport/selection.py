"""Which variants a command takes: names, files, and ``-k EXPR`` over names and claims in pytest's manner."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from msgport.scenario.canonical import content_hash
from msgport.scenario.library import SUFFIX, asked_for, catalogue, load
from msgport.scenario.program import Variant

_TOKEN = re.compile(r"\s*(\(|\)|[^\s()]+)")

Selector = Callable[[Variant], bool]


class SelectionError(ValueError):
    """A name or an expression that chooses nothing; the message says what there is."""


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


def choose(names: Sequence[str], expression: str | None) -> tuple[Variant, ...]:
    """The variants that a command line asks for, in its order, each once; the whole catalogue when it names none.

    A name is a scenario's or a scenario file's, with ``/CHOICES`` behind it for one variant. Raises SelectionError when
    a name or the expression fits nothing, or two files give one name to different things; ScenarioError for what a
    file holds.
    """
    chosen: dict[str, Variant] = {}
    for name in names or [str(path) for path in catalogue()]:
        for variant in _named(name):
            other = chosen.setdefault(variant.name, variant)
            if not _means_the_same(variant, other):
                raise SelectionError(
                    f"{other.position.file} and {variant.position.file} both call a scenario {variant.scenario}, and "
                    f"{variant.name} is not the same in both: give one of them another title"
                )
    if expression is None:
        return tuple(chosen.values())
    fits = selector(expression)
    kept = tuple(variant for variant in chosen.values() if fits(variant))
    if not kept:
        raise SelectionError(f"-k {expression!r} fits none of {len(chosen)} variants; `msgport claims` lists them")
    return kept


def _means_the_same(one: Variant, other: Variant) -> bool:
    """Whether what is run and what is expected of it are the same, wherever they are written."""
    return one is other or (content_hash(one) == content_hash(other) and one.expectations == other.expectations)


def _named(name: str) -> tuple[Variant, ...]:
    """The variants of one name on the command line."""
    file, slash, choices = _file_of(name)
    if file:
        try:
            variants = load(file)
        except OSError as error:
            raise SelectionError(f"cannot read the scenario file {file}: {error.strerror}") from None
    else:
        scenario, slash, choices = name.partition("/")
        known = {path.stem: path for path in catalogue()}
        if scenario not in known:
            near = get_close_matches(scenario, known)
            hint = f"did you mean {' or '.join(near)}" if near else "`msgport claims` names them all"
            raise SelectionError(f"no scenario {scenario} in the catalogue; {hint}")
        variants = load(known[scenario])
    if not slash:
        return variants
    for variant in variants:
        if variant.name == f"{variant.scenario}/{choices}":
            return (variant,)
    listed = "\n  ".join(asked_for(variant) for variant in variants)
    raise SelectionError(f"{file or scenario} has no variant {choices}; it has\n  {listed}")


def _file_of(name: str) -> tuple[str, str, str]:
    """A scenario file's path, and behind a slash the choices of one of its variants; no path if it names no file."""
    path = Path(name)
    if path.suffix == SUFFIX or path.is_file():
        return name, "", ""
    file, suffix, choices = name.rpartition(f"{SUFFIX}/")
    if suffix:
        return file + SUFFIX, "/", choices
    return (name if path.is_absolute() or name.startswith(".") else ""), "", ""
