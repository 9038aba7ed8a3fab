"""A guest that has nothing but sh, mount and kldload gets its tunables all the same."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from msgport_vm.guest_environment import ROOM, with_settings
from msgport_vm.machine import EventKind

from .conftest import Bench, standin_in_qemu

FILE = b"ELF" + b"@msgport-environment@\n".ljust(ROOM, b"\0") + b"rest"


def test_a_guest_without_kenv_is_given_its_tunables_by_a_module(tmp_path: Path) -> None:
    with ExitStack() as stack:
        machine = standin_in_qemu(stack, tmp_path, standin_nokenv=1)
        bench = Bench("qemu", machine, machine.boot(), tmp_path)
        assert "talk: value 4711\n" in bench.load("talk", contract_value=4711).text
        bench.unload("talk")
        assert "talk: value 12\n" in bench.load("talk", contract_value=12, contract_other=1).text
        bench.unload("talk")
        assert "talk: value 0\n" in bench.load("talk").text
        loading = bench.load("panics", contract_value=7)
        assert (loading.end.kind, loading.end.text) == (EventKind.PANICKED, "panic: deliberate panic 7")
        bench.revive()
        assert "talk: value 3\n" in bench.load("talk", contract_value=3).text


def test_a_guest_that_mounts_the_modules_cd_by_itself_is_rid_of_that(tmp_path: Path) -> None:
    with ExitStack() as stack:
        machine = standin_in_qemu(stack, tmp_path, standin_mounted=1)
        bench = Bench("qemu", machine, machine.boot(), tmp_path)
        assert "talk: value 8\n" in bench.load("talk", contract_value=8).text


def test_what_is_written_into_the_module_leaves_the_rest_as_it_was() -> None:
    changed = with_settings(FILE, {"a.b": -5, "c": 7}, ["gone"])
    assert len(changed) == len(FILE) and changed.endswith(b"rest")
    assert changed.startswith(b"ELFgone\na.b=-5\nc=7\n\0")


def test_another_file_and_too_many_variables_are_refused() -> None:
    with pytest.raises(ValueError, match="not the module"):
        with_settings(b"ELF", {})
    with pytest.raises(ValueError, match="take"):
        with_settings(FILE, {f"name.{number}": number for number in range(200)})
