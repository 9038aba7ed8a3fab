"""Places in a scenario's text, and the error that shows one to people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from lark import Token
from lark.tree import Meta

from msgport.scenario.program import Position


class ScenarioError(Exception):
    """A scenario file is wrong: what is wrong, where, and what to do about it.

    ``str`` shows ``file:line:column: message``, the line with a caret under the column, and the hint.
    """

    def __init__(self, message: str, position: Position, hint: str = "", line: str | None = None) -> None:
        """Keep the parts; ``line`` is the source line, read from ``position.file`` when it is not given."""
        super().__init__(message, position, hint)
        self.message = message
        self.position = position
        self.hint = hint
        self._line = line

    def __str__(self) -> str:
        """Show the place, the message, the line with its caret, and the hint."""
        at = self.position
        return "\n".join(
            part
            for part in (
                f"{at.file}:{at.line}:{at.column}: {self.message}",
                excerpt(at, self._line),
                f"  {self.hint}" if self.hint else "",
            )
            if part
        )


def excerpt(position: Position, line: str | None = None) -> str:
    """Show a source line, and under it a caret at the position.

    Without ``line`` it is read from ``position.file``; the answer is empty when that file cannot be read or is shorter.
    """
    if line is None:
        try:
            line = line_of(Path(position.file).read_text(encoding="utf-8"), position.line)
        except (OSError, UnicodeDecodeError, IndexError):
            return ""
    # Tabs stay, so that the caret stands under its place however wide the terminal makes them.
    indent = "".join("\t" if char == "\t" else " " for char in line[: position.column - 1])
    return f"    {line}\n    {indent}^"


def line_of(text: str, number: int) -> str:
    """A line by its number, from 1, without its end; IndexError when there is none.

    Only a line feed ends a line, as for the parser: ``str.splitlines`` would also split at form feeds and the like.
    """
    return text.split("\n")[number - 1].rstrip("\r")


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that is most like ``word``, or list them all when none is."""
    words = sorted(known)
    if not words:
        return "there are none"
    close = get_close_matches(word, words, n=1)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(words)


@dataclass(frozen=True)
class Source:
    """The text of one scenario file, to give tokens their positions and errors their lines."""

    file: str
    text: str

    def position(self, token: Token | Meta) -> Position:
        """Where a token, or what a tree's ``meta`` spans, begins."""
        return Position(self.file, token.line or 1, token.column or 1)

    def error(self, at: Token | Position, message: str, hint: str = "") -> ScenarioError:
        """Make the error to raise for something wrong at a token."""
        position = self.position(at) if isinstance(at, Token) else at
        return ScenarioError(message, position, hint, line_of(self.text, position.line))
