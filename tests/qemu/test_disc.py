"""The modules' CD holds them under their own names."""

from __future__ import annotations

import io
from pathlib import Path

import pycdlib
import pytest

from msgport_vm.disc import write_disc
from msgport_vm.machine import MachineError


def read_disc(disc: Path) -> dict[str, bytes]:
    image = pycdlib.PyCdlib()
    image.open(str(disc))
    found = {}
    for child in image.list_children(rr_path="/"):
        if child.is_file():
            name = child.rock_ridge.name().decode()
            content = io.BytesIO()
            image.get_file_from_iso_fp(content, rr_path=f"/{name}")
            found[name] = content.getvalue()
    image.close()
    return found


def modules(folder: Path, count: int) -> list[Path]:
    files = [folder / f"mp_{number:08x}_0000abcd.ko" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]) * 3000)
    return files


def test_modules_keep_names_and_content(tmp_path: Path) -> None:
    files = modules(tmp_path, 20)
    write_disc(tmp_path / "disc", files)
    assert read_disc(tmp_path / "disc") == {file.name: file.read_bytes() for file in files}


def test_a_disc_is_rewritten_in_place_and_keeps_its_size(tmp_path: Path) -> None:
    disc = tmp_path / "disc"
    write_disc(disc, [], 1 << 20)
    inode = disc.stat().st_ino
    write_disc(disc, modules(tmp_path, 1), 1 << 20)
    assert (disc.stat().st_ino, disc.stat().st_size) == (inode, 1 << 20)
    assert len(read_disc(disc)) == 1


def test_nothing_of_an_older_disc_shows_through(tmp_path: Path) -> None:
    disc, files = tmp_path / "disc", modules(tmp_path, 45)
    for count in (5, 45, 30, 3):
        write_disc(disc, files[:count], 1 << 20)
        assert read_disc(disc) == {file.name: file.read_bytes() for file in files[:count]}


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="the modules take"):
        write_disc(tmp_path / "disc", modules(tmp_path, 2), 4096)


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"gone\.ko"):
        write_disc(tmp_path / "disc", [tmp_path / "gone.ko"])
