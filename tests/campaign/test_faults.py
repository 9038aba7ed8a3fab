"""What a machine does to a run has its own words in the verdict, and is never a pass, whatever the records say."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from msgport.campaign import Order, run
from msgport.check.models import consult
from msgport.execution import Limits
from msgport.offline import judge_transcript
from msgport.report.data import VariantResult
from msgport.report.results import ResultsFolder
from msgport.scenario.canonical import content_hash
from msgport.selection import choose
from msgport_vm.machine import Event, EventKind, MachineError, UnloadRefusedError
from msgport_vm.userland import UserlandMachine, default_sources
from tests.transcript.writer import Writer


class Mute(UserlandMachine):
    """A machine whose console keeps the second load to itself, and says what the first one said once more."""

    def __init__(self) -> None:
        super().__init__(4)
        self._said: list[Event] = []
        self._loads = 0

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        self._loads += 1
        for event in super().load(module, tunables, timeout):
            if event.kind is not EventKind.CONSOLE:
                yield from self._said if self._loads == 2 else ()
                yield event
            elif self._loads != 2:
                self._said.append(event)
                yield event


class Scripted(UserlandMachine):
    """A machine on which a module says what it is told to."""

    def __init__(self, records: Callable[[int], Writer]) -> None:
        super().__init__(4)
        self._records = records

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        yield Event(EventKind.CONSOLE, self._records(tunables["msgport.nonce"]).text)
        yield Event(EventKind.LOADED)

    def unload(self, module: Path) -> Iterator[Event]:
        yield from ()


class Faulty(UserlandMachine):
    """A machine that runs a module to its end, and then ends the load or the unload in another way."""

    def __init__(self, *, load: Event | None = None, unload: MachineError | None = None) -> None:
        super().__init__(4)
        self._load_ends, self._unload_ends = load, unload

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        for event in super().load(module, tunables, timeout):
            yield event if event.kind is EventKind.CONSOLE or self._load_ends is None else self._load_ends

    def unload(self, module: Path) -> Iterator[Event]:
        if self._unload_ends is not None:
            raise self._unload_ends
        return super().unload(module)


class Leaky(UserlandMachine):
    """A machine whose console loses the records with an odd number; its message buffer has them, or not."""

    def __init__(self, *, buffered: bool, ends: Event | None = None, readable: bool = True) -> None:
        super().__init__(4)
        self._buffered, self._all, self.asked = buffered, "", 0
        self._ends, self._readable = ends, readable

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        for event in super().load(module, tunables, timeout):
            self._all += event.text if event.kind is EventKind.CONSOLE else ""
            if event.kind is EventKind.CONSOLE:
                yield Event(event.kind, self._heard(event.text))
            else:
                yield self._ends or event

    def _heard(self, text: str) -> str:
        # And of a panic it loses some words, and what its stack trace tells.
        lines = re.sub(r"panic: .*", "panic: lwkt_", text).splitlines(keepends=True)
        lost = r"msgport:..:........:...[13579bdf]:|lwkt_\w+\(\) at "
        return "".join(line for line in lines if not re.match(lost, line))

    def messages(self) -> str:
        self.asked += 1
        if not self._readable:
            raise MachineError("QEMU refuses memsave: No space left on device")
        return "older text\n" + self._all if self._buffered else ""


class Babbling(UserlandMachine):
    """A machine that says something over and over once a module is loaded, or while it is unloaded."""

    def __init__(self, *, load: bool) -> None:
        super().__init__(4)
        self._babbles_in_load = load

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        for event in super().load(module, tunables, timeout):
            if event.kind is not EventKind.CONSOLE and self._babbles_in_load:
                yield from babble()
            yield event

    def unload(self, module: Path) -> Iterator[Event]:
        return babble()


def babble() -> Iterator[Event]:
    """Go on for ever, as fast as anybody listens: a great deal is said before any time has passed."""
    while True:
        yield Event(EventKind.CONSOLE, "spin_lock: indefinite wait\n" * 1000)


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (Faulty(load=Event(EventKind.HUNG, "nothing on the console for 20 s")), "hung: nothing on the console"),
        (Babbling(load=True), r"the machine hung: still talking after \d+ s, but not of this load"),
        (Babbling(load=False), "failed when the module was unloaded: still talking"),
        (Faulty(load=Event(EventKind.HUNG)), "hung: it said nothing more"),
        (Faulty(load=Event(EventKind.DIED, "it rebooted")), "died: it rebooted"),
        (Faulty(load=Event(EventKind.DIED, "QEMU ended: killed by signal 9")), "died: QEMU ended: killed"),
        (Faulty(load=Event(EventKind.DIED, "the connection was lost")), "died: the connection was lost"),
        (Faulty(load=Event(EventKind.LOAD_FAILED, "symbol x undefined")), "would not load: symbol x undefined"),
        (
            Faulty(load=Event(EventKind.PANICKED, "the kernel fell into its debugger")),
            "does not tell how: the kernel fell",
        ),
        (Faulty(unload=UnloadRefusedError("Device busy")), "would not unload: Device busy"),
        (Faulty(unload=MachineError("panic: at unload")), "failed when the module was unloaded: panic: at unload"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault_makes_a_variant_inconclusive_in_its_own_words(
    machine: UserlandMachine, words: str, tmp_path: Path
) -> None:
    order = Order(Limits(0, 20), seed=1, nonce=0x1000)
    with machine:
        facts = machine.boot()
        folder = ResultsFolder.create_in(tmp_path / "results", datetime.now())
        (result,) = run(machine, facts, [consult(choose(["two-senders/P=spin"], None)[0])], order, folder)
    assert result.verdict.kind == "inconclusive"
    assert re.search(words, result.verdict.detail)
    # What was kept tells it as well.
    assert result.transcript is not None
    (again,) = judge_transcript((folder.path / result.transcript).read_text(), choose([], None), "both")
    assert again.verdict.kind == "inconclusive" and re.search(words, again.verdict.detail)


HANGS = Event(EventKind.HUNG, "nothing on the console for 20 s")


@pytest.mark.parametrize(
    ("variant", "machine", "kind"),
    [
        ("two-senders/P=spin", Leaky(buffered=True), "conforms"),
        ("two-senders/P=spin", Leaky(buffered=False), "inconclusive"),
        ("two-senders/P=spin", Leaky(buffered=True, readable=False), "inconclusive"),
        ("two-senders/P=spin", Leaky(buffered=True, ends=HANGS), "inconclusive"),
        ("two-senders/P=spin", Leaky(buffered=False, ends=HANGS), "inconclusive"),
        ("double-send", Leaky(buffered=True), "conforms"),
        ("double-send", Leaky(buffered=False), "inconclusive"),
        ("double-send", Leaky(buffered=True, ends=HANGS), "inconclusive"),
    ],
)
def test_what_the_console_loses_is_looked_for_in_the_message_buffer_and_judged_again_alike(
    tmp_path: Path, variant: str, machine: Leaky, kind: str
) -> None:
    order = Order(Limits(0, 20), seed=1, nonce=0x1000)
    models = consult(choose([variant], None)[0])
    with machine:
        facts = machine.boot()
        folder = ResultsFolder.create_in(tmp_path / "results", datetime.now())
        (result,) = run(machine, facts, [models], order, folder)
    assert result.verdict.kind == kind
    # What was judged is what is kept.
    assert result.transcript is not None
    text = (folder.path / result.transcript).read_text()
    (again,) = judge_transcript(text, [models.variant], "both")
    assert again.verdict.kind == result.verdict.kind
    assert [(row.outcome, row.count) for row in again.verdict.rows] == [
        (row.outcome, row.count) for row in result.verdict.rows
    ]


def test_a_load_that_says_nothing_is_no_pass_and_an_old_one_counts_once(tmp_path: Path) -> None:
    order = Order(Limits(0, 20), seed=1, nonce=0x1000)
    with Mute() as machine:
        facts = machine.boot()
        folder = ResultsFolder.create_in(tmp_path / "results", datetime.now())
        # What says something runs once a load, and so is loaded more than once.
        (result,) = run(machine, facts, [consult(choose(["say"], None)[0])], order, folder)
    assert result.verdict.kind == "inconclusive"
    assert "load 00001001: none of its records came through" in result.verdict.detail
    assert [row.count for row in result.verdict.rows] == [1]


def test_a_module_that_stops_at_what_is_allowed_is_no_pass(tmp_path: Path) -> None:
    (variant,) = choose(["two-senders/P=spin"], None)

    def records(nonce: int) -> Writer:
        writer = Writer(nonce).begin(content=content_hash(variant)).add("new", k=0, i=0, v="a,b,c", e="done")
        return writer.add("frozen", k=0, i=0).add("out", k=0, n=1).end(1, "frozen")

    with Scripted(records) as machine:
        facts = machine.boot()
        folder = ResultsFolder.create_in(tmp_path / "results", datetime.now())
        (result,) = run(machine, facts, [consult(variant)], Order(Limits(0, 20), seed=1, nonce=0x1000), folder)
    assert result.verdict.kind == "inconclusive"
    assert "stopped at, what the kernel model allows: a b c done" in result.verdict.detail


WAITPORT = "lwkt_spin_waitport(lwkt_port_t port, int flags)\n{\n\tlwkt_msg_t msg;\n\n"


def run_altered(tmp_path: Path, statement: str, *, silence: float = 20.0, babble: float = 60.0) -> VariantResult:
    """Run two-senders/P=spin on a machine whose spin ports' waitport begins with a statement of C."""
    sources = tmp_path / "userland"
    shutil.copytree(default_sources(), sources)
    file = sources / "kern" / "lwkt_msgport.c"
    text = file.read_text()
    assert text.count(WAITPORT) == 1
    file.write_text(text.replace(WAITPORT, f"{WAITPORT}\t{statement}\n"))
    order = Order(Limits(0, 20, silence=silence, babble=babble), seed=1, nonce=0x1000)
    with UserlandMachine(4, sources=sources) as machine:
        facts = machine.boot()
        folder = ResultsFolder.create_in(tmp_path / "results", datetime.now())
        (result,) = run(machine, facts, [consult(choose(["two-senders/P=spin"], None)[0])], order, folder)
    return result


def test_a_hang_that_never_falls_silent_is_given_up(tmp_path: Path) -> None:
    statement = 'for (int i = 1;; i++) { if (i % 1000000 == 0) kprintf("spin_lock: indefinite wait\\n"); cpu_pause(); }'
    verdict = run_altered(tmp_path, statement, babble=2).verdict
    assert verdict.kind == "inconclusive"
    assert re.search(r"the machine hung: still talking after \d+ s, but not of this load", verdict.detail)
    assert "T2.1 r0 = waitport P" in verdict.detail


@pytest.mark.parametrize(
    ("statement", "silence", "death"),
    [
        ("for (;;) cpu_pause();", 2, "the machine hung: nothing on the console"),
        (
            '__asm __volatile("movl 0x18, %%eax" ::: "eax", "memory");',
            20,
            "the machine died of something else: Fatal trap 12",
        ),
    ],
)
def test_what_dies_unread_is_told_by_memory(tmp_path: Path, statement: str, silence: int, death: str) -> None:
    verdict = run_altered(tmp_path, statement, silence=silence).verdict
    assert verdict.kind == "inconclusive"
    assert death in verdict.detail
    assert "load 00001000 stood in execution 0: " in verdict.detail
    assert "T2.1 r0 = waitport P" in verdict.detail


def test_a_panic_that_no_model_knows_shows_what_led_to_it(tmp_path: Path) -> None:
    statement = 'static int calls; if (calls++ == 1) panic("a made-up reason");'
    verdict = run_altered(tmp_path, statement).verdict
    (row,) = verdict.rows
    assert (str(verdict.kind), row.outcome.ending) == ("violates", "panic other@T2.2")
    assert [entry.statement for entry in row.trace if entry.thread == "T2"] == [1]
