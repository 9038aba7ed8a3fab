"""Runs as they were kept: their ``results.json``, read again."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgport.check.verdict import Kind, worst
from msgport.report.data import SCHEMA_VERSION


class RunError(Exception):
    """A folder does not hold the results of a run that can be read; the message says why."""


@dataclass(frozen=True)
class Run:
    """A run's results under a short name, its folder's; ``data`` as results.schema.json says."""

    name: str
    data: dict[str, Any]

    def verdict(self, scenarios: Collection[str]) -> str:
        """The verdict on a claim that these scenarios exercise today, which may be others than when it ran."""
        return worst(Kind(v["verdict"]) for v in self.data["variants"] if v["name"].partition("/")[0] in scenarios)


def read_run(folder: Path) -> Run:
    """Read the results in a folder. Raises RunError."""
    path = folder / "results.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"{path} is not the JSON that `msgport run` writes: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA_VERSION:
        raise RunError(f"{path} is not of the results' version {SCHEMA_VERSION}")
    if missing := [key for key in ("complete", "ended", "environment", "variants") if key not in data]:
        raise RunError(f"{path} is not what `msgport run` writes: it lacks {', '.join(missing)}")
    return Run(folder.resolve().name, data)


def words(outcome: dict[str, Any]) -> str:
    """An outcome's values, and how it ended where that is not the usual."""
    ending = [outcome["ending"]] if outcome["ending"] != "done" or not outcome["values"] else []
    return " ".join((*outcome["values"], *ending))
