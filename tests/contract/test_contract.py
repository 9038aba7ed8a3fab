"""What every machine promises (``msgport_vm.machine``), shown on each that is here."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from msgport.kmod import read_steps
from msgport.transcript import Segment, excerpt, read
from msgport_vm.machine import BuildError, EventKind, MachineError, UnloadRefusedError

from .conftest import CPUS, MAKERS, NONCE, SILENCE, Bench, run_generated

BLOCK = b"contract-block-"

HANG, DEAF, SILENT, REBOOT, POWEROFF, TORN, LOST, LOST_ON_CONSOLE, DOUBLE = range(1, 10)
"""``standin.fault``: see ``enum fault`` in tests/standin/guest/kernel.c."""

each_costs_a_boot = pytest.mark.not_on("ssh-guest")
"""The guest over ssh comes back by booting: there a panic and a hang are shown by others."""

only_in_the_standin = pytest.mark.not_on("userland", "ssh", "ssh-guest", "vagrant")
"""Faults are ordered from the stand-in guest, in QEMU."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Put a test on every machine of MAKERS, but those that its mark ``not_on`` names."""
    left_out = {place for mark in metafunc.definition.iter_markers("not_on") for place in mark.args}
    metafunc.parametrize("booted", [place for place in MAKERS if place not in left_out], indirect=True)


def test_facts_say_what_it_is(bench: Bench) -> None:
    facts = bench.facts
    assert facts.target == bench.target
    assert facts.cpus == CPUS
    assert facts.host_cores >= 1
    assert facts.era == "E"
    assert facts.invariants is True
    assert facts.expendable
    assert facts.kernel and facts.compiler and facts.accelerator


def test_nothing_here_claims_to_be_dragonfly(bench: Bench) -> None:
    assert "not DragonFly" in bench.facts.kernel
    assert not bench.facts.dragonfly


def test_a_module_that_does_not_compile_is_told_with_the_compilers_words(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "broken.c").write_text("int broken(void) { return nowhere; }\n")
    (tmp_path / "Makefile").write_text("KMOD=\tbroken\nSRCS=\tbroken.c\n\n.include <bsd.kmod.mk>\n")
    with pytest.raises(BuildError) as failure:
        bench.machine.build(tmp_path)
    assert "nowhere" in failure.value.screen


def test_console_text_is_complete_and_in_order(bench: Bench) -> None:
    loading = bench.load("talk")
    assert loading.end.kind is EventKind.LOADED
    assert re.findall(r"talk: line (\d+) of two hundred\n", loading.text) == [str(n) for n in range(200)]


def test_tunables_are_read_at_load_and_gone_at_the_next(bench: Bench) -> None:
    assert "talk: value 4711\n" in bench.load("talk", contract_value=4711).text
    bench.unload("talk")
    assert "talk: value 0\n" in bench.load("talk").text


def test_unload_hands_over_what_the_module_says(bench: Bench) -> None:
    bench.load("other")
    assert "other: bye\n" in bench.unload("other")


def test_two_modules_at_once_and_one_twice_in_a_row(bench: Bench) -> None:
    for name in ("talk", "other"):
        assert bench.load(name).end.kind is EventKind.LOADED
    bench.unload("other")
    assert "other: hello\n" in bench.load("other").text


@each_costs_a_boot
def test_a_refused_unload_is_told_and_leaves_the_module(bench: Bench) -> None:
    bench.load("stay")
    with pytest.raises(UnloadRefusedError):
        bench.unload("stay")
    again = bench.load("stay")
    assert again.end.kind is EventKind.LOAD_FAILED
    assert "module already loaded or in kernel" in again.end.text
    bench.revive()
    assert bench.load("stay").end.kind is EventKind.LOADED
    bench.dirty = True


def test_a_load_handler_that_fails_is_a_failed_load(bench: Bench) -> None:
    loading = bench.load("refuse")
    assert loading.end.kind is EventKind.LOAD_FAILED
    assert re.fullmatch(r"module_register_init: MOD_LOAD \(refuse, \w+, 0\) error 6", loading.end.text)
    assert "refuse: no\nrefuse: away\n" in loading.text
    bench.unload("refuse")
    assert bench.load("other").end.kind is EventKind.LOADED


def test_an_unresolved_symbol_is_a_failed_load(bench: Bench) -> None:
    loading = bench.load("unresolved")
    assert loading.end.kind is EventKind.LOAD_FAILED
    assert "symbol contract_no_such_function undefined\n" in loading.text
    assert "an error occurred while loading the module" in loading.end.text


def test_a_file_that_is_no_module_is_a_failed_load(bench: Bench, tmp_path: Path) -> None:
    junk = tmp_path / "junk.ko"
    junk.write_bytes(b"this is no module\n" * 100)
    loading = bench.load_file(junk, {})
    assert loading.end.kind is EventKind.LOAD_FAILED
    assert "linker_load_file: Unsupported file type\n" in loading.text


def test_a_module_that_is_not_loaded_cannot_be_unloaded(bench: Bench) -> None:
    with pytest.raises(MachineError, match=r"other.*No such file or directory"):
        bench.unload("other")


def test_a_panic_is_told_with_its_text_and_the_machine_comes_back(bench: Bench) -> None:
    loading = bench.load("panics", contract_value=7)
    assert (loading.end.kind, loading.end.text.removeprefix("panic: ")) == (
        EventKind.PANICKED,
        "deliberate panic 7",
    )
    assert "panics: about to\npanic: deliberate panic 7\n" in loading.text
    memory = bench.machine.memory()
    assert BLOCK + b"7" in memory or (bench.over_ssh and memory == b"")
    bench.revive()
    assert bench.load("other").end.kind is EventKind.LOADED


@each_costs_a_boot
def test_a_trap_is_a_panic(bench: Bench) -> None:
    loading = bench.load("traps")
    assert loading.end.kind is EventKind.PANICKED
    assert loading.end.text == "Fatal trap 12: page fault while in kernel mode"


def test_a_module_that_never_ends_hangs_the_machine(bench: Bench) -> None:
    loading = bench.load("hangs", timeout=SILENCE)
    assert loading.end.kind is EventKind.HUNG
    assert "hangs: about to\n" in loading.text
    memory = bench.machine.memory()
    assert BLOCK + b"7" in memory or (bench.over_ssh and memory == b"")
    bench.revive()
    assert bench.load("other").end.kind is EventKind.LOADED


def test_a_load_that_says_the_same_for_ever_can_be_broken_off(bench: Bench) -> None:
    said = ""
    module = bench.module("babbles")
    bench.dirty = True
    for event in bench.machine.load(module, {}, 30.0):
        assert event.kind is EventKind.CONSOLE, event
        said += event.text
        if said.count("spin_lock: indefinite wait") > 3:
            break
    memory = bench.machine.memory()
    assert BLOCK + b"7" in memory or (bench.over_ssh and memory == b"")
    bench.revive()
    assert bench.load("other").end.kind is EventKind.LOADED


def test_a_generated_modules_records_are_whole(bench: Bench, tmp_path: Path) -> None:
    module, loading = run_generated(bench, "fifo-one-sender", tmp_path)
    assert loading.end.kind is EventKind.LOADED
    (records,) = read(loading.text).loads
    assert records.complete
    assert sum(sighting.count for sighting in records.sightings) == records.iterations == 20
    bench.unload_file(module)


@each_costs_a_boot
def test_after_a_panic_memory_tells_the_step_of_each_thread(bench: Bench, tmp_path: Path) -> None:
    _, loading = run_generated(bench, "double-send", tmp_path)
    assert loading.end.kind is EventKind.PANICKED
    assert "_lwkt_sendmsg_prepare" in loading.end.text
    if bench.over_ssh:
        assert bench.machine.memory() == b""
        return
    steps = read_steps(bench.machine.memory(), NONCE)
    assert steps is not None
    assert (steps.iteration, steps.phase, steps.steps) == (0, 1, (2,))


@only_in_the_standin
@pytest.mark.parametrize(
    ("fault", "silence", "kind", "words"),
    [
        (REBOOT, 30, EventKind.DIED, "rebooted"),
        (POWEROFF, 30, EventKind.DIED, "powered off"),
        (HANG, SILENCE, EventKind.HUNG, "nothing on the console"),
        (DEAF, SILENCE, EventKind.HUNG, "nothing on the console"),
        (SILENT, SILENCE, EventKind.HUNG, "nothing on the console"),
        (DOUBLE, 30, EventKind.PANICKED, "double fault"),
    ],
)
def test_what_ends_a_machine_in_the_middle_has_its_own_event(
    bench: Bench, fault: int, silence: float, kind: EventKind, words: str
) -> None:
    loading = bench.load("talk", timeout=silence, standin_fault=fault, standin_after=20)
    assert (loading.end.kind, words in loading.end.text.lower()) == (kind, True)
    assert "talk: line 18 of two hundred\n" in loading.text
    assert "talk: line 19 of two hundred\n" not in loading.text
    bench.revive()
    assert bench.load("other").end.kind is EventKind.LOADED


@only_in_the_standin
def test_a_hang_that_an_nmi_gets_into_the_debugger_is_asked_what_it_does(bench: Bench) -> None:
    loading = bench.load("talk", timeout=SILENCE, standin_fault=HANG)
    assert loading.end.kind is EventKind.HUNG
    assert "NMI ... going to debugger\nStopped at" in loading.text
    assert re.search(r"db> \s*ps\n", loading.text), loading.text


@only_in_the_standin
def test_a_qemu_killed_in_the_middle_of_a_load_is_told_and_started_anew(bench: Bench) -> None:
    from msgport_vm.qemu import QemuMachine

    machine, said = bench.machine, ""
    assert isinstance(machine, QemuMachine)
    guest = machine._guest
    bench.dirty = True
    for event in machine.load(bench.module("hangs"), {}, 30):
        said += event.text
        if "hangs: about to" in said and guest.running:
            os.kill(guest._process.pid, signal.SIGKILL)
    assert (event.kind, event.text) == (EventKind.DIED, "QEMU ended: killed by signal 9")
    with pytest.raises(MachineError, match="the machine is not running"):
        bench.load("other")
    bench.revive()
    assert bench.load("other").end.kind is EventKind.LOADED


@only_in_the_standin
def test_records_that_other_text_fell_into_are_whole_again(bench: Bench, tmp_path: Path) -> None:
    module, loading = run_generated(bench, "fifo-one-sender", tmp_path, standin_fault=TORN)
    assert loading.end.kind is EventKind.LOADED
    assert "a line of another driver\n" in loading.text
    (records,) = read(loading.text).loads
    assert records.complete
    bench.unload_file(module)


@only_in_the_standin
@pytest.mark.parametrize("fault", [LOST, LOST_ON_CONSOLE])
def test_records_that_are_lost_are_missed_but_those_in_the_message_buffer(
    bench: Bench, tmp_path: Path, fault: int
) -> None:
    # The message buffer has the loads before as well: this one needs a nonce of its own.
    nonce = 0x5EED00 + fault
    module, loading = run_generated(bench, "fifo-one-sender", tmp_path, standin_fault=fault, msgport_nonce=nonce)
    assert loading.end.kind is EventKind.LOADED
    (records,) = read(loading.text).loads
    assert not records.complete
    (united,) = read(Segment(loading.text, (excerpt(bench.machine.messages(), nonce),))).loads
    assert united.complete == (fault == LOST_ON_CONSOLE)
    bench.unload_file(module)
