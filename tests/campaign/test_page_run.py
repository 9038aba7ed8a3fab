"""What is said of a page's example when its machine does not do as it should."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from msgport.check.page_examples import recognise
from msgport.manual.examples import examples_of
from msgport.manual.mdoc import parse
from msgport.manual.source import source_of
from msgport.page_run import Made, run_examples
from msgport.report.manual import ExampleResult, exit_status
from msgport.scenario.library import find, load
from msgport_vm.machine import Event, EventKind, Facts, UnloadRefusedError
from tests.manual.pages import ASKED_IN_TURN, POLLS, page

CONSOLE = (Path(__file__).parents[2] / "results" / "dragonfly-5.9-page-examples" / "smp2.txt").read_text()
FIRST = CONSOLE[: CONSOLE.index("kldunload")]
NONCE = int(re.findall(r"msgport:[0-9a-f]{2}:([0-9a-f]{8}):", FIRST)[0], 16)


class Scripted:
    """A machine that says what it is told to say, and notes how often it was restarted."""

    left_behind: tuple[str, ...] = ()

    def __init__(self, *events: Event) -> None:
        self.events = events
        self.restarts = 0

    def boot(self) -> Facts:
        return facts()

    def build(self, source: Path) -> Path:
        return source / "x.ko"

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        yield from self.events

    def unload(self, module: Path) -> Iterator[Event]:
        raise UnloadRefusedError("Device busy")

    def memory(self) -> bytes:
        return b""

    def messages(self) -> str:
        return ""

    def restart(self) -> None:
        self.restarts += 1

    def close(self) -> None:
        pass


def facts(*, expendable: bool = True) -> Facts:
    return Facts("qemu", "DragonFly", True, "E", True, 2, 2, "tcg", "cc", expendable=expendable)


def result(machine: Scripted, program: str, *, expendable: bool = True) -> ExampleResult:
    ((example,), _) = examples_of(parse(source_of(page(program).encode(), "p.9").lines, "p.9"))
    known = recognise(example, load(find("example-1")), 2)
    (found,) = run_examples(machine, facts(expendable=expendable), [Made(example, known, Path("x"))], NONCE)
    return found


def said(text: str, kind: EventKind, detail: str = "") -> Scripted:
    return Scripted(Event(EventKind.CONSOLE, text), Event(kind, detail))


def test_what_a_real_kernel_said_conforms_and_the_machine_is_restarted_after_it() -> None:
    machine = said(FIRST, EventKind.LOADED)
    found = result(machine, ASKED_IN_TURN)
    assert found.verdict and (found.verdict.kind, machine.restarts) == ("conforms", 1)
    assert found.printed[-1] == "Received message on CPU 1."


def test_a_line_that_came_too_late_violates() -> None:
    rows = FIRST.splitlines(keepends=True)
    says = [at for at, row in enumerate(rows) if ":say " in row]
    # The same lines under each other's numbers: the second answer before the second question.
    one, other = rows[says[2]], rows[says[3]]
    swapped = _renumbered(other, one), _renumbered(one, other)
    rows[says[2]], rows[says[3]] = swapped
    found = result(said("".join(rows), EventKind.LOADED), ASKED_IN_TURN)
    assert found.verdict and found.verdict.kind == "violates" and exit_status([found]) == 1


def _renumbered(row: str, like: str) -> str:
    """The record with the other one's number, and the checksum that goes with it."""
    words = row.strip().split(":")
    words[3] = like.split(":")[3]
    body = ":".join(words[:-1])
    return f"{body}:{zlib.crc32(body.encode()):08x}\n"


def test_a_record_that_was_lost_leaves_it_inconclusive() -> None:
    rows = [row for row in FIRST.splitlines(keepends=True) if ":0003:" not in row]
    found = result(said("".join(rows), EventKind.LOADED), ASKED_IN_TURN)
    assert found.verdict and found.verdict.kind == "inconclusive" and "lost 1 record" in found.verdict.detail


@pytest.mark.parametrize("program", [ASKED_IN_TURN, POLLS], ids=["known", "unknown"])
@pytest.mark.parametrize(
    ("kind", "detail", "told"),
    [
        (EventKind.LOAD_FAILED, "symbol lwkt_beginmsg undefined", "would not load: symbol lwkt_beginmsg undefined"),
        (EventKind.HUNG, "", "the machine hung"),
        (EventKind.DIED, "killed by signal 9", "the machine died: killed by signal 9"),
    ],
)
def test_a_machine_that_fails_leaves_it_inconclusive(program: str, kind: EventKind, detail: str, told: str) -> None:
    found = result(said("", kind, detail), program)
    assert found.verdict and found.verdict.kind == "inconclusive" and told in found.verdict.detail
    assert exit_status([found]) == 3


def test_a_panic_without_words_is_no_pass() -> None:
    found = result(said("", EventKind.PANICKED), POLLS)
    assert found.verdict and found.verdict.kind == "inconclusive" and "its words are lost" in found.verdict.detail


def test_an_example_without_any_record_is_no_pass() -> None:
    for program in (ASKED_IN_TURN, POLLS):
        found = result(said("hello\n", EventKind.LOADED), program)
        assert found.verdict and found.verdict.kind == "inconclusive"


def test_a_machine_that_may_not_be_restarted_runs_none() -> None:
    machine = Scripted()
    found = result(machine, ASKED_IN_TURN, expendable=False)
    assert found.verdict and found.verdict.kind == "untested" and "--allow-panic" in found.verdict.detail
    assert exit_status([found]) == 0
