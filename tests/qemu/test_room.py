"""A host without room left, played by a limit on the size of files: told with the file, and nothing half-done stays."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from msgport_vm.disc import write_disc
from msgport_vm.hostbuild import HostBuilder
from msgport_vm.machine import BuildError, MachineError
from msgport_vm.qemu_states import SavedStates
from msgport_vm.userland import find_compiler
from tests.qemu.test_hostbuild import INVARIANTS, MODULE, module, tree


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Let every write past so many bytes fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_modules_cd_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with no_file_longer_than(4096), pytest.raises(MachineError, match="cannot write the modules' disc"):
        write_disc(tmp_path / "modules.iso", [], 1 << 20)


def test_a_machine_that_cannot_be_saved_leaves_nothing_half_saved(tmp_path: Path) -> None:
    running = tmp_path / "run"
    running.mkdir()
    file = running / "state.qcow2"
    file.write_bytes(bytes(8192))
    states = SavedStates(tmp_path / "states")
    with no_file_longer_than(4096), pytest.raises(MachineError, match="cannot save the machine in"):
        states.keep("key", [file], {})
    assert states.fetch("key", tmp_path) is None
    assert list(running.iterdir()) == [file] and list((tmp_path / "states").iterdir()) == []


def test_a_module_that_cannot_be_written_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    builder = HostBuilder(tree(tmp_path / "src"), find_compiler(), tmp_path / "made", tmp_path / "cache")
    source = module(tmp_path / "m", INVARIANTS + MODULE)
    builder.build(source, invariants=True).unlink()
    # This time it comes from the cache: it is not the compiler that fails.
    with no_file_longer_than(100), pytest.raises(BuildError, match=r"mp_test\.ko cannot be written"):
        builder.build(source, invariants=True)
