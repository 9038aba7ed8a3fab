"""The machine under control, when its program does not answer as it should: told in its own words, and started anew."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from msgport_vm.controlled import ControlledMachine
from msgport_vm.machine import MachineError
from msgport_vm.userland import Runtime, Toolchain

PROGRAM = """\
#!{python}
import os, signal, sys
for line in sys.stdin:
{acts}
"""
HALF_AN_ANSWER = 'print("new 1 done", flush=True); os.kill(os.getpid(), signal.SIGKILL)'
REFUSES = 'print("failed there is none" if "nonesuch" in line else "ok", flush=True)'
LEAVES = (
    'print("ended the module is broken" if "broken" in line else "ok", flush=True); "broken" in line and os._exit(1)'
)
KEEPS_SILENT = "continue"

Play = Callable[[str], ControlledMachine]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    machines = []

    def start(acts: str) -> ControlledMachine:
        program = tmp_path / "program"
        program.write_text(PROGRAM.format(python=sys.executable, acts=f"    {acts}"))
        program.chmod(0o755)
        machine = ControlledMachine(cache=tmp_path)
        machine._tools = cast(Toolchain, None), Runtime(program, tmp_path, "", "")
        machines.append(machine)
        return machine

    yield start
    for machine in machines:
        machine.close()


def test_one_that_dies_in_the_middle_of_an_answer_has_died_of_that(play: Play) -> None:
    machine = play(HALF_AN_ANSWER)
    for _ in range(2):
        with pytest.raises(MachineError, match=r"died of `load /module\.ko` \(signal 9\)") as died:
            machine.load(Path("/module.ko"))
        assert died.value.screen == "new 1 done"


def test_one_that_refuses_goes_on(play: Play) -> None:
    machine = play(REFUSES)
    with pytest.raises(MachineError, match="failed there is none"):
        machine.load(Path("/nonesuch.ko"))
    process = machine._process
    machine.load(Path("/module.ko"))
    assert machine._process is process is not None


def test_one_that_ends_itself_is_started_for_the_next_module(play: Play) -> None:
    machine = play(LEAVES)
    with pytest.raises(MachineError, match="ended the module is broken"):
        machine.load(Path("/broken.ko"))
    machine.load(Path("/module.ko"))


def test_one_that_says_nothing_hangs(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msgport_vm.controlled.SILENCE", 0.2)
    with pytest.raises(MachineError, match=r"said nothing for 0\.2 s: it hangs"):
        play(KEEPS_SILENT).load(Path("/module.ko"))
