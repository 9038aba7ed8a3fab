"""Scenario files: those of the catalogue, and the user's own."""

from __future__ import annotations

from pathlib import Path

import msgport
from msgport.scenario.parser import parse
from msgport.scenario.program import Position, Variant
from msgport.scenario.source import ScenarioError, nearest

SUFFIX = ".msgport"


def catalogue() -> tuple[Path, ...]:
    """The scenario files that come with the product, in the order of their names."""
    return tuple(sorted((Path(msgport.__file__).parent / "catalogue").glob("*" + SUFFIX)))


def asked_for(variant: Variant) -> str:
    """How a command line asks for a variant: by its name, or by its file where that is not of the catalogue."""
    file = Path(variant.position.file)
    return variant.name if file in catalogue() else f"{file}{variant.name.removeprefix(variant.scenario)}"


def find(name_or_path: str) -> Path:
    """The file of a scenario: a path to one, or a name from the catalogue.

    Raises LookupError, with the nearest name in its message, when there is neither.
    """
    path = Path(name_or_path)
    if path.suffix == SUFFIX or path.is_file():
        if path.is_file():
            return path
        raise LookupError(f"no scenario file {name_or_path}; list the catalogue, or check the path")
    known = {each.stem: each for each in catalogue()}
    if name_or_path not in known:
        raise LookupError(f"no scenario {name_or_path}; {nearest(name_or_path, known)}")
    return known[name_or_path]


def load(path: Path | str) -> tuple[Variant, ...]:
    """Read and parse one scenario file. Raises ScenarioError for what it holds and OSError when it cannot be read."""
    path = Path(path)
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        position = Position(str(path), before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        raise ScenarioError("this is no UTF-8 text", position, "write scenarios in UTF-8") from None
    return parse(text, str(path))
