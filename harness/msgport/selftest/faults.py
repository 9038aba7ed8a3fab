"""Seeded faults as data: each a name, a sentence, the claims that it breaks, and the text that makes it.

An implementation fault changes the ``userland`` machine's sources, a model fault those of ``msgport.model``; neither is
ever changed where it is installed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgport
from msgport.manual.claims import CLAIMS
from msgport.plan import Grain, Mode, Plan
from msgport_vm.userland import default_sources


class FaultError(Exception):
    """A fault that cannot be made as it is written down; the message names it."""


class Kind(StrEnum):
    """What a fault is in."""

    IMPLEMENTATION = "implementation"
    MODEL = "model"


@dataclass(frozen=True)
class Edit:
    """One change: ``old``, which occurs exactly once in ``file``, becomes ``new``.

    ``file`` is relative to the userland machine's sources, or to the package ``msgport``.
    """

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Fault:
    """One bug on purpose. ``claims`` are statements of the manual that cannot hold with it.

    ``effect`` of a model fault: ``narrowing`` when it forbids what is right, ``widening`` when it allows what is wrong.
    ``schedule`` of an implementation fault says which schedules show it; None when the machine is to run freely.
    """

    name: str
    kind: Kind
    about: str
    claims: tuple[str, ...]
    edits: tuple[Edit, ...]
    effect: str = ""
    schedule: Plan | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it changes, each once."""
        return tuple(dict.fromkeys(edit.file for edit in self.edits))

    def altered(self, file: str, text: str) -> str:
        """Give a file's text with the fault in it. Raises FaultError when the text to change is not there once."""
        for edit in self.edits:
            if edit.file == file:
                count = text.count(edit.old)
                if count != 1:
                    raise FaultError(
                        f"fault {self.name}: the text that it changes occurs {count} times in {file}, not once; mend "
                        f"the fault:\n{edit.old}"
                    )
                text = text.replace(edit.old, edit.new)
        return text


def catalogue() -> tuple[Fault, ...]:
    """Every seeded fault, those of the implementation first. Raises FaultError for data that is not in order."""
    found: dict[str, Fault] = {}
    for kind in Kind:
        text = files("msgport.selftest").joinpath(f"{kind}.toml").read_text(encoding="utf-8")
        for entry in tomllib.loads(text)["fault"]:
            fault = _fault(kind, entry)
            if fault.name in found:
                raise FaultError(f"two faults are named {fault.name}")
            found[fault.name] = fault
    return tuple(found.values())


def _fault(kind: Kind, entry: dict[str, Any]) -> Fault:
    try:
        fault = Fault(
            entry["name"],
            kind,
            entry["about"],
            tuple(entry["claims"]),
            tuple(Edit(**edit) for edit in entry["edit"]),
            entry.get("effect", ""),
            _plan(**entry["schedule"]) if "schedule" in entry else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FaultError(f"{kind}.toml: fault {entry.get('name', '?')}: {error}") from error
    unknown = [claim for claim in fault.claims if claim not in CLAIMS]
    if unknown or not fault.claims:
        raise FaultError(f"fault {fault.name}: no such claim: {', '.join(unknown) or 'none is named'}")
    if fault.schedule and kind is Kind.MODEL:
        raise FaultError(f"fault {fault.name}: a model follows no schedule")
    if fault.effect not in (("narrowing", "widening") if kind is Kind.MODEL else ("",)):
        raise FaultError(f"fault {fault.name}: effect {fault.effect!r}")
    return fault


def _plan(mode: str, schedules: int, grain: str = Grain.ACCESS, depth: int = 3) -> Plan:
    """The schedules of a fault, always of the same seed."""
    return Plan(Mode(mode), Grain(grain), schedules, depth=depth)


def chosen(names: Sequence[str], kind: str | None) -> tuple[Fault, ...]:
    """The faults that a command line asks for, all when it names none. Raises FaultError for a name that is none."""
    known = {fault.name: fault for fault in catalogue() if kind in (None, fault.kind)}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known)
            hint = f"did you mean {' or '.join(near)}" if near else "\n  ".join(["there are", *known])
            raise FaultError(f"no {kind + ' ' if kind else ''}fault {name}; {hint}")
    return tuple(known[name] for name in dict.fromkeys(names)) if names else tuple(known.values())


def sources(kind: Kind) -> Path:
    """The folder that a fault's files are relative to."""
    return default_sources() if kind is Kind.IMPLEMENTATION else Path(msgport.__file__).parent


def altered_files(fault: Fault) -> dict[str, str]:
    """The files that a fault changes, by their names, with the fault in them. Raises FaultError."""
    folder = sources(fault.kind)
    try:
        return {file: fault.altered(file, (folder / file).read_text(encoding="utf-8")) for file in fault.files}
    except OSError as error:
        raise FaultError(f"fault {fault.name}: {error}") from error
