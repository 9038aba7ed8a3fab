"""What a dead machine's memory tells of the load that it died in: where each thread stands, what was done last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgport.kmod import memory as kmod_memory
from msgport.kmod.memory import FINISHED, read_rings, read_steps
from msgport.kmod.rows import KINDS, NONE, NUMBERS, Layout
from msgport.manual.api import show_flags
from msgport.scenario.canonical import written
from msgport.scenario.program import Statement, Thread, Variant
from msgport.scenario.statements import STATEMENTS
from msgport.transcript.load import RingEntry

PHASES = ("before or between executions", "in execution {}", "tidying up after execution {}", "letting its threads go")
"""What a module is at, by the number of its phase."""


@dataclass(frozen=True)
class Remains:
    """What is left of a load. ``phase`` says what its module was at.

    ``standing`` maps each thread that is inside a statement to that statement's number (from 1). ``trace`` holds the
    statements of the execution in flight that came to their end, oldest first.
    """

    variant: Variant
    phase: str
    standing: Mapping[str, int]
    trace: tuple[RingEntry, ...]

    @property
    def where(self) -> str:
        """One line: ``in execution 7: T0.2 sendmsg P a, T1.1 r0 = waitport P``."""
        bodies = {thread.name: thread.body for thread in self.variant.threads}
        at = [_shown(name, bodies[name], number) for name, number in self.standing.items()]
        return f"{self.phase}: {', '.join(at) or 'no thread was inside a statement'}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The trace as lines: ticks since the first, CPU, statement, result, flags; empty when nothing was done."""
        if not self.trace:
            return ()
        bodies = {thread.name: thread.body for thread in self.variant.threads}
        start = self.trace[0].tsc
        return (
            "what its CPUs did last, from its memory (ticks, CPU, statement that came to its end):",
            *(
                f"{each.tsc - start:>9}  {each.cpu:>3}  {_shown(each.thread, bodies[each.thread], each.statement)}"
                + (f" -> {each.result}" if each.result != "-" else "")
                + (f" [{each.flags}]" if each.flags not in ("-", "0") else "")
                for each in self.trace
            ),
        )


def remains_of(variant: Variant, memory: bytes, nonce: int) -> Remains | None:
    """Read what memory holds of the load with that nonce; None when it holds nothing that fits the variant."""
    steps = read_steps(memory, nonce)
    if steps is None or len(steps.steps) != len(variant.threads) or steps.phase >= len(PHASES):
        return None
    standing = {
        thread.name: step for thread, step in zip(variant.threads, steps.steps, strict=True) if 0 < step < FINISHED
    }
    entries = (entry for ring in read_rings(memory, nonce) for entry in ring.entries)
    trace = [
        _entry(variant, variant.threads[entry.thread], entry)
        for entry in entries
        if entry.iteration == steps.iteration and entry.thread < len(variant.threads)
    ]
    phase = PHASES[steps.phase].format(steps.iteration)
    return Remains(variant, phase, standing, tuple(sorted(trace, key=lambda entry: entry.tsc)))


def _entry(variant: Variant, thread: Thread, entry: kmod_memory.RingEntry) -> RingEntry:
    """An entry of a ring as the module would have printed it."""
    statement = _statement(thread.body, entry.statement)
    kind = KINDS.get(STATEMENTS[statement.op].result or "") if statement else None
    # Results of 32 bits: the numbers that have a name stand at the lower end of both widths.
    special = entry.result + 0x7FFFFFFF
    number = NUMBERS[NONE] + special if special <= 2 else entry.result
    result = Layout(variant).text(kind, [number]) if kind else "-"
    flags = "-" if entry.flags is None else show_flags(entry.flags)
    return RingEntry(entry.cpu, entry.tsc, thread.name, entry.statement, result, flags)


def _statement(body: tuple[Statement, ...], number: int) -> Statement | None:
    return body[number - 1] if 0 < number <= len(body) else None


def _shown(name: str, body: tuple[Statement, ...], number: int) -> str:
    statement = _statement(body, number)
    return f"{name}.{number} {written(statement)}" if statement else f"{name}.{number}"
