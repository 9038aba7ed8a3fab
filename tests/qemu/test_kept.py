"""A QEMU that is left to itself: it is found, ended, and cleaned up after, whatever became of it or of its starter."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from msgport_vm import kept
from msgport_vm.kept import DESCRIPTION, Keeper, Kept
from msgport_vm.machine import MachineError
from msgport_vm.qemu_process import Program
from msgport_vm.scratch import Scratch
from tests.processes import is_gone, is_there

QEMU = "qemu-system-x86_64"
pytestmark = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed")

STARTER = """
import os, sys
from pathlib import Path
from msgport_vm.kept import Keeper
from msgport_vm.qemu_process import Program
from msgport_vm.scratch import Scratch
keeper = Keeper(Path(sys.argv[1]))
with keeper.booting():
    up = keeper.start(Scratch(keeper.place), Program(sys.argv[2]), ["-machine", "none"], {"memory": "1 MB"})
    if sys.argv[3] == "whole":
        print(up.pid, flush=True)
    else:
        (up.folder / "machine.json").unlink()
        print(up.pid, flush=True)
        sys.stdin.read()
os._exit(0)
"""


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(tmp_path)
    yield keeper
    if (up := keeper.find()) is not None:
        up.end(orderly=False)


def start(keeper: Keeper) -> Kept:
    """Start a QEMU without a machine; in another process, as it is in life: here it would stay a zombie."""
    cache = keeper.place.parent.parent
    subprocess.run([sys.executable, "-c", STARTER, str(cache), QEMU, "whole"], check=True, capture_output=True)
    up = keeper.find()
    assert up is not None
    return up


def test_a_machine_outlives_its_starter_and_is_found_until_it_is_ended(keeper: Keeper) -> None:
    assert keeper.find() is None
    up = start(keeper)
    assert is_there(up.pid)
    assert up.about == {"memory": "1 MB"}
    assert up.log.exists()
    with pytest.raises(MachineError, match=r"a machine is up since .*msgport vm stop"), keeper.booting():
        pass
    assert up.end(orderly=False) == "it was ended at once"
    assert is_gone(up.pid)
    assert not up.folder.exists()
    assert keeper.find() is None and keeper.ended == ()


def test_a_guest_that_does_not_power_off_is_ended_by_qemu(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "POWER_OFF_PATIENCE", 0.1)
    assert start(keeper).end() == "QEMU ended it"


def test_a_qemu_that_does_not_answer_is_killed(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "ANSWER_PATIENCE", 0.1)
    up = start(keeper)
    os.kill(up.pid, signal.SIGSTOP)
    assert up.end() == "it was killed"
    assert is_gone(up.pid)
    assert not up.folder.exists()


def test_what_a_killed_machine_left_is_removed_by_whoever_looks_next(keeper: Keeper) -> None:
    up = start(keeper)
    os.kill(up.pid, signal.SIGKILL)
    assert is_gone(up.pid)
    assert keeper.find() is None
    assert keeper.ended == (up.folder,)
    assert not up.folder.exists()


def test_a_machine_whose_starter_was_killed_half_way_is_ended_by_whoever_looks_next(keeper: Keeper) -> None:
    command = [sys.executable, "-c", STARTER, str(keeper.place.parent.parent), QEMU, "half"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        with pytest.raises(MachineError, match="another `msgport vm boot` is under way"):
            keeper.find()
        assert is_there(pid)
        starter.kill()
    assert keeper.find() is None
    assert is_gone(pid)
    assert list(keeper.place.glob("run-*")) == []


def test_the_console_is_for_one_terminal_at_a_time(keeper: Keeper) -> None:
    up = start(keeper)
    with (
        up.console(),
        pytest.raises(MachineError, match=r"another terminal is on its console.*console\.log"),
        up.console(),
    ):
        pass
    with up.console():
        pass


def test_a_qemu_that_does_not_start_is_told_with_what_it_said(keeper: Keeper) -> None:
    scratch = Scratch(keeper.place)
    with pytest.raises(MachineError, match="QEMU does not start") as caught:
        keeper.start(scratch, Program(QEMU), ["-machine", "nonesuch"], {})
    assert "unsupported machine type" in caught.value.screen
    scratch.remove()
    assert not (scratch.path / DESCRIPTION).exists()
