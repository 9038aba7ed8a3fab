"""Generated modules loaded on the userland machine: what they print, count, freeze, and leave behind."""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from msgport.kmod import generate, read_rings, read_steps, write
from msgport.model import KERNEL, explore
from msgport.scenario.library import find, load
from msgport.scenario.outcome import Outcome
from msgport.scenario.parser import parse
from msgport.scenario.program import Variant
from msgport.transcript import Load, read
from msgport_vm.machine import EventKind, MachineError, UnloadRefusedError
from msgport_vm.userland import UserlandMachine, default_sources, find_compiler

NONCE = 0x600DCAFE


@pytest.fixture(scope="module")
def machine() -> Iterator[UserlandMachine]:
    try:
        find_compiler()
    except MachineError as error:
        pytest.skip(str(error))
    with UserlandMachine(cpus=4) as machine:
        machine.boot()
        yield machine


class Run:
    """One load of a variant's module for a number of iterations, and its unload."""

    def __init__(
        self,
        machine: UserlandMachine,
        variant: Variant,
        folder: Path,
        allowed: list[Outcome] | None = None,
        iterations: int = 50,
    ) -> None:
        module = generate(variant, allowed, nonce=NONCE, seed=1, iterations=iterations, milliseconds=0)
        write(module, folder)
        loadable = machine.build(folder)
        events = list(machine.load(loadable, {}, timeout=20))
        self.text = "".join(event.text for event in events if event.kind is EventKind.CONSOLE)
        self.ended = events[-1].kind
        self.refused = ""
        self.memory = b""
        if self.ended is EventKind.LOADED:
            try:
                list(machine.unload(loadable))
            except UnloadRefusedError as refused:
                self.refused = refused.screen
                machine.restart()
            except MachineError:
                # The other tests are not to fail as well.
                machine.restart()
                raise
        else:
            self.memory = machine.memory()
            machine.restart()

    @property
    def load(self) -> Load:
        (load,) = read(self.text).loads
        return load


def variant_of(text: str) -> Variant:
    (variant,) = parse("MSGPORT test\n" + text, "test.msgport")
    return variant


def catalogue_variant(name: str, place: int = 0) -> Variant:
    return load(find(name))[place]


def test_every_record_has_its_length_its_number_and_its_checksum(machine: UserlandMachine, tmp_path: Path) -> None:
    run = Run(machine, catalogue_variant("two-senders"), tmp_path)
    records = [line for line in run.text.splitlines() if line.startswith("msgport:")]
    assert [record.split(":")[4].split()[0] for record in records[:3]] == ["begin", "env", "new"]
    for number, record in enumerate(records):
        _, length, nonce, sequence, *_ = record.split(":")
        assert (int(length, 16), int(nonce, 16), int(sequence, 16)) == (len(record), NONCE, number)
        assert len(record) <= 120
        body, _, checksum = record.rpartition(":")
        assert int(checksum, 16) == zlib.crc32(body.encode())
    assert f"end n={len(records) - 1} i=50 why=iterations" in records[-1]


def test_counts_of_outcomes_add_up_to_the_executions(machine: UserlandMachine, tmp_path: Path) -> None:
    run = Run(machine, catalogue_variant("competing-receivers"), tmp_path, iterations=300)
    assert run.load.complete
    assert sum(sighting.count for sighting in run.load.sightings) == run.load.iterations == 300


@pytest.mark.parametrize("name", ["moving-owner", "keep-and-reply-later", "priority", "serializer-shared", "netisr"])
def test_a_module_counts_only_what_the_model_allows(machine: UserlandMachine, tmp_path: Path, name: str) -> None:
    variant = catalogue_variant(name)
    allowed = explore(variant, KERNEL).outcomes
    run = Run(machine, variant, tmp_path, list(allowed))
    assert run.load.complete
    assert run.load.frozen is None
    assert {sighting.outcome for sighting in run.load.sightings} <= set(allowed)


def test_messages_left_on_built_in_ports_are_gone_in_the_next_execution(
    machine: UserlandMachine, tmp_path: Path
) -> None:
    variant = variant_of(
        "observe: queue T0.port\n{ port N putonly putport return(0); msg a reply T0.port }\n T0 ;\n sendmsg N a ;\n"
    )
    run = Run(machine, variant, tmp_path)
    assert [(seen.outcome, seen.count) for seen in run.load.sightings] == [(Outcome("done", ("a",)), 50)]


def test_a_call_that_one_handler_passes_on_to_another_counts_once(machine: UserlandMachine, tmp_path: Path) -> None:
    variant = variant_of(
        "observe: calls P.putport\n{ port P thread owner T0 putport return(3); msg a reply T0.port }\n"
        " T0 ;\n setputport P chain ;\n r0 = domsg P a ;\n"
    )
    run = Run(machine, variant, tmp_path)
    assert [seen.outcome for seen in run.load.sightings] == [Outcome("done", ("3", "1"))]


def test_the_first_outcome_that_is_not_allowed_stops_the_run_and_shows_its_trace(
    machine: UserlandMachine, tmp_path: Path
) -> None:
    variant = catalogue_variant("fifo-one-sender")
    run = Run(machine, variant, tmp_path, [Outcome("done", ("b", "a"))])
    load = run.load
    assert (load.frozen, load.iterations, load.ended) == (0, 1, "frozen")
    receiver = [(entry.statement, entry.result) for entry in load.trace if entry.thread == "T1"]
    assert receiver == [(1, "-"), (2, "a"), (3, "b"), (4, "-")]
    assert [entry.tsc for entry in load.trace] == sorted(entry.tsc for entry in load.trace)


def test_a_trace_shows_results_that_no_outcome_has_and_cuts_those_too_long(
    machine: UserlandMachine, tmp_path: Path
) -> None:
    flags = "PRIORITY+USER0+USER1+USER2+USER3"
    variant = variant_of(f"{{ msg abcdefghijklmno reply T0.port flags {flags} }}\n T0 ;\n flags abcdefghijklmno ;\n")
    assert not variant.observables
    load = Run(machine, variant, tmp_path, []).load
    assert (load.ended, load.problems) == ("frozen", ())
    (entry,) = load.trace
    assert f"DONE+{flags}".startswith(entry.result) and len(entry.result) > 20


def test_a_port_keeps_the_same_message_as_often_as_it_is_put(machine: UserlandMachine, tmp_path: Path) -> None:
    rows = " sendmsg P a ;\n replymsg a 1 ;\n" * 9
    variant = variant_of(
        "{ port P putonly putport keep; port R replyonly replyport done; msg a reply R }\n T0 ;\n" + rows
    )
    run = Run(machine, variant, tmp_path)
    assert [seen.outcome for seen in run.load.sightings] == [Outcome("done", ())]


def test_an_allowed_table_may_leave_a_value_open(machine: UserlandMachine, tmp_path: Path) -> None:
    run = Run(machine, catalogue_variant("fifo-one-sender"), tmp_path, [Outcome("done", ("a", "*"))])
    assert run.load.ended == "iterations"


def test_a_deadlock_is_seen_and_its_module_stays(machine: UserlandMachine, tmp_path: Path) -> None:
    variant = variant_of(
        "{ port P spin; msg a reply P }\n T0 | T1 ;\n r0 = waitport P | r0 = kept P ;\n | r1 = checkmsg a ;\n"
    )
    run = Run(machine, variant, tmp_path, [])
    load = run.load
    assert load.sightings[0].outcome == Outcome("deadlock@T0.1+T1.1", ("-", "-", "-"))
    assert dict(load.stuck) == {"T0": 1, "T1": 1}
    assert load.ended == "deadlock"
    assert "cannot be unloaded" in run.refused


def test_a_thread_that_is_only_slow_is_no_deadlock(machine: UserlandMachine, tmp_path: Path) -> None:
    # The receiver sleeps while the sender has hundreds of statements to go, and the watch looks meanwhile.
    rows = "".join(f" r{n} = checkmsg a | ;\n" for n in range(200))
    variant = variant_of(
        f"{{ port P thread owner T1; msg a reply T0.port }}\n T0 | T1 ;\n{rows} sendmsg P a | r0 = waitport P ;\n"
    )
    variant = Variant(**{**vars(variant), "observables": variant.observables[-1:]})
    run = Run(machine, variant, tmp_path, iterations=200)
    assert [seen.outcome for seen in run.load.sightings] == [Outcome("done", ("a",))]


def test_lines_said_are_printed_and_recorded_once_a_load(machine: UserlandMachine, tmp_path: Path) -> None:
    run = Run(machine, catalogue_variant("example-2"), tmp_path)
    lines = ["kldload: Sending message.", "myservice: Hi kldload! Got your msg."]
    assert [line for line in run.text.splitlines() if line and not line.startswith("msgport:")] == lines
    assert [said.line for said in run.load.said] == lines
    assert run.load.iterations == 1


def test_example_1_asks_every_cpu_in_turn(machine: UserlandMachine, tmp_path: Path) -> None:
    run = Run(machine, catalogue_variant("example-1"), tmp_path)
    lines = [line for line in run.text.splitlines() if line and not line.startswith("msgport:")]
    assert lines == [
        line for cpu in range(4) for line in (f"Sending msg to CPU {cpu}.", f"Received message on CPU {cpu}.")
    ]


def test_after_a_panic_memory_tells_the_step_of_each_thread(machine: UserlandMachine, tmp_path: Path) -> None:
    run = Run(machine, catalogue_variant("double-send"), tmp_path)
    assert run.ended is EventKind.PANICKED
    steps = read_steps(run.memory, NONCE)
    assert steps is not None
    assert (steps.iteration, steps.phase, steps.steps) == (0, 1, (2,))
    (ring,) = read_rings(run.memory, NONCE)
    assert [(entry.thread, entry.statement) for entry in ring.entries] == [(0, 1)]
    assert read_steps(run.memory, NONCE + 1) is None


def test_too_few_cpus_are_told_and_nothing_runs(machine: UserlandMachine, tmp_path: Path) -> None:
    variant = variant_of("{ msg a reply T0.port }\n T0 @ 7 ;\n r0 = checkmsg a ;\n")
    run = Run(machine, variant, tmp_path)
    assert "needs 8 CPUs, here are 4" in run.text
    assert "new k=" not in run.text


def test_without_any_limit_the_module_refuses_to_run(machine: UserlandMachine, tmp_path: Path) -> None:
    run = Run(machine, catalogue_variant("beginmsg"), tmp_path, iterations=0)
    assert re.search("neither msgport.iterations nor msgport.ms is set", run.text)
    assert "new k=" not in run.text


def test_who_unloads_a_module_has_been_on_every_cpu_that_ran_it(tmp_path: Path) -> None:
    """An IPI's function may still be on its way out of the module: no thread runs on its CPU before that."""
    shutil.copytree(default_sources(), tmp_path / "sources")
    file = tmp_path / "sources" / "kern" / "lwkt_thread.c"
    text = file.read_text()
    moves = "\tglobaldata_t gd = mycpu;\n\n\tul_poll();\n\tif (rgd == gd)\n"
    assert text.count(moves) == 1
    tell = '\tif (strcmp(td->td_comm, "kldunload") == 0)\n\t\tkprintf("to %d\\n", (int)rgd->gd_cpuid);\n'
    file.write_text(text.replace(moves, moves.replace("\tul_poll();\n", "\tul_poll();\n" + tell)))
    # Its threads belong to CPUs 0 and 1, and one visits CPU 2.
    module = generate(catalogue_variant("moving-owner"), None, nonce=NONCE, seed=1, iterations=1, milliseconds=0)
    write(module, tmp_path / "module")
    with UserlandMachine(cpus=4, sources=tmp_path / "sources") as machine:
        machine.boot()
        loadable = machine.build(tmp_path / "module")
        assert list(machine.load(loadable, {}, timeout=20))[-1].kind is EventKind.LOADED
        unloading = "".join(event.text for event in machine.unload(loadable))
    assert unloading == "to 0\nto 1\nto 2\nto 3\n"
