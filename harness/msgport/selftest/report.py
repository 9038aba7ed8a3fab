"""What a selftest found, for people and, as ``selftest.schema.json`` says, for programs."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from msgport.check.verdict import Kind as Verdict
from msgport.counted import counted
from msgport.plan import Mode, Plan
from msgport.selftest.faults import Kind
from msgport.selftest.trial import End, Trial
from msgport.selftest.unchanged import Proven

SCHEMA = "msgport-selftest-1"

_STYLES = {End.KILLED: "green", End.SURVIVED: "bold red", End.FAILED: "yellow"}


def exit_status(trials: Sequence[Trial]) -> int:
    """0: every fault was killed; 1: one survived; 3: of one nothing can be said."""
    ends = {trial.end for trial in trials}
    return 1 if End.SURVIVED in ends else 3 if End.FAILED in ends or not ends else 0


def in_order(trials: Sequence[Trial]) -> list[Trial]:
    """Implementation faults first, each kind by name: trials end in any order."""
    return sorted(trials, key=lambda trial: (list(Kind).index(trial.fault.kind), trial.fault.name))


def as_text(trials: Sequence[Trial], proven: Sequence[Proven], seconds: float) -> Iterator[Table | Text]:
    """A row a fault; what survived or failed in full; the counts."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("fault", overflow="fold")
    table.add_column("killed by", overflow="fold")
    table.add_column("executions", justify="right")
    table.add_column("seconds", justify="right")
    for trial in in_order(trials):
        kill = trial.kill
        table.add_row(
            trial.fault.name,
            kill.variant if kill else Text(str(trial.end), style=_STYLES[trial.end]),
            _count(trial),
            f"{trial.seconds:.1f}",
        )
    yield table
    for trial in in_order(trials):
        if trial.end is not End.KILLED:
            yield Text("")
            yield Text(f"{trial.end}: {trial.fault.name}", style=_STYLES[trial.end])
            yield Text(f"  {trial.fault.about}")
            if trial.error:
                yield Text("\n".join(f"  {line}" for line in trial.error.splitlines()))
            else:
                made = counted(trial.executions, "schedule" if trial.fault.schedule else "execution")
                yield Text(f"  {counted(trial.variants, 'variant')} and {made} did not show it.")
            for each in trial.inconclusive:
                yield Text(f"  inconclusive: {each.variant}: {each.detail.partition(chr(10))[0]}")
    yield Text("")
    for kind, counts in _counts(trials).items():
        if counts["faults"]:
            text = Text(f"{counted(counts['faults'], f'{kind} fault')}: ")
            parts = [(f"{counts[end]} {end}", _STYLES[end]) for end in End if counts[end]]
            for place, (part, style) in enumerate(parts):
                text.append(", " if place else "").append(part, style)
            yield text
    executions = sum(each.verdict.executions for each in proven)
    schedules = sum(trial.kill.clean for trial in trials if trial.kill)
    clean = (
        [f"{counted(len(proven), 'variant')}, {counted(executions, 'execution')}"] if proven or not schedules else []
    )
    clean += [counted(schedules, "chosen schedule")] if schedules else []
    yield Text(f"The unchanged message ports are clean in {' and in '.join(clean)}. {seconds:.0f} s.")


def _count(trial: Trial) -> str:
    """In how many executions a fault was caught, or was not."""
    count = trial.kill.executions if trial.kill else trial.executions
    if trial.kill and not count:
        return str(trial.kill.sign)
    return counted(count, "schedule") if trial.fault.schedule else f"{count:,}"


def as_json(
    trials: Sequence[Trial], proven: Sequence[Proven], seconds: float, environment: Mapping[str, Any], *, complete: bool
) -> dict[str, Any]:
    """The same as the schema has it. ``complete``: every fault that was asked for was tried."""
    verdicts = [each.verdict.kind for each in proven]
    return {
        "schema": SCHEMA,
        "complete": complete,
        "environment": {**environment, "msgport": version("msgport"), "python": platform.python_version()},
        "unchanged": {
            "variants": len(proven),
            "executions": sum(each.verdict.executions for each in proven),
            "conforms": verdicts.count(Verdict.CONFORMS),
            "deviates": verdicts.count(Verdict.DEVIATES),
        },
        "faults": [_trial(trial) for trial in in_order(trials)],
        "counts": _counts(trials),
        "seconds": round(seconds, 1),
    }


def _trial(trial: Trial) -> dict[str, Any]:
    fault, kill = trial.fault, trial.kill
    return {
        "name": fault.name,
        "kind": str(fault.kind),
        "effect": fault.effect or None,
        "about": fault.about,
        "claims": list(fault.claims),
        "schedule": _schedule(fault.schedule),
        "end": str(trial.end),
        "kill": kill
        and {
            "variant": kill.variant,
            "sign": str(kill.sign),
            "executions": kill.executions,
            "clean": kill.clean if fault.schedule else None,
            "detail": kill.detail,
        },
        "variants": trial.variants,
        "executions": trial.executions,
        "seconds": round(trial.seconds, 3),
        "inconclusive": [{"variant": each.variant, "detail": each.detail} for each in trial.inconclusive],
        "error": trial.error or None,
    }


def _schedule(plan: Plan | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    return {
        "mode": str(plan.mode),
        "grain": str(plan.grain),
        "schedules": plan.limit,
        "seed": plan.seed,
        "depth": plan.depth if plan.mode is Mode.PCT else None,
    }


def _counts(trials: Sequence[Trial]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for kind in Kind:
        ends = [trial.end for trial in trials if trial.fault.kind is kind]
        counts[str(kind)] = {"faults": len(ends), **{str(end): ends.count(end) for end in End}}
    return counts


class SelftestProgress:
    """How a selftest is going, on standard error: a live bar on a terminal, a line a fault everywhere."""

    def __init__(self, faults: int) -> None:
        """Show nothing yet."""
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal or self._console.is_dumb_terminal,
        )
        self._faults = faults
        self._done = self._clean = 0
        self._task = self._bar.add_task("starting the machine", total=faults)

    def __enter__(self) -> SelftestProgress:
        """Start to show."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and clear what is live."""
        self._bar.stop()

    def proven(self, _: Proven) -> None:
        """Count a variant that the unchanged machine conforms to. May be called from any thread."""
        self._clean += 1
        self._show()

    def _show(self) -> None:
        self._bar.update(
            self._task, description=f"unchanged: {self._clean} variants clean; faults", completed=self._done
        )

    def tried(self, trial: Trial) -> None:
        """Tell what came of a fault."""
        self._done += 1
        self._show()
        by = f" by {trial.kill.variant}" if trial.kill else ""
        self._console.print(
            Text(f"[{self._done}/{self._faults}] {trial.fault.name}: {trial.end}{by} ({trial.seconds:.1f} s)"),
            style=None if trial.kill else _STYLES[trial.end],
            soft_wrap=True,
        )
