"""Whatever is done to a page, it is read or refused with a message; nothing else ever comes out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgport.manual.api import Era
from msgport.manual.drift import check_subject, drift, eras_of, unlisted
from msgport.manual.examples import examples_of
from msgport.manual.mdoc import parse
from msgport.manual.source import PageError, source_of
from tests.manual.pages import ASKED_IN_TURN, POLLS, numbered, page, real

OWN = page(ASKED_IN_TURN, POLLS)


def outcome(data: bytes) -> str:
    """Read all there is to read; gives the refusal, or nothing."""
    try:
        found = parse(source_of(data, "p.9").lines, "p.9")
        check_subject(found)
    except PageError as error:
        return str(error)
    drift(found, Era.E), eras_of(found), unlisted(found)
    for example in examples_of(found)[0]:
        assert example.unfit or example.entry or example.registers
        assert example.calls is not None and example.prints is not None and example.title is not None
    return ""


@pytest.mark.parametrize("text", [OWN, numbered(OWN)], ids=["plain", "numbered"])
def test_a_page_cut_at_any_line_before_its_last_section_is_refused(text: str) -> None:
    rows = text.splitlines(keepends=True)
    last = next(at for at, row in enumerate(rows) if "SEE" in row)
    for end in range(last + 1):
        message = outcome("".join(rows[:end]).encode())
        assert message.startswith("p.9"), f"cut after {end} lines"
    assert outcome("".join(rows).encode()) == ""


@pytest.mark.parametrize("name", ["msgport.9", "msgport.9.gitweb.txt"])
def test_the_real_page_cut_at_any_line_is_refused_until_nothing_of_it_matters(name: str) -> None:
    path = real(name)
    rows = path.read_text().splitlines(keepends=True)
    last = next(at for at, row in enumerate(rows) if "SEE" in row and "ALSO" in row)
    for end in range(len(rows) + 1):
        message = outcome("".join(rows[:end]).encode())
        assert message.startswith("p.9") or end > last, f"cut after {end} lines"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    outcome(data)


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_a_page_with_lines_dropped_doubled_swapped_or_damaged_is_read_or_refused(
    chance: random.Random, times: int
) -> None:
    rows = OWN.splitlines()
    for _ in range(times):
        at, other = chance.randrange(len(rows)), chance.randrange(len(rows))
        match chance.randrange(5):
            case 0:
                rows.pop(at)
            case 1:
                rows.insert(at, rows[other])
            case 2:
                rows[at], rows[other] = rows[other], rows[at]
            case 3:
                place = chance.randrange(len(rows[at]) + 1)
                rows[at] = rows[at][:place] + chance.choice(list('\\".{}()/*\'#\n\t "')) + rows[at][place:]
            case 4:
                rows[at] = rows[at][: chance.randrange(len(rows[at]) + 1)]
    text = "\n".join(rows)
    outcome(text.encode())
    outcome(numbered(text).encode())
