"""A guest's memory is read up to where there are no more modules, holes and all."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from msgport_vm.memory_window import GAP, PAGE, read_modules, read_window
from msgport_vm.qmp import Monitor, RefusedError

KERNEL = 0xFFFFFFFF81C00000


class Memory:
    """Pages of a guest, by their numbers; answers as QEMU does."""

    def __init__(self, pages: dict[int, bytes]) -> None:
        self.pages = pages

    def execute(self, command: str, *, val: int, size: int, filename: str) -> None:
        assert command == "memsave"
        Path(filename).write_bytes(b"half")
        if not -(2**63) <= val < 2**63:
            raise RefusedError("QEMU refuses memsave: Parameter 'val' expects integer")
        with Path(filename).open("wb") as file:
            for address in range(val, val + size, PAGE):
                page = self.pages.get((address - KERNEL + 2**64) // PAGE % 2**52)
                if page is None:
                    raise RefusedError("QEMU refuses memsave: Invalid addr 0x1/size 4096 specified")
                file.write(page)


def read(pages: dict[int, bytes], tmp_path: Path, size: int = 2 << 20) -> bytes:
    return read_window(cast(Monitor, Memory(pages)), tmp_path / "aside", KERNEL + 0x1B8, size)


def test_pages_come_in_order_and_holes_as_zeros(tmp_path: Path) -> None:
    pages = {0: b"a" * PAGE, 1: b"b" * PAGE, 3: b"d" * PAGE}
    found = read(pages, tmp_path)
    assert found[: 4 * PAGE] == pages[0] + pages[1] + bytes(PAGE) + pages[3]
    assert not any(found[4 * PAGE :])
    assert list(tmp_path.iterdir()) == []


def test_reading_ends_at_a_long_gap(tmp_path: Path) -> None:
    assert len(read({0: b"a" * PAGE}, tmp_path)) == PAGE + GAP


def test_reading_ends_at_the_size_asked_for(tmp_path: Path) -> None:
    assert len(read(dict.fromkeys(range(100), b"a" * PAGE), tmp_path, 10 * PAGE)) == 10 * PAGE


def test_another_refusal_is_not_taken_for_a_hole(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="expects integer"):
        read_window(cast(Monitor, Memory({})), tmp_path / "aside", 2**65)
    assert list(tmp_path.iterdir()) == []


def test_modules_that_a_cpu_has_not_mapped_just_then_are_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory({})
    monkeypatch.setattr("time.sleep", lambda _: memory.pages.update({0: b"a" * PAGE}))
    assert read_modules(cast(Monitor, memory), tmp_path / "aside", KERNEL).startswith(b"a" * PAGE)
