"""docs/scenarios.md tells all of the language, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from msgport.manual.api import PortKind
from msgport.manual.panics import PANICS, PanicClass
from msgport.scenario.columns import usage
from msgport.scenario.declare import RESERVED, SETTABLE_FLAGS
from msgport.scenario.parser import MODULES, parse
from msgport.scenario.source import ScenarioError
from msgport.scenario.statements import ABORT_HANDLERS, PUTPORT_HANDLERS, REPLYPORT_HANDLERS, STATEMENTS, Behaviour

TEXT = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
EXAMPLE = dedent(re.search(r"(?m)^    MSGPORT(?:.*\n)+?(?=\n)", TEXT)[0])  # type: ignore[index]


@pytest.mark.parametrize("op", STATEMENTS)
def test_every_statement_has_its_row(op: str) -> None:
    assert f"\n| `{usage(op, STATEMENTS[op])}` | {STATEMENTS[op].about} |\n" in TEXT


@pytest.mark.parametrize("table", [PUTPORT_HANDLERS, REPLYPORT_HANDLERS, ABORT_HANDLERS])
def test_every_handler_has_its_row(table: dict[str, Behaviour]) -> None:
    for behaviour in table.values():
        written, _, about = behaviour.about.partition(": ")
        assert f"\n| `{written}` | {about} |\n" in TEXT


@pytest.mark.parametrize("panic", PANICS, ids=lambda panic: panic.name)
def test_every_panic_class_has_its_row(panic: PanicClass) -> None:
    assert f"\n| `{panic.name}` | {panic.about} |\n" in TEXT


def test_every_kind_flag_header_and_reserved_word_is_named() -> None:
    for word in (*PortKind, *RESERVED, *MODULES):
        assert f"`{word}`" in TEXT
    assert set(SETTABLE_FLAGS) == {"DROPABLE", "PRIORITY", "USER0", "USER1", "USER2", "USER3"}
    for header in ("about", "claims", "vary", "observe", "module"):
        assert f"| `{header}: " in TEXT


def test_the_example_at_the_top_is_a_scenario() -> None:
    assert [variant.name for variant in parse(EXAMPLE, "example")] == [
        f"two-clients/P={kind},place={place}" for kind in ("thread", "spin") for place in ("same-cpu", "cross-cpu")
    ]


def test_the_error_shown_is_the_one_that_comes() -> None:
    with pytest.raises(ScenarioError) as raised:
        parse(EXAMPLE.replace("domsg P a", "domesg P a", 1), "two-clients.msgport")
    assert "\n".join("    " + line for line in str(raised.value).splitlines()) in TEXT
