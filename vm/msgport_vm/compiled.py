"""Modules that were compiled before, kept by all that shapes them: most runs need no compiler."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgport_vm.machine import MachineError

KEPT = 4000
"""So many modules are kept, those used last; each takes some 50 KB."""

ASIDE = ".compiled-"
STALE = 3600.0
"""Seconds."""


def copy_whole(file: Path, place: Path) -> None:
    """Copy a file to a place where it appears whole or not at all. Raises OSError."""
    with tempfile.TemporaryDirectory(prefix=ASIDE, dir=place.parent) as aside:
        shutil.copyfile(file, Path(aside, place.name)).replace(place)


def unwritable(folder: Path, error: OSError) -> MachineError:
    """What to raise when the cache, or a folder in it, cannot be written."""
    return MachineError(f"cannot write in {folder}: {error}; MSGPORT_CACHE names another folder")


class CompiledModules:
    """A folder of compiled modules, each by its key. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, and forget what was not used for long. Raises MachineError when it cannot be written."""
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Another process may do the same: what is gone already is as well.
            with contextlib.suppress(FileNotFoundError):
                self._prune()
        except OSError as error:
            raise unwritable(folder, error) from error

    def copy(self, key: str, module: Path) -> bool:
        """Put the module of that key in place; False when it is not here. Raises OSError when it cannot be written."""
        kept = self._folder / f"{key}.ko"
        try:
            # Not touch(): where another process has just removed it, that would leave an empty one.
            os.utime(kept)
            copy_whole(kept, module)
        except FileNotFoundError:
            return False
        return True

    def keep(self, key: str, module: Path) -> None:
        """Keep a module that was compiled; it appears here whole. Raises MachineError when it cannot be written."""
        try:
            copy_whole(module, self._folder / f"{key}.ko")
        except OSError as error:
            raise unwritable(self._folder, error) from error

    @contextmanager
    def aside(self) -> Iterator[Path]:
        """Give a folder on the same file system for what is not whole yet. Raises OSError when it cannot be made."""
        with tempfile.TemporaryDirectory(prefix=ASIDE, dir=self._folder) as aside:
            yield Path(aside)

    def _prune(self) -> None:
        for left in self._folder.glob(f"{ASIDE}*"):
            # Of a process that was killed: none that lives takes as long.
            if left.stat().st_mtime < time.time() - STALE:
                shutil.rmtree(left, ignore_errors=True)
        modules = sorted(self._folder.glob("*.ko"), key=lambda module: module.stat().st_mtime, reverse=True)
        for module in modules[KEPT:]:
            module.unlink(missing_ok=True)
