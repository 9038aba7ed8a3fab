from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pytest

from msgport.manual.mdoc import parse
from msgport.manual.source import PageError, source_of
from tests.manual.pages import ASKED_IN_TURN, numbered, page, real

TEXT = page(ASKED_IN_TURN)


def lines(data: bytes) -> list[tuple[int, str]]:
    return [(line.number, line.text) for line in source_of(data, "ports.9").lines]


def wrong(data: bytes) -> str:
    with pytest.raises(PageError) as caught:
        source_of(data, "ports.9")
    return str(caught.value)


def test_lines_are_numbered_from_one() -> None:
    assert lines(TEXT.encode()) == list(enumerate(TEXT.splitlines(), 1))


def test_a_compressed_page_is_the_same_page() -> None:
    assert lines(gzip.compress(TEXT.encode())) == lines(TEXT.encode())


def test_a_copy_from_gitweb_is_the_same_page_but_for_its_tabs() -> None:
    spread = TEXT.expandtabs(8)
    assert lines(numbered(spread).encode()) == lines(spread.encode())


def test_a_compiler_is_only_sent_to_a_file_that_holds_these_lines() -> None:
    assert source_of(TEXT.encode(), "ports.9").label == "ports.9"
    assert source_of(gzip.compress(TEXT.encode()), "ports.9.gz").label == "ports.9.gz (unpacked)"
    assert source_of(numbered(TEXT).encode(), "ports.9").label == "ports.9 (numbered)"


def test_line_ends_of_other_systems_do_not_count() -> None:
    assert lines(TEXT.replace("\n", "\r\n").encode("utf-8-sig")) == lines(TEXT.encode())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"<!DOCTYPE html>\n<p>.Sh NAME", "this is HTML"),
        (b"PORTS(9)   Kernel Developer's Manual   PORTS(9)\n\nNAME\n", "rendered page"),
        (b"N\bNA\bAM\bME\bE\n", "rendered page"),
        (b"hello\n", "no manual page"),
        (b".so man9/msgport.9\n", "only refers to another page: man9/msgport.9"),
        (b"word\n.Fn f\n", "the page is cut off"),
        (b'.\\" A licence.\n', "the page is cut off"),
        (b".Dd today\n\0", "ports.9:2: it is no text"),
        (gzip.compress(TEXT.encode())[:-300], "cut off"),
        (b"\x1f\x8b" + b"x" * 40, "damaged"),
        (bz2.compress(TEXT.encode()), "packed with bzip2"),
        (gzip.compress(b"x" * (5 << 20)), "larger than 4 MiB"),
    ],
)
def test_what_is_no_page_is_told_apart_and_the_next_step_is_named(data: bytes, said: str) -> None:
    message = wrong(data)
    assert said in message and message.startswith("ports.9") and "; " in message


def test_a_line_that_a_copy_lacks_is_named() -> None:
    rows = numbered(TEXT).splitlines()
    del rows[10]
    assert wrong("\n".join(rows).encode()).startswith("ports.9:11: line 10 of the page follows line 8")


def test_a_copy_without_the_pages_beginning_is_told_so() -> None:
    rows = numbered(TEXT).splitlines()[12:]
    assert "the copy begins with line 11 of the page" in wrong("\n".join(rows).encode())


def test_a_line_that_a_copy_has_broken_is_named() -> None:
    rows = numbered(TEXT).splitlines()
    rows.insert(12, "and its rest")
    assert wrong("\n".join(rows).encode()).startswith("ports.9:13: this has no line number")


def test_both_forms_of_the_real_page_say_the_same() -> None:
    one, other = (source_of(real(n).read_bytes(), "p") for n in ("msgport.9", "msgport.9.gitweb.txt"))
    whole, copied = parse(one.lines, "p"), parse(other.lines, "p")
    assert copied == whole and len(whole.functions) == 20


def test_a_page_in_latin_1_can_be_read(tmp_path: Path) -> None:
    assert lines(TEXT.replace("In prose", "In pr\xf6se").encode("latin-1"))[5] == (6, ".Nm lwkt_initport_spin ,")
