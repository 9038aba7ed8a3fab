"""A guest with a compiler and a kernel's source builds its modules itself; one without says what is missing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from msgport_vm.machine import BuildError, Event, EventKind, MachineError

from .conftest import BOOT_LIMIT, CPUS, Bench, run_generated, standin

if TYPE_CHECKING:
    from msgport_vm.qemu import QemuMachine


def machine_with_compiler(scratch: Path, without: str = "") -> QemuMachine:
    """A machine, not booted, whose guest can compile; ``scratch`` holds its image and its cache, made once."""
    guest = standin()
    from msgport_vm.qemu import QemuMachine
    from msgport_vm.qemu_options import QemuOptions
    from tests.standin.compiler import write_compiler
    from tests.standin.image import Guest, build_image
    from tests.standin.packages import UnavailableError

    assert isinstance(guest, Guest)
    image = scratch / "standin.iso"
    if not image.exists():
        try:
            addition = write_compiler(guest, scratch / "compiler", without=without)
        except UnavailableError as error:
            pytest.skip(str(error))
        build_image(guest, image, addition=addition)
    options = QemuOptions(image=image, machine="pc", cpus=CPUS, memory=384, accelerator="tcg", boot_limit=BOOT_LIMIT)
    return QemuMachine(options, cache=scratch / "cache")


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A machine that builds in its guest; its image and its cache are in its ``scratch``."""
    place = tmp_path_factory.mktemp("built-in-guest")
    with machine_with_compiler(place) as machine:
        yield Bench("qemu", machine, machine.boot(), place)


def console_of(bench: Bench) -> int:
    """How much its console has said until now."""
    from msgport_vm.qemu import QemuMachine

    assert isinstance(bench.machine, QemuMachine)
    return bench.machine.console.received


def test_its_compiler_is_the_guests(bench: Bench) -> None:
    assert bench.facts.compiler.startswith("cc ") and bench.facts.compiler.endswith(", in the guest")
    assert bench.facts.invariants is True


def test_what_was_built_there_loads_and_survives_the_return_to_the_saved_state(bench: Bench) -> None:
    assert "talk: value 5\n" in bench.load("talk", contract_value=5).text
    bench.revive()
    said = console_of(bench)
    assert bench.machine.build(bench.scratch / "talk").read_bytes() == bench.module("talk").read_bytes()
    assert console_of(bench) == said
    assert "talk: value 6\n" in bench.load("talk", contract_value=6).text


def test_a_generated_module_asserts_what_the_kernel_asserts(bench: Bench, tmp_path: Path) -> None:
    module, loading = run_generated(bench, "fifo-one-sender", tmp_path / "fifo")
    assert loading.end.kind is EventKind.LOADED
    bench.unload_file(module)
    _, loading = run_generated(bench, "double-send", tmp_path / "double")
    assert loading.end.kind is EventKind.PANICKED and "_lwkt_sendmsg_prepare" in loading.end.text


def test_a_module_that_does_not_compile_there_is_told_with_the_compilers_words(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "broken.c").write_text("int broken(void);\nint broken(void) { return nowhere; }\n")
    with pytest.raises(BuildError, match=r"broken\.c does not compile in the guest") as failure:
        bench.machine.build(tmp_path)
    assert "broken.c:2:" in failure.value.screen and "'nowhere' undeclared" in failure.value.screen
    assert not (tmp_path / "broken.ko").exists()
    assert bench.load("talk").end.kind is EventKind.LOADED


def test_a_build_waits_for_a_machine_that_died_until_it_is_back(bench: Bench) -> None:
    loading = bench.load("panics", contract_value=7)
    assert loading.end.kind is EventKind.PANICKED
    done: list[Path] = []
    builder = threading.Thread(target=lambda: done.append(bench.module("other")))
    builder.start()
    assert b"contract-block-7" in bench.machine.memory()
    assert not done
    bench.revive()
    builder.join()
    assert "other: hello\n" in bench.load_file(done[0], {}).text


def test_where_tmp_cannot_be_written_to_memory_takes_its_place(bench: Bench, tmp_path: Path) -> None:
    from msgport_vm.qemu import QemuMachine

    machine = bench.machine
    assert isinstance(machine, QemuMachine)

    def forbid_writing() -> Iterator[Event]:
        assert (yield from machine._need("mount -o remount,ro /tmp && ! mkdir /tmp/x")) is None

    bench.dirty = True
    list(forbid_writing())
    (tmp_path / "small.c").write_text("int\tsmall;\n")
    assert bench.machine.build(tmp_path).read_bytes().startswith(b"\x7fELF")


def test_another_run_finds_what_was_built(bench: Bench, tmp_path: Path) -> None:
    known = bench.module("talk").read_bytes()
    with machine_with_compiler(bench.scratch) as machine:
        facts = machine.boot()
        assert (facts.extra["start"], facts.compiler) == ("saved state", bench.facts.compiler)
        (tmp_path / "talk.c").write_bytes((bench.scratch / "talk" / "talk.c").read_bytes())
        said = machine.console.received
        assert machine.build(tmp_path).read_bytes() == known
        assert machine.console.received == said


@pytest.mark.parametrize(
    ("without", "lacks"),
    [("bin/cc", "no cc"), ("usr/src/sys/conf/kmod.mk", "no kernel source in /usr/src/sys or /sys")],
)
def test_a_guest_that_cannot_compile_says_what_is_missing(tmp_path: Path, without: str, lacks: str) -> None:
    with machine_with_compiler(tmp_path, without) as machine, pytest.raises(MachineError, match=lacks) as failure:
        machine.boot()
    assert "--sysdir DIR" in str(failure.value) and "make src-create-shallow" in str(failure.value)
    assert list((tmp_path / "cache").rglob("state.json")) == []


def test_a_machine_that_hangs_while_it_compiles_is_brought_back(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msgport_vm.guest_build.BUILD_TIMEOUT", 2.0)
    # The compiler reads from the console, where nobody types.
    (tmp_path / "endless.c").write_text('#include "/dev/ttyS0"\n')
    with pytest.raises(BuildError, match=r"was not compiled: the guest cannot compile \(hung\): nothing"):
        bench.machine.build(tmp_path)
    assert bench.load("talk").end.kind is EventKind.LOADED
