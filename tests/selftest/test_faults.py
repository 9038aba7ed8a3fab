"""The seeded faults as data: each can be made of the sources as they are now, and is a valid program."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from msgport.selftest.faults import Edit, Fault, FaultError, Kind, _fault, altered_files, catalogue, chosen, sources
from msgport_vm.userland import KERNEL_FLAGS, WARNINGS, find_compiler

FAULTS = catalogue()


def test_there_are_enough_of_each_kind() -> None:
    counts = Counter(fault.effect or fault.kind for fault in FAULTS)
    assert counts[Kind.IMPLEMENTATION] >= 50
    assert counts["narrowing"] >= 8 and counts["widening"] >= 8
    assert sum(fault.schedule is not None for fault in FAULTS) >= 8


def test_no_two_change_the_same() -> None:
    assert len({(fault.effect, fault.edits) for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize(
    "fault", [f for f in FAULTS if f.kind is Kind.IMPLEMENTATION], ids=lambda fault: str(fault.name)
)
def test_an_implementation_fault_is_valid_c_without_a_warning(fault: Fault, tmp_path: Path) -> None:
    copy = tmp_path / "userland"
    shutil.copytree(sources(fault.kind), copy)
    for file, text in altered_files(fault).items():
        (copy / file).write_text(text)
    # A change of a header shows in who includes it.
    files = {file for file in fault.files if file.endswith(".c")} or {"kern/lwkt_msgport.c"}
    control = ["-DUL_CONTROL"] if any(file.startswith("control/") for file in files) else []
    folders = ["-I", str(copy / "include"), "-iquote", str(copy / "kern")]
    command = [*find_compiler().command, *KERNEL_FLAGS, *control, *WARNINGS, "-fsyntax-only", *folders]
    done = subprocess.run(
        [*command, *(str(copy / file) for file in files)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.kind is Kind.MODEL], ids=lambda fault: str(fault.name))
def test_a_model_fault_is_valid_python_and_changes_the_model_alone(fault: Fault) -> None:
    for file, text in altered_files(fault).items():
        assert file.startswith("model/")
        compile(text, file, "exec")


def test_a_text_that_does_not_occur_once_is_an_error_that_names_the_fault() -> None:
    for old in ("no such text", "msg->ms_flags"):
        fault = Fault("gone", Kind.IMPLEMENTATION, "", (), (Edit("kern/lwkt_msgport.c", old, ""),))
        with pytest.raises(FaultError, match=r"fault gone: .* occurs \d+ times in kern/lwkt_msgport.c"):
            altered_files(fault)


def test_a_file_that_is_gone_is_an_error_that_names_the_fault() -> None:
    with pytest.raises(FaultError, match=r"fault lost: .*nowhere\.c"):
        altered_files(Fault("lost", Kind.IMPLEMENTATION, "", (), (Edit("kern/nowhere.c", "a", "b"),)))


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"mode": "chance", "schedules": 9}, "'chance' is not a valid Mode"),
        ({"mode": "pct"}, "'schedules'"),
        ({"mode": "pct", "schedules": 9, "width": 2}, "'width'"),
    ],
)
def test_a_schedule_that_is_none_is_an_error_that_names_the_fault(schedule: dict[str, Any], message: str) -> None:
    entry = {"name": "odd", "about": "", "claims": ["domsg.waits"], "edit": [], "schedule": schedule}
    with pytest.raises(FaultError, match=f"fault odd: .*{message}"):
        _fault(Kind.IMPLEMENTATION, entry)


def test_a_name_that_is_no_fault_gets_a_hint() -> None:
    with pytest.raises(FaultError, match="did you mean priority-ignored"):
        chosen(["priority-ignore"], None)
    with pytest.raises(FaultError, match="no model fault priority-ignored"):
        chosen(["priority-ignored"], "model")
