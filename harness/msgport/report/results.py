"""The folder of one run: ``results.json``, and for each variant its transcript and the module's source."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from msgport.files import write_whole

NAME = "results.json"

RESERVE = ".reserve"
"""Room on the disk for the last results.json, which says how the run ended, even if that was because the disk was full.

It is given up just before that is written.
"""

SLACK = 1 << 16
"""Bytes more than the last writing of results.json needed."""

_LONGEST_NAME = 100


class ResultsError(Exception):
    """Results cannot be kept: the message tells which path, and why."""


class ResultsFolder:
    """A new folder that only this run writes to. Every file appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Use ``create`` or ``create_in``."""
        self.path = path
        self.data: Mapping[str, Any] | None = None
        """What ``results.json`` should hold by now, even where the disk had no room for it."""

    @classmethod
    def create(cls, path: Path) -> ResultsFolder:
        """Use the folder that the user named. Raises ResultsError when it holds results, or cannot be made."""
        if (path / NAME).exists():
            raise ResultsError(f"{path} holds the results of another run")
        if path.exists() and not path.is_dir():
            raise ResultsError(f"cannot write results to {path}: it is not a folder")
        with _telling(path):
            path.mkdir(parents=True, exist_ok=True)
        folder = cls(path)
        folder._claim()
        return folder

    @classmethod
    def create_in(cls, parent: Path, now: datetime) -> ResultsFolder:
        """Make ``run-YYYYMMDD-HHMMSS`` in a folder, with ``-2`` and so on behind it if there is one already."""
        name = f"run-{now:%Y%m%d-%H%M%S}"
        with _telling(parent):
            parent.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            path = parent / (name if number == 1 else f"{name}-{number}")
            try:
                with _telling(path):
                    path.mkdir()
            except ResultsError as error:
                if isinstance(error.__cause__, FileExistsError):
                    continue
                raise
            break
        folder = cls(path)
        folder._claim()
        return folder

    def write(self, data: Mapping[str, Any]) -> None:
        """Write ``results.json`` as ``run_data`` made it, in place of what the same run wrote before."""
        self.data = data
        # json indents ten times slower than it writes: that is for the last one, which people read.
        if data.get("ended") == "running":
            text = json.dumps(data, ensure_ascii=False)
            self._reserve(2 * len(text.encode()))
        else:
            text = json.dumps(data, indent=1, ensure_ascii=False)
            (self.path / RESERVE).unlink(missing_ok=True)
        self._write(self.path / NAME, text + "\n")

    def folder_of(self, variant: str) -> Path:
        """The subfolder of a variant, made if need be, by a name that is safe on every file system."""
        path = self.path / safe_name(variant)
        with _telling(path):
            path.mkdir(exist_ok=True)
        return path

    def write_file(self, variant: str, name: str, text: str) -> str:
        """Write a variant's file (a transcript, a source); gives its path relative to the run's folder."""
        path = self.folder_of(variant) / safe_name(name)
        self._write(path, text)
        return str(path.relative_to(self.path))

    def _write(self, path: Path, text: str) -> None:
        with _telling(path):
            write_whole(path, text)

    def _claim(self) -> None:
        """Find out now, not after the first variant, whether the folder can be written to and has any room."""
        try:
            self._reserve(0)
        except ResultsError:
            (self.path / RESERVE).unlink(missing_ok=True)
            raise

    def _reserve(self, size: int) -> None:
        """Hold so many bytes at least, and more for what is judged in a second."""
        reserve = self.path / RESERVE
        with _telling(self.path), reserve.open("ab") as file:
            if (lacking := size + SLACK - file.tell()) > 0:
                # What can be compressed takes no room on some file systems.
                file.write(os.urandom(lacking + SLACK))


class _telling:  # noqa: N801 (reads as a word behind ``with``)
    """Turns an OSError into a ResultsError that names the path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError):
            raise ResultsError(f"cannot write results to {self.path}: {error.strerror or error}") from error


def safe_name(name: str) -> str:
    """A file name that says ``name`` and holds only letters, digits and ``._=-``; different for different names."""
    safe = re.sub(r"[^A-Za-z0-9._=-]+", "_", name).lstrip(".") or "_"
    if safe == name and len(safe) <= _LONGEST_NAME:
        return safe
    return f"{safe[:_LONGEST_NAME]}-{sha256(name.encode()).hexdigest()[:8]}"
