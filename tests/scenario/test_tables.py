"""The parser's tables are kept between runs, and never trusted when they are damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from msgport.scenario import tables
from msgport.scenario.parser import parse
from msgport.scenario.source import ScenarioError

GOOD = "MSGPORT x\n{ msg a reply T0.port }\nT0 ;\nsendmsg T0.port a ;\nalways done\n"
BAD = "MSGPORT x\n{ msg a }\nT0 ;\nsendmsg ( ;\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MSGPORT_CACHE", str(tmp_path / "cache"))
    tables.parser.cache_clear()
    yield tmp_path / "cache"
    tables.parser.cache_clear()


def complaint() -> str:
    with pytest.raises(ScenarioError) as raised:
        parse(BAD, "x")
    return str(raised.value)


def test_kept_tables_parse_and_complain_as_new_ones_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = parse(GOOD, "x"), complaint()
    assert len(list(folder.iterdir())) == 1
    tables.parser.cache_clear()
    monkeypatch.delattr("lark.Lark.save")
    assert (parse(GOOD, "x"), complaint()) == made


@pytest.mark.parametrize("damage", [b"", b"x", b"x" * 1000])
def test_damaged_tables_are_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes) -> None:
    variants = parse(GOOD, "x")
    (kept,) = folder.iterdir()
    kept.write_bytes(damage)
    tables.parser.cache_clear()
    assert parse(GOOD, "x") == variants
    tables.parser.cache_clear()
    monkeypatch.delattr("lark.Lark.save")
    assert parse(GOOD, "x") == variants


def test_a_cache_that_cannot_be_written_only_costs_time(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    assert len(parse(GOOD, "x")) == 1
