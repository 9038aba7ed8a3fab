"""Modules compiled on the host against a kernel source tree, here one of a few empty headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from msgport_vm import hostbuild
from msgport_vm.hostbuild import HostBuilder
from msgport_vm.machine import BuildError, MachineError
from msgport_vm.userland import find_compiler

HEADERS = {
    "sys/msgport.h": '#include "opt_ktr.h"\n#include <machine/cpufunc.h>\n#include <machine/clock.h>\n',
    "cpu/x86_64/include/cpufunc.h": "#define FROM_CPU 1\n",
    "platform/pc64/include/clock.h": "#include <cpu/cpufunc.h>\n#define FROM_PLATFORM 1\n",
}
MODULE = "#include <sys/msgport.h>\nint f(void);\nint\nf(void)\n{\n\treturn (FROM_CPU + FROM_PLATFORM + CHECKS);\n}\n"
INVARIANTS = "#ifdef INVARIANTS\n#define CHECKS 1\n#endif\n"


def tree(folder: Path) -> Path:
    for name, text in HEADERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def builder(tmp_path: Path) -> HostBuilder:
    (tmp_path / "made").mkdir()
    return HostBuilder(tree(tmp_path / "src"), find_compiler(), tmp_path / "made", tmp_path / "cache")


def module(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "mp_test.c").write_text(text)
    return folder


def test_a_module_is_one_relocatable_object_and_the_tree_is_left_as_it_was(tmp_path: Path) -> None:
    built = builder(tmp_path).build(module(tmp_path / "m", INVARIANTS + MODULE), invariants=True)
    assert built == tmp_path / "m" / "mp_test.ko"
    head = built.read_bytes()[:18]
    assert head[:6] == b"\x7fELF\x02\x01" and int.from_bytes(head[16:18], "little") == 1  # ET_REL
    assert sorted(path.name for path in (tmp_path / "src").rglob("*.h")) == ["clock.h", "cpufunc.h", "msgport.h"]


def test_invariants_are_the_kernels(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as error:
        builder(tmp_path).build(module(tmp_path / "m", INVARIANTS + MODULE), invariants=False)
    assert "CHECKS" in error.value.screen and "mp_test.c" in str(error.value)


def test_warnings_are_errors(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="unused"):
        builder(tmp_path).build(module(tmp_path / "m", "static int unused;\n"), invariants=True)


def test_a_folder_that_is_no_kernel_source_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"has no sys/msgport\.h"):
        HostBuilder(tmp_path, find_compiler(), tmp_path, tmp_path / "cache")


def test_a_module_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuildError, match="holds 0 C files"):
        builder(tmp_path).build(tmp_path / "empty", invariants=True)


def test_what_was_compiled_once_is_not_compiled_again_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = MODULE + "const char *where(void);\nconst char *where(void) { return (__FILE__); }\n"
    first = builder(tmp_path).build(module(tmp_path / "m", INVARIANTS + text), invariants=True)
    ran: list[list[str]] = []
    run = hostbuild._run
    monkeypatch.setattr(hostbuild, "_run", lambda command, file: ran.append(command) or run(command, file))
    (tmp_path / "again").mkdir()
    again = HostBuilder(tmp_path / "src", find_compiler(), tmp_path / "again", tmp_path / "cache")
    second = again.build(module(tmp_path / "n", INVARIANTS + text), invariants=True)
    assert [command[-2:] for command in ran] == [["-E", "-P"]]
    assert second == tmp_path / "n" / "mp_test.ko" and second.read_bytes() == first.read_bytes()


def test_a_changed_header_makes_another_module(tmp_path: Path) -> None:
    folder = module(tmp_path / "m", INVARIANTS + MODULE)
    compiles = builder(tmp_path)
    first = compiles.build(folder, invariants=True).read_bytes()
    (tmp_path / "src" / "cpu" / "x86_64" / "include" / "cpufunc.h").write_text("#define FROM_CPU 1000\n")
    assert compiles.build(folder, invariants=True).read_bytes() != first
