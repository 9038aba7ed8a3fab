"""Saved machines are found by all that shaped them, and by nothing else."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from msgport_vm.qemu_states import KEPT, SavedStates, identity, key_of

MEANWHILE = 0.3
"""Seconds; more than it takes to save some bytes where nothing prevents it."""


def saved(tmp_path: Path, key: str, content: bytes = b"memory") -> SavedStates:
    states = SavedStates(tmp_path / "states")
    file = tmp_path / "state.qcow2"
    file.write_bytes(content)
    states.keep(key, [file], {"kernel": "K"})
    return states


def test_a_saved_machine_comes_back_with_its_description(tmp_path: Path) -> None:
    states = saved(tmp_path, "key")
    there = tmp_path / "there"
    there.mkdir()
    state = states.fetch("key", there)
    assert state is not None and state["kernel"] == "K"
    assert (there / "state.qcow2").read_bytes() == b"memory"


def test_another_key_finds_nothing(tmp_path: Path) -> None:
    assert saved(tmp_path, "key").fetch("other", tmp_path) is None


def test_a_damaged_one_is_none(tmp_path: Path) -> None:
    states = saved(tmp_path, "key")
    (tmp_path / "states" / "key" / "state.qcow2").unlink()
    assert states.fetch("key", tmp_path) is None


def test_a_newer_one_takes_the_place_of_an_older(tmp_path: Path) -> None:
    saved(tmp_path, "key")
    states = saved(tmp_path, "key", b"newer")
    assert states.fetch("key", tmp_path) is not None
    assert (tmp_path / "state.qcow2").read_bytes() == b"newer"


def test_the_files_of_a_machine_are_all_of_the_same_one_though_another_process_saves_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = SavedStates(tmp_path / "states")

    def save(content: bytes) -> None:
        folder = tmp_path / content.decode()
        folder.mkdir()
        files = [folder / name for name in ("state.qcow2", "root.qcow2")]
        for file in files:
            file.write_bytes(content)
        states.keep("key", files, {})

    save(b"older")
    copy = shutil.copyfile
    started: list[threading.Thread] = []
    other = threading.Thread(target=save, args=(b"newer",))

    def copy_slowly(source: Path, destination: Path) -> None:
        copy(source, destination)
        if threading.current_thread() is not other and not started:
            started.append(other)
            other.start()
            other.join(MEANWHILE)

    there = tmp_path / "there"
    there.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", copy_slowly)
        assert states.fetch("key", there) is not None
    other.join()
    assert {file.read_bytes() for file in there.iterdir()} == {b"older"}
    assert states.fetch("key", there) is not None
    assert {file.read_bytes() for file in there.iterdir()} == {b"newer"}


def test_only_those_used_last_are_kept_and_nothing_half_done(tmp_path: Path) -> None:
    for number in range(KEPT + 2):
        saved(tmp_path, f"key{number}")
        os.utime(tmp_path / "states" / f"key{number}", (number, number))
    states = saved(tmp_path, "last")
    names = {folder.name for folder in (tmp_path / "states").iterdir()}
    assert names == {"last", *(f"key{number}" for number in range(3, KEPT + 2))}
    assert states.fetch("key0", tmp_path) is None


def test_a_file_that_changed_is_another(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"one")
    before = key_of({"image": identity(str(file)), "cpus": 2})
    assert before == key_of({"cpus": 2, "image": identity(str(file))})
    assert before != key_of({"image": identity(str(file)), "cpus": 4})
    file.write_bytes(b"three")
    assert before != key_of({"image": identity(str(file)), "cpus": 2})
