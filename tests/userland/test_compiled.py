"""Modules that were compiled before stay, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

from msgport_vm.compiled import ASIDE, CompiledModules


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
