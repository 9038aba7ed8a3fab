"""The C that is written by hand: what of style(9) a reader sees at once."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(file for folder in ("vm", "tests", "benchmarks") for file in (ROOT / folder).rglob("*.[ch]"))


def test_there_is_c_to_look_at() -> None:
    assert {"lwkt_msgport.c", "msgport.h", "ports.c", "pingpong.c"} <= {file.name for file in SOURCES}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_lines_are_short_and_indented_with_tabs(file: Path) -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{number}: {line}"
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if len(line.expandtabs(8)) > 80 or line != line.rstrip() or line.startswith(" " * 8)
    ]
    assert wrong == []
