"""A run for people: one table, then an explanation of everything that is not as it should be."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from msgport.check.verdict import Kind, Nearest, Row
from msgport.counted import counted
from msgport.manual.claims import CLAIMS
from msgport.model.semantics import DEVIATIONS
from msgport.report.data import VariantResult
from msgport.report.screen import laid_out
from msgport.scenario.canonical import written
from msgport.scenario.library import asked_for
from msgport.scenario.outcome import Outcome
from msgport.scenario.program import Ref, Variant
from msgport.transcript.load import RingEntry

_STYLES = {
    Kind.CONFORMS: "green",
    Kind.DEVIATES: "yellow",
    Kind.VIOLATES: "bold red",
    Kind.INCONCLUSIVE: "magenta",
    Kind.UNTESTED: "dim",
}

_ENDS = {"deadlock": "asleep", "panic": "panicked"}
"""What became of a thread in a statement that did not come to its end."""

_TRACE_LINES = 40
"""Of a longer trace the last lines are shown: what led to the outcome. All of it is in results.json."""


def print_report(
    console: Console, results: Sequence[VariantResult], folder: Path | None, machine: str, *, verbose: bool = False
) -> None:
    """Print a run: a row a variant, explanations, counts, where the results are.

    ``machine`` says what it ran on. ``verbose`` lists every outcome of every variant.
    """
    if results:
        console.print(_table(results))
    for result in results:
        kind = result.verdict.kind
        if kind in (Kind.VIOLATES, Kind.INCONCLUSIVE) or verbose:
            console.print()
            for line in _explanation(result, folder, console.width, verbose=verbose):
                console.print(line, soft_wrap=True)
    console.print()
    for line in _footnotes(results):
        console.print(line)
    console.print(_counts(results))
    for line in _schedules(results):
        console.print(line, soft_wrap=True)
    console.print(Text(machine))
    if folder is not None:
        console.print(Text(f"Results: {folder}"), soft_wrap=True)


def _table(results: Sequence[VariantResult]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("scenario", overflow="fold")
    table.add_column("variant", overflow="fold")
    table.add_column("executions", justify="right")
    table.add_column("seen / allowed", justify="center")
    table.add_column("verdict")
    last = ""
    for result in results:
        variant, verdict = result.variant, result.verdict
        detail = verdict.detail.splitlines()[0] if verdict.detail else ""
        shown = verdict.kind in (Kind.DEVIATES, Kind.UNTESTED) and detail
        table.add_row(
            "" if variant.scenario == last else variant.scenario,
            ", ".join(f"{name}={choice}" for name, choice in variant.choices),
            f"{verdict.executions:,}",
            f"{verdict.seen:>2} / {verdict.allowed:<2}",
            Text(f"{verdict.kind}: {detail}" if shown else str(verdict.kind), style=_STYLES[verdict.kind]),
        )
        last = variant.scenario
    return table


def _footnotes(results: Sequence[VariantResult]) -> Iterator[Text]:
    """What each deviation that was seen means, and which functions the kernel's era kept from the modules."""
    seen = {name for result in results for row in result.verdict.rows for name in row.deviations}
    for deviation in DEVIATIONS:
        if deviation.name in seen:
            yield Text(f"{deviation.name}: {deviation.about}", style="yellow")
    for name in dict.fromkeys(name for result in results for name in result.substituted):
        yield Text(
            f"{name}: private to the kernel in this era; the modules call the port's mp_putport, which is all it does."
        )


def _counts(results: Sequence[VariantResult]) -> Text:
    kinds = [result.verdict.kind for result in results]
    text = Text(f"{counted(len(kinds), 'variant')}: " if kinds else "Nothing was judged. ")
    parts = [(f"{kinds.count(kind)} {kind}", _STYLES[kind]) for kind in reversed(Kind) if kind in kinds]
    for place, (part, style) in enumerate(parts):
        text.append(", " if place else "").append(part, style)
    seen = sum(result.verdict.seen for result in results)
    allowed = sum(result.verdict.allowed for result in results)
    if allowed:
        text.append(f"; {seen} of {allowed} allowed outcomes seen")
    return text


def _schedules(results: Sequence[VariantResult]) -> Iterator[Text]:
    """How executions were interleaved, where that was chosen."""
    chosen = [(result.variant.name, result.schedules) for result in results if result.schedules]
    if not chosen:
        return
    first = chosen[0][1]
    made = sum(schedules.executions for _, schedules in chosen)
    text = f"Schedules: {first.mode}, by {first.grain}; {counted(made, 'execution')}"
    if first.mode == "exhaustive":
        cut = [name for name, schedules in chosen if not schedules.complete]
        text += f"; complete for {len(chosen) - len(cut)} of {len(chosen)} variants"
        yield Text(f"{text}; cut short: {', '.join(cut)}" if cut else text)
    else:
        yield Text(text)


def _explanation(result: VariantResult, folder: Path | None, limit: int, *, verbose: bool) -> Iterator[Text]:
    variant, verdict = result.variant, result.verdict
    yield Text(f"{verdict.kind}: {variant.name}", style=_STYLES[verdict.kind])
    if variant.about:
        yield Text(f"  {variant.about}")
    # Why it violates stands beside each outcome.
    if verdict.detail and verdict.kind is not Kind.VIOLATES:
        first, *rest = verdict.detail.splitlines()
        yield Text(f"  {first}")
        for line in rest:
            yield Text(f"    {line}")
    if verdict.kind is Kind.VIOLATES:
        for claim in variant.claims:
            yield Text(f"  claim {claim}: {CLAIMS[claim].text}")
    for row in verdict.rows:
        if row.forbidden or verbose:
            yield from _outcome(variant, row, verdict.executions, limit)
            yield from _scheduled(result, row.outcome)
    if verbose:
        for outcome in verdict.unseen:
            yield Text(f"  never observed, though allowed: {outcome}")
    if verdict.kind is Kind.VIOLATES and verdict.problems:
        yield Text("  besides: " + "; ".join(verdict.problems))
    for name, path in (("module", result.module), ("transcript", result.transcript)):
        if path is not None and folder is not None:
            yield Text(f"  {name}: {folder / path}")


def _outcome(variant: Variant, row: Row, executions: int, limit: int) -> Iterator[Text]:
    times = f"{'' if row.exact else 'at least '}{row.count:,} of {counted(executions, 'execution')}"
    yield Text(f"  observed, {'forbidden' if row.forbidden else 'allowed'}, in {times}, first in number {row.first}:")
    differs = {what for what, _, _ in row.nearest.differences} if row.nearest else set[str]()
    yield from _values(variant, row, row.nearest, differs, limit)
    for reason in row.forbidden:
        yield Text(f"    {reason}")
    yield from _where(variant, row.outcome)
    if row.trace:
        yield Text("  trace of that execution, from the module's own rings:")
        yield from _timeline(variant, row.trace, row.outcome)


def _scheduled(result: VariantResult, outcome: Outcome) -> Iterator[Text]:
    """The schedule that led there, and what was done in it."""
    schedules = result.schedules
    if schedules is None or outcome not in schedules.first:
        return
    again = f"--grain {schedules.grain} --replay '{schedules.first[outcome]}'"
    yield Text(f"    msgport run {shlex.quote(asked_for(result.variant))} {again}")
    steps = [(step, len(list(same))) for step, same in groupby(schedules.steps.get(outcome, ()))]
    if len(steps) > _TRACE_LINES:
        yield Text(f"      ({len(steps) - _TRACE_LINES} earlier steps are in results.json)")
    for step, times in steps[-_TRACE_LINES:]:
        yield Text(f"      {step}" + (f" ({times} times)" if times > 1 else ""))


def _left_in(variant: Variant, outcome: Outcome) -> dict[str, int]:
    """The threads that a deadlock left asleep, or that panicked, each with the number of its statement."""
    steps = outcome.ending.partition("@")[2].split("+") if outcome.kind in _ENDS else []
    known = {f"{t.name}.{n}": (t.name, n) for t in variant.threads for n, _ in enumerate(t.body, 1)}
    return dict(known[step] for step in steps if step in known)


def _where(variant: Variant, outcome: Outcome) -> Iterator[Text]:
    """The statements that a deadlock left asleep, or that panicked."""
    left = _left_in(variant, outcome)
    for thread in variant.threads:
        if number := left.get(thread.name):
            yield Text(f"    {thread.name}.{number} {_ENDS[outcome.kind]} in {written(thread.body[number - 1])}")


def _values(variant: Variant, row: Row, nearest: Nearest | None, differs: set[str], limit: int) -> Iterator[Text]:
    """The outcome, and under it the nearest allowed one; what differs is marked."""
    titles = ["", *variant.index, "ending", ""] if row.outcome.values else ["", "ending", ""]
    rows = [titles, ["observed", *row.outcome.values, row.outcome.ending, ""]]
    if nearest is not None:
        values = nearest.outcome.values or ("",) * len(row.outcome.values)
        shown = values if row.outcome.values else ()
        rows.append(["nearest allowed", *shown, nearest.outcome.ending, ""])
    marks = ["", *("^" if title in differs else "" for title in titles[1:-1]), ""]
    for line in laid_out([*rows, marks], limit - len("    "), kept=1):
        if line:
            yield Text(f"    {line}", style="bold red" if set(line) <= {" ", "^"} else "")


def _timeline(variant: Variant, trace: Sequence[RingEntry], outcome: Outcome) -> Iterator[Text]:
    """One column a thread, one line a statement that came to its end, in order of time; last, those that did not."""
    entries = sorted((entry for entry in trace if not _is_nothing(variant, entry)), key=lambda entry: entry.tsc)
    if len(entries) > _TRACE_LINES:
        yield Text(f"    ({len(entries) - _TRACE_LINES} earlier steps are in the transcript)")
        entries = entries[-_TRACE_LINES:]
    start = entries[0].tsc if entries else 0
    names = [thread.name for thread in variant.threads]
    rows = [["ticks", "cpu", *(f"{thread.name} (CPU {thread.cpu})" for thread in variant.threads)]]
    for entry in entries:
        cells = [_statement(variant, entry) if entry.thread == name else "" for name in names]
        rows.append([str(entry.tsc - start), str(entry.cpu), *cells])
    if left := _left_in(variant, outcome):
        ends = f"... {_ENDS[outcome.kind]}"
        numbers = [(thread, left.get(thread.name)) for thread in variant.threads]
        rows.append(["", "", *(f"{n} {written(t.body[n - 1])} {ends}" if n else "" for t, n in numbers)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for ticks, cpu, *cells in rows:
        line = "   ".join(cell.ljust(width) for cell, width in zip(cells, widths[2:], strict=True)).rstrip()
        yield Text(f"    {ticks:>9}  {cpu:>3}  {line}")


def _is_nothing(variant: Variant, entry: RingEntry) -> bool:
    """Whether a step is of no thread here, or entered or left the serializer of a port whose kind has none."""
    thread = next((thread for thread in variant.threads if thread.name == entry.thread), None)
    if thread is None:
        return True
    if not 0 < entry.statement <= len(thread.body) or thread.body[entry.statement - 1].op not in ("enter", "exit"):
        return False
    guard = thread.body[entry.statement - 1].arguments[0]
    return guard in [Ref("port", port.name) for port in variant.ports if port.serializer is None]


def _statement(variant: Variant, entry: RingEntry) -> str:
    """``2 r0 = waitport P -> a [DONE+REPLY]``."""
    thread = next(thread for thread in variant.threads if thread.name == entry.thread)
    if not 0 < entry.statement <= len(thread.body):
        return f"{entry.statement} ?"
    statement = thread.body[entry.statement - 1]
    flags = f" [{entry.flags}]" if entry.flags not in ("-", "0") else ""
    result = f" -> {entry.result}" if statement.register is not None or flags else ""
    return f"{entry.statement} {written(statement)}{result}{flags}"
