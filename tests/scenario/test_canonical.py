"""The canonical writing of a variant, and its hash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from msgport.scenario.canonical import canonical, content_hash
from msgport.scenario.library import catalogue, load
from msgport.scenario.parser import parse

TEXT = """MSGPORT x
about: what it is about
claims: getport.first
observe: error a
{ port P spin owner T1 putport chain; msg a reply T0.port flags USER0 abort reply(4); serializer S }
 T0          | T1 @ 2         ;
 sendmsg P a | r0 = getport P ;
 enter S     |                ;
always done
"""


def hash_of(text: str) -> str:
    (variant,) = parse(text, "x")
    return content_hash(variant)


@pytest.mark.parametrize("path", catalogue(), ids=lambda path: path.stem)
def test_the_canonical_text_reads_back_as_the_same_program(path: Path) -> None:
    for variant in load(path):
        (again,) = parse("MSGPORT again\n" + canonical(variant), "canonical")
        for field in ("threads", "ports", "messages", "serializers", "observables", "module", "says"):
            assert getattr(again, field) == getattr(variant, field)
        assert canonical(again) == canonical(variant)


def test_variants_of_the_catalogue_have_hashes_of_their_own() -> None:
    hashes = [content_hash(variant) for path in catalogue() for variant in load(path)]
    assert len(set(hashes)) == len(hashes)
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in hashes)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("about: what it is about", "about: something else"),
        ("claims: getport.first", "claims: getport.null"),
        ("always done", "never panic"),
        ("MSGPORT x", "# a comment\n\nMSGPORT y"),
        (" sendmsg P a | r0", " sendmsg   P a # sent\n | r0"),
        ("T0          |", "T0 @ 0 |"),
    ],
)
def test_what_does_not_change_the_program_does_not_change_the_hash(old: str, new: str) -> None:
    assert old in TEXT
    assert hash_of(TEXT.replace(old, new)) == hash_of(TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("error a", "flags a"),
        ("observe: error a\n", ""),
        ("port P spin owner T1", "port P spin"),
        ("port P spin", "port P thread"),
        ("putport chain", "putport return(0)"),
        ("putport chain", "replyport chain"),
        ("reply T0.port", "reply T1.port"),
        ("flags USER0", "flags USER1"),
        ("reply(4)", "reply(5)"),
        ("; serializer S", "; serializer S; serializer Z"),
        ("T1 @ 2", "T1 @ 3"),
        ("sendmsg P a", "sendmsg T0.port a"),
        ("r0 = getport", "r1 = getport"),
        ("r0 = getport", "getport"),
        ("enter S     |  ", "| enter S"),
    ],
)
def test_what_changes_the_program_changes_the_hash(old: str, new: str) -> None:
    assert old in TEXT
    assert hash_of(TEXT.replace(old, new)) != hash_of(TEXT)


def test_the_hash_is_the_same_on_every_run_and_release() -> None:
    # Transcripts kept by users carry it: a change here makes them all stale.
    assert hash_of(TEXT) == "ff91db240a0a5cec"
