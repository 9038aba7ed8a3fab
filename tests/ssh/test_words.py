"""What DragonFly's commands say, understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from msgport_vm.connection import Address
from msgport_vm.deaths import death
from msgport_vm.dragonfly import era_of, failed_handler, linker_complaints, missing_for_build

TRANSCRIPTS = Path(__file__).parent.parent.parent.parent / "shared" / "transcripts" / "dragonfly-5.9"


@pytest.mark.parametrize(
    ("osreldate", "era"),
    [
        *((200200, "A"), (300199, "A"), (300200, "B"), (300400, "C"), (300600, "D"), (300800, "D")),
        *((400000, "E"), (500900, "E"), (600400, "E")),
    ],
)
def test_the_era_follows_from_the_version(osreldate: int, era: str) -> None:
    assert era_of(osreldate) == era


def test_a_compilers_complaint_is_no_missing_tool() -> None:
    assert missing_for_build("probe.c:3: error: implicit declaration of function 'f'\n*** Error code 1") is None


def test_a_real_load_that_failed_is_understood() -> None:
    if not TRANSCRIPTS.is_dir():
        pytest.skip("needs ../shared/transcripts beside the repository")
    text = (TRANSCRIPTS / "kldload-good-and-bad.txt").read_text(errors="replace").replace("\r", "")
    assert failed_handler(text).endswith("error 6")
    assert "link_elf_obj_obj: symbol" in linker_complaints(text) and death(text) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("panic-getport-on-panic-port", "panic: lwkt_getport() illegal on port 0x"),
        ("panic-send-twice", "panic: assertion "),
        ("trap-null-pointer", "Fatal trap 12"),
    ],
)
def test_a_real_death_is_recognised(name: str, said: str) -> None:
    if not TRANSCRIPTS.is_dir():
        pytest.skip("needs ../shared/transcripts beside the repository")
    text = (TRANSCRIPTS / f"{name}.txt").read_text(errors="replace").replace("\r", "")
    assert death(text).startswith(said)


@pytest.mark.parametrize("url", ["ssh://root@host", "ssh://a.b@10.0.0.1:2222", "ssh://root@[fe80::1]:22022"])
def test_an_address_reads_back_as_it_was_written(url: str) -> None:
    assert str(Address.parse(url)) == url
