"""The catalogue against DragonFly's own headers, where they are: no compiler warns, with INVARIANTS and without.

``MSGPORT_SYSDIRS`` names ``sys`` folders of DragonFly's source, separated by colons. Each is of some release, and so of
some era.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from msgport.check.eras import inexpressible
from msgport.manual.api import Era
from msgport.selection import choose
from msgport_vm.dragonfly import era_of
from msgport_vm.hostbuild import HostBuilder
from msgport_vm.userland import find_compiler
from tests.kmod.test_eras import BATCH, assert_silent, source, written

SYSDIRS = [Path(each) for each in os.environ.get("MSGPORT_SYSDIRS", "").split(":") if each]


@pytest.mark.skipif(not SYSDIRS, reason="MSGPORT_SYSDIRS names no source of DragonFly's")
@pytest.mark.parametrize("invariants", [True, False], ids=["invariants", "no-invariants"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("sysdir", SYSDIRS, ids=str)
def test_no_compiler_warns_of_any_module_against_this_source(
    sysdir: Path, compiler: str, invariants: bool, tmp_path: Path
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    builder = HostBuilder(sysdir, find_compiler(compiler), tmp_path / "builder", tmp_path / "cache")
    era = Era(era_of(builder.osreldate))
    texts = {each.name: source(each, era) for each in choose([], None) if not inexpressible(each, era)}
    (tmp_path / "modules").mkdir()
    paths = written(texts, tmp_path / "modules")
    for start in range(0, len(paths), BATCH):
        assert_silent([*builder.command(invariants), "-Wextra", "-fsyntax-only", *paths[start : start + BATCH]])
