"""Machines saved at their first prompt, kept in the cache under a key of all that shaped them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgport_vm.machine import MachineError

KEPT = 6
"""Saved machines of other keys that stay, newest first: one is some 100 MB."""

DESCRIPTION = "state.json"


def key_of(shape: Mapping[str, Any]) -> str:
    """Give the key of a machine that is shaped by these JSON values."""
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:20]


def identity(name: str) -> list[str | int]:
    """What tells whether a file is still the same one: it is too large to be read each time.

    Of what QEMU reads from elsewhere, over a network for instance, it is the name alone.
    """
    file = Path(name)
    if not file.exists():
        return [name]
    status = file.stat()
    return [str(file.resolve()), status.st_size, status.st_mtime_ns, status.st_ino]


class SavedStates:
    """The saved machines in a folder. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written yet."""
        self._folder = folder

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Keep others from changing what is there (LOCK_SH), or from reading it too (LOCK_EX); falls with the process.

        A machine is several files, which belong together: some of one and some of another would be neither.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._folder.with_name(f"{self._folder.name}.lock").open("a") as file:
            fcntl.flock(file, how)
            yield

    def fetch(self, key: str, destination: Path) -> dict[str, Any] | None:
        """Copy a saved machine's files into a folder and give its description; None when there is none."""
        place = self._folder / key
        try:
            with self._locked(fcntl.LOCK_SH):
                description: dict[str, Any] = json.loads((place / DESCRIPTION).read_text(encoding="utf-8"))
                for name in description["files"]:
                    shutil.copyfile(place / name, destination / name)
                # The newest is the one used last.
                os.utime(place)
        except (OSError, ValueError, KeyError):
            # None, or damaged: both mean to start from power-on.
            return None
        return description

    def keep(self, key: str, files: Sequence[Path], description: Mapping[str, Any]) -> None:
        """Save a machine under its key, in the place of what was there. Raises MachineError.

        The files stand in one folder, on the file system of the saved machines.
        """
        try:
            # Beside the files, whose folder goes with its process, if it comes to that.
            aside = Path(tempfile.mkdtemp(prefix="saving-", dir=files[0].parent))
            try:
                for file in files:
                    shutil.copyfile(file, aside / file.name)
                text = json.dumps({**description, "files": [file.name for file in files]}, indent=1)
                (aside / DESCRIPTION).write_text(text, encoding="utf-8")
                with self._locked(fcntl.LOCK_EX):
                    shutil.rmtree(self._folder / key, ignore_errors=True)
                    aside.rename(self._folder / key)
                    self._prune()
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise MachineError(f"cannot save the machine in {self._folder}: {error}") from error

    def _prune(self) -> None:
        states = sorted(
            (folder for folder in self._folder.iterdir() if (folder / DESCRIPTION).exists()),
            key=lambda folder: folder.stat().st_mtime,
            reverse=True,
        )
        for folder in states[KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)
