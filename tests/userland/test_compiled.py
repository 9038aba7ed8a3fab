"""Modules that were compiled before stay, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from msgport_vm import compiled
from msgport_vm.compiled import ASIDE, CompiledModules, copy_whole


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    left, writing = tmp_path / f"{ASIDE}left", tmp_path / f"{ASIDE}writing"
    for folder in (left, writing):
        folder.mkdir()
        (folder / "module.ko").touch()
    os.utime(left, (1, 1))
    modules = CompiledModules(tmp_path)
    assert list(tmp_path.iterdir()) == [writing]
    modules.keep("key", writing / "module.ko")
    assert {path.name for path in tmp_path.iterdir()} == {writing.name, "key.ko"}


def test_what_another_process_removes_while_it_is_copied_is_not_there_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "module.ko"
    module.write_text("compiled")
    modules = CompiledModules(tmp_path / "kept")
    modules.keep("key", module)

    def copied_at_last(file: Path, place: Path) -> None:
        copy_whole(file, place)
        file.unlink()

    monkeypatch.setattr(compiled, "copy_whole", copied_at_last)
    copy = tmp_path / "copy.ko"
    assert modules.copy("key", copy) and copy.read_text() == "compiled"
    assert not modules.copy("key", copy)
