"""Modules that a guest builds: what it has for it, and how they come over a console that others write to as well."""

from __future__ import annotations

import base64
import gzip
import resource
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from msgport_vm.guest_build import ATTEMPTS, GuestBuilder, Tools, makefile, read_tools, received, require_era
from msgport_vm.machine import BuildError, MachineError, UnusableFileError

MODULE = bytes(range(256)) * 40
FOUND = """\
sys:/usr/src/sys
#ifndef __DragonFly_version
#define __DragonFly_version 500800\t/* goes up */
cc 8.3 [DragonFly] Release/2019-02-22
Copyright (C) 2018 Free Software Foundation, Inc.
"""


def sent(module: bytes = MODULE) -> str:
    """What uuencode prints of it."""
    lines = base64.encodebytes(gzip.compress(module)).decode()
    return f"begin-base64 644 m.ko\n{lines}====\n"


def test_a_guest_tells_its_compiler_and_its_source() -> None:
    assert read_tools(FOUND) == Tools("cc 8.3 [DragonFly] Release/2019-02-22", "/usr/src/sys", 500800)


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("lacks:cc\nlacks:make\n", r"it has no cc, no make, no kernel source in /usr/src/sys or /sys\. .*--sysdir"),
        (FOUND + "lacks:uuencode\n", r"it has no uuencode\. "),
        ("sys:/sys\n", r"it has no version in /sys/sys/param\.h\. "),
    ],
)
def test_all_that_a_guest_lacks_is_named_at_once(said: str, missing: str) -> None:
    with pytest.raises(MachineError, match=missing):
        read_tools(said)


def test_a_source_of_another_era_than_the_kernel_is_refused() -> None:
    require_era("DragonFly v6", 600400, Tools("cc", "/sys", 500800))
    with pytest.raises(UnusableFileError, match=r"DragonFly v6 .*era E.*/sys is of version 300600, era D"):
        require_era("DragonFly v6", 600400, Tools("cc", "/sys", 300600))


def test_a_module_comes_back_as_it_was() -> None:
    assert received("cc -c m.c\n" + sent() + "\n") == MODULE
    assert received(sent().replace("\n", "\r\n")) == MODULE


def test_one_that_is_not_whole_is_none() -> None:
    text = sent()
    assert received(text.partition("====")[0]) is None
    lines = text.splitlines(keepends=True)
    for at in range(1, len(lines) - 1):
        assert received("".join([*lines[:at], *lines[at + 1 :]])) is None
        assert received("".join([*lines[:at], lines[at][:20], "arp moved\n", lines[at][20:], *lines[at + 1 :]])) is None


def test_only_a_kernel_that_asserts_has_modules_that_do() -> None:
    assert "-DINVARIANTS" in makefile("m", invariants=True)
    assert "-DINVARIANTS" not in makefile("m", invariants=False)


class Shell:
    """A guest's answers in turn; ``asked`` is what it was asked."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.files: list[str] = []

    def __call__(self, files: Sequence[Path], order: str, timeout: float) -> tuple[int, str]:
        self.asked.append(order)
        self.files = [file.name for file in files]
        return self.answers.pop(0)


@pytest.fixture
def build(tmp_path: Path) -> Callable[[Shell, object], bytes]:
    """Build the same module in a guest of some identity."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "m.c").write_text("int x;\n")

    def run(shell: Shell, identity: object = "image") -> bytes:
        scratch = Path(tempfile.mkdtemp(dir=tmp_path))
        return GuestBuilder(shell, scratch, identity, tmp_path / "cache").build(source, True).read_bytes()

    return run


def test_a_module_that_other_text_fell_into_is_sent_again(build: Callable[..., bytes]) -> None:
    shell = Shell((0, "cc\n"), (0, sent().replace("\n", "\nlost", 2)), (0, sent()), (0, ""))
    assert build(shell) == MODULE
    assert shell.asked == ["make m", "send m", "send m", "clean"]
    assert shell.files == ["guest_build.sh", "Makefile", "m.c"]


def test_one_that_never_comes_whole_is_not_built(build: Callable[..., bytes]) -> None:
    with pytest.raises(BuildError, match=r"m\.ko did not come whole over the guest's console"):
        build(Shell((0, "cc\n"), *[(0, "begin-base64 644 m.ko\n")] * ATTEMPTS))


def test_one_that_there_is_no_room_for_leaves_no_half_in_its_place(build: Callable[..., bytes], tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(MODULE) // 2, limits[1]))
    try:
        with pytest.raises(BuildError, match=r"m\.ko cannot be written: .*File too large"):
            build(Shell((0, "cc\n"), (0, sent()), (0, "")))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in (tmp_path / "source").iterdir()] == ["m.c"]


def test_the_same_source_is_built_once_for_a_guest(build: Callable[..., bytes]) -> None:
    build(Shell((0, ""), (0, sent()), (0, "")))
    assert build(Shell()) == MODULE
    other = Shell((0, ""), (0, sent(b"other")), (0, ""))
    assert build(other, "another image") == b"other"


def test_a_source_that_went_away_is_told_as_such(build: Callable[..., bytes]) -> None:
    with pytest.raises(BuildError, match=r"the guest lacks the kernel's source\. .*--sysdir DIR"):
        build(Shell((1, '"bsd.kmod.mk" line 9: can\'t find kernel source tree\n')))
