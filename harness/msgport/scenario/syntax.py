"""Scenario text to a parse tree, and syntax errors in words."""

from __future__ import annotations

from lark import Token, Transformer, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from msgport.scenario.program import Position
from msgport.scenario.source import Source, line_of
from msgport.scenario.tables import parser

# How a terminal is called in an error message; the others are shown as they are written.
_TERMINALS = {
    "SCENARIO": "a scenario's name",
    "PROSE": "a text",
    "CLAIM": "a claim's id",
    "MODEL": "'kernel:' or 'manual:'",
    "QUANTIFIER": "'always', 'never' or 'sometimes'",
    "NAME": "a name",
    "CHOSEN": "a $name",
    "NUMBER": "a number",
    "VALUE": "a value",
    "TEXT": 'a "text"',
    "ENDING": "an ending ('done', 'deadlock' or 'panic')",
    "$END": "the end of the file",
}


def _expected(error: UnexpectedInput) -> str:
    names: set[str] = set()
    if isinstance(error, UnexpectedToken):
        # `accepts` leaves out what the merged states of LALR only seem to allow.
        names = error.accepts or error.expected
    elif isinstance(error, UnexpectedCharacters):
        names = error.allowed
    patterns = {terminal.name: terminal.pattern for terminal in parser().terminals}
    shown = sorted(_TERMINALS.get(name) or f"'{patterns[name].value}'" for name in names)
    return "expected " + (" or ".join(shown) if len(shown) < 3 else "one of: " + ", ".join(shown))


def tree_of(source: Source) -> Tree[Token]:
    """Parse the text; ScenarioError where it does not follow the grammar."""
    try:
        return parser().parse(source.text)
    except UnexpectedInput as error:
        at_end = isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END")
        if at_end:
            lines = source.text.rstrip().split("\n")
            position = Position(source.file, len(lines), len(lines[-1]) + 1)
            raise source.error(position, "the scenario ends too early", _expected(error)) from None
        position = Position(source.file, error.line, error.column)
        word = line_of(source.text, error.line)[error.column - 1 :].split(" ")[0]
        raise source.error(position, f"unexpected {word!r}", _expected(error)) from None


class Choose(Transformer[Token, Tree[Token]]):
    """Replace every ``$name`` by the alternative chosen for it; the token keeps its place in the file."""

    def __init__(self, choices: dict[str, str]) -> None:
        """``choices`` maps each ``vary:`` name, so every ``$name`` of the tree, to one of its alternatives."""
        super().__init__(visit_tokens=True)
        self._choices = choices

    def CHOSEN(self, token: Token) -> Token:  # noqa: N802 (lark calls it by the terminal's name)
        """Resolve a ``$name``."""
        return token.update(value=self._choices[token[1:]])

    def VALUE(self, token: Token) -> Token:  # noqa: N802
        """Resolve a value that is a ``$name``."""
        return self.CHOSEN(token) if token.startswith("$") else token
