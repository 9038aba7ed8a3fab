"""The example programs of a page: its literal displays that hold C functions, cut into programs, as they stand.

C is read as far as tokens, braces and names go: an example is full of types that only the kernel's headers tell, so
that no C parser can do more without them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from msgport.manual.api import function_names
from msgport.manual.mdoc import Literal, Page
from msgport.manual.source import Line

CUSTOMARY = "mod_load"
"""The name of the function to begin with, where several could be it."""

_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?(?:\*/|\Z)|//[^\n]*)
      | (?P<directive>^[ \t]*\#(?:\\.|/\*.*?\*/|[^\\\n])*)
      | (?P<string>"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>[0-9][\w.]*)
      | (?P<mark>\S)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_REGISTERS = re.compile(r"(?:DECLARE|DEV|DRIVER|SYSCALL)_MODULE|SYSINIT|moduledata_t")
_STARTS = re.compile(r"(?:kthread|kproc|callout|taskqueue)_\w+")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


@dataclass(frozen=True)
class Function:
    """A function that an example defines.

    ``alone`` tells that it takes no arguments. ``words`` are the names that its body mentions, ``prints`` the format
    strings that it gives to kprintf.
    """

    name: str
    alone: bool
    words: frozenset[str]
    prints: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """One program of the page. ``number`` counts them from 1; ``lines`` are as the page shows them."""

    number: int
    lines: tuple[Line, ...]

    @cached_property
    def text(self) -> str:
        """The C source."""
        return "".join(f"{line.text}\n" for line in self.lines)

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """The functions that it defines, by name."""
        return {function.name: function for function in _functions(_tokens(self.text))}

    @property
    def title(self) -> str:
        """The first line of the comment that it begins with; empty when it has none."""
        first = next(iter(_tokens(self.text)), None)
        if first is None or first.kind != "comment":
            return ""
        return next((line for row in first.text.splitlines() if (line := row.strip("/* \t"))), "")

    @cached_property
    def registers(self) -> bool:
        """Whether it is a module by itself."""
        return any(each.kind == "word" and _REGISTERS.fullmatch(each.text) for each in _tokens(self.text))

    @cached_property
    def starts_unseen(self) -> tuple[str, ...]:
        """What it calls that goes on by itself and cannot be watched: callouts, threads made otherwise."""
        words = (each.text for each in _tokens(self.text) if each.kind == "word" and _STARTS.fullmatch(each.text))
        return tuple(dict.fromkeys(words))

    @cached_property
    def entry(self) -> str | None:
        """The function to begin with: it takes no arguments and nothing mentions it. None when there is no one such."""
        mentioned = _mentioned(self.functions.values(), _tokens(self.text))
        found = [each.name for each in self.functions.values() if each.alone and each.name not in mentioned]
        if len(found) > 1 and CUSTOMARY in found:
            return CUSTOMARY
        return found[0] if len(found) == 1 else None

    @cached_property
    def calls(self) -> frozenset[str]:
        """The message-port functions that can be reached from the entry, threads that it starts included."""
        return frozenset(word for each in self._reached for word in each.words) & function_names()

    @cached_property
    def prints(self) -> tuple[str, ...]:
        """The format strings that can reach kprintf, each once."""
        return tuple(dict.fromkeys(text for each in self._reached for text in each.prints))

    @cached_property
    def _reached(self) -> tuple[Function, ...]:
        reached: dict[str, Function] = {}
        ahead = [self.entry] if self.entry else []
        while ahead:
            name = ahead.pop()
            if name not in reached:
                reached[name] = self.functions[name]
                ahead += [word for word in self.functions[name].words if word in self.functions]
        return tuple(reached.values())

    @property
    def unfit(self) -> str:
        """Say why no module can be made of it; empty when one can."""
        if self.registers or self.entry:
            return ""
        alone = [each.name for each in self.functions.values() if each.alone]
        if not alone:
            return "no function of it can be called without arguments, so there is none to begin with"
        return f"it is not clear which function to begin with: {', '.join(alone)}; {CUSTOMARY} would be taken"


@dataclass(frozen=True)
class Fragment:
    """A literal display that is no program, and why."""

    line: int
    reason: str


def examples_of(page: Page) -> tuple[tuple[Example, ...], tuple[Fragment, ...]]:
    """The programs of a page, and the literal displays that are none."""
    found: list[Example] = []
    fragments: list[Fragment] = []
    for literal in page.literals:
        reason = _no_program(literal)
        if reason:
            fragments.append(Fragment(literal.line, reason))
        else:
            found += programs(literal.lines)
    return tuple(replace(each, number=number) for number, each in enumerate(found, 1)), tuple(fragments)


def _no_program(literal: Literal) -> str:
    if not any(True for _ in _functions(_tokens("".join(f"{line.text}\n" for line in literal.lines)))):
        return "it defines no function"
    if literal.markup:
        return f"line {literal.markup} is a macro: what it shows is not what stands there"
    return ""


def programs(lines: Sequence[Line]) -> Iterator[Example]:
    """Cut the lines of a display into programs.

    A new one begins where, after a function, something is included again, or a comment says "Example 2"; it takes
    along the comments before it.
    """
    text = "".join(f"{line.text}\n" for line in lines)
    cuts = [0, *dict.fromkeys(text.count("\n", 0, at) for at in _cuts(_tokens(text))), len(lines)]
    for start, end in pairwise(cuts):
        kept = list(lines[start:end])
        while kept and not kept[0].text.strip():
            kept.pop(0)
        while kept and not kept[-1].text.strip():
            kept.pop()
        yield Example(0, tuple(kept))


def _cuts(tokens: Iterable[_Token]) -> Iterator[int]:
    """Offsets of the first token of each program but the first."""
    depth, defined, ahead = 0, False, -1
    before: list[str] = []
    for token in tokens:
        outside = depth == 0
        depth += {"{": 1, "}": -1}.get(token.text, 0) if token.kind == "mark" else 0
        if outside and token.kind in ("comment", "directive"):
            ahead = token.start if ahead < 0 else ahead
            begins = (
                re.match(r"\s*#\s*include\b", token.text)
                if token.kind == "directive"
                else re.match(r"[/*\s]*example\s*(?:[0-9#:.]|[a-z]\b)", token.text, re.IGNORECASE)
            )
            if defined and begins:
                yield ahead
                defined = False
            continue
        ahead = -1
        if outside and token.text == "{" and "(" in before and "=" not in before:
            defined = True
        before = [] if outside and token.text in (";", "}", "{") else [*before, token.text]
        if token.text == "}" and depth == 0:
            before = []


def _tokens(text: str) -> tuple[_Token, ...]:
    return tuple(_Token(str(match.lastgroup), match[0], match.start()) for match in _TOKEN.finditer(text))


def _declarations(tokens: Iterable[_Token]) -> Iterator[tuple[list[_Token], list[_Token]]]:
    """The external declarations: the tokens up to the body or the semicolon, and those of the body."""
    head: list[_Token] = []
    body: list[_Token] = []
    depth = 0
    for token in tokens:
        if token.kind in ("comment", "directive"):
            continue
        if depth:
            depth += {"{": 1, "}": -1}.get(token.text, 0) if token.kind == "mark" else 0
            body.append(token)
            if depth == 0 and _function_head(head):
                yield head, body
                head, body = [], []
        elif token.text == "{" and token.kind == "mark":
            depth = 1
        elif token.text == ";":
            yield head, body
            head, body = [], []
        else:
            head.append(token)
    yield head, body


def _function_head(head: Sequence[_Token]) -> tuple[str, bool] | None:
    """The name that a function's definition defines, and whether it takes no arguments."""
    texts = [token.text for token in head]
    if "=" in texts or "typedef" in texts:
        return None
    for at, token in enumerate(head[1:], 1):
        if token.text == "(" and head[at - 1].kind == "word" and head[at - 1].text != "__attribute__":
            close = texts.index(")", at) if ")" in texts[at:] else len(texts)
            return head[at - 1].text, texts[at + 1 : close] in (["void"], [])
    return None


def _functions(tokens: Iterable[_Token]) -> Iterator[Function]:
    for head, body in _declarations(tokens):
        found = _function_head(head)
        if found and body:
            words = frozenset(token.text for token in body if token.kind == "word")
            yield Function(found[0], found[1], words, tuple(_formats(body)))


def _mentioned(functions: Iterable[Function], tokens: Iterable[_Token]) -> set[str]:
    """The functions that another one, or a table, mentions."""
    found = {word for each in functions for word in each.words - {each.name}}
    for head, body in _declarations(tokens):
        if any(token.text == "=" for token in head):
            found |= {token.text for token in (*head, *body) if token.kind == "word"}
    return found


def _formats(body: Sequence[_Token]) -> Iterator[str]:
    for at, token in enumerate(body[:-2]):
        if token.text == "kprintf" and body[at + 1].text == "(":
            pieces = []
            for piece in body[at + 2 :]:
                if piece.kind != "string":
                    break
                pieces.append(piece.text[1:].removesuffix('"'))
            try:
                yield codecs.decode("".join(pieces).encode("ascii", "backslashreplace"), "unicode_escape")
            except UnicodeDecodeError:
                # No C compiler takes it either, and says so better.
                yield "".join(pieces)
