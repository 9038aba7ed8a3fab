"""The message buffer is found through its header, and read from its oldest character on."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import cast

import pytest

from msgport_vm.guest_messages import read_messages
from msgport_vm.memory_window import PAGE
from msgport_vm.qmp import Monitor
from tests.qemu.test_memory_window import KERNEL, Memory

HEADER, RING = KERNEL + 0xFE0, KERNEL + 4 * PAGE + 8


def guest(ring: bytes, end: int, magic: int = 0x063064, size: int | None = None) -> Memory:
    memory = bytearray(8 * PAGE)
    struct.pack_into("<IIIIQ", memory, HEADER - KERNEL, magic, len(ring) if size is None else size, end, 0, RING)
    memory[RING - KERNEL : RING - KERNEL + len(ring)] = ring
    return Memory({number: bytes(memory[number * PAGE : (number + 1) * PAGE]) for number in range(8)})


def messages(ring: bytes, end: int, tmp_path: Path, magic: int = 0x063064, size: int | None = None) -> str:
    return read_messages(cast(Monitor, guest(ring, end, magic, size)), tmp_path / "aside", HEADER)


def test_a_buffer_that_is_not_full_is_read_up_to_its_end(tmp_path: Path) -> None:
    assert messages(b"one\ntwo\n".ljust(100, b"\0"), 8, tmp_path) == "one\ntwo\n"


@pytest.mark.parametrize("end", [3, 10 + 3, 2**31 + 5])
def test_one_that_went_round_begins_with_its_oldest_text(tmp_path: Path, end: int) -> None:
    text = "0123456789"
    at = end % 10
    assert messages((text[-at:] + text[:-at]).encode(), end, tmp_path) == text


def test_one_longer_than_a_page_is_whole(tmp_path: Path) -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    assert messages(text.encode(), len(text), tmp_path) == text


@pytest.mark.parametrize(("magic", "size"), [(0, 100), (0x063064, 0), (0x063064, 1 << 30)])
def test_what_is_no_buffer_has_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, magic: int, size: int) -> None:
    monkeypatch.setattr("msgport_vm.memory_window.PAUSE", 0.0)
    assert messages(b"text", 4, tmp_path, magic, size) == ""


@pytest.mark.parametrize("mapped", [(), (0, 1)], ids=["nothing", "the header alone"])
def test_a_cpu_that_has_it_not_mapped_just_then_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapped: tuple[int, ...]
) -> None:
    memory = guest(b"text", 4)
    whole, memory.pages = memory.pages, {number: memory.pages[number] for number in mapped}
    monkeypatch.setattr("time.sleep", lambda _: memory.pages.update(whole))
    assert read_messages(cast(Monitor, memory), tmp_path / "aside", HEADER) == "text"


def test_without_an_address_nothing_is_asked(tmp_path: Path) -> None:
    assert read_messages(cast(Monitor, None), tmp_path / "aside", 0) == ""
