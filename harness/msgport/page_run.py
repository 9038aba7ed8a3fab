"""The examples of a manual page on a machine: each loaded once, what it printed judged where a scenario knows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msgport.campaign import fitted
from msgport.check.models import consult
from msgport.check.verdict import Kind, Verdict, untested
from msgport.execution import Execution, Life, int32, live
from msgport.kmod.page_example import MILLISECONDS, Known
from msgport.manual.examples import Example
from msgport.report.manual import ExampleResult
from msgport.transcript import lives
from msgport_vm.machine import BuildError, EventKind, Facts, Machine

SILENCE = 2 * MILLISECONDS / 1000
"""Seconds without console text after which the machine counts as hung; the module itself gives up sooner."""


@dataclass(frozen=True)
class Made:
    """An example whose module stands in ``folder``; None when there is none to make (``Example.unfit``)."""

    example: Example
    known: Known | None
    folder: Path | None


def run_examples(machine: Machine, facts: Facts, examples: Sequence[Made], nonce: int) -> Iterator[ExampleResult]:
    """Run examples in turn on a machine that is up; nonces count up from the given one.

    Raises MachineError when the machine cannot be brought back after one.
    """
    for place, made in enumerate(examples):
        if made.folder is None:
            yield ExampleResult(made.example, made.known, untested(made.example.unfit))
        elif not facts.expendable:
            reason = "its threads may stay, and then the machine must be restarted; --allow-panic permits it"
            yield ExampleResult(made.example, made.known, untested(reason))
        else:
            yield _run_one(machine, facts, made, made.folder, nonce + place)


def _run_one(machine: Machine, facts: Facts, made: Made, folder: Path, nonce: int) -> ExampleResult:
    try:
        module = machine.build(folder)
    except BuildError as error:
        verdict = Verdict(Kind.INCONCLUSIVE, f"it does not compile here:\n{error.screen.strip() or error}")
        return ExampleResult(made.example, made.known, verdict)
    tunables = {"msgport.nonce": int32(nonce), "msgport.ms": MILLISECONDS}
    life = live(machine, module, made.known.variant if made.known else None, tunables, SILENCE, stays=True)
    verdict = _judged(made.known, life, facts) if made.known else _unjudged(made.example, life)
    return ExampleResult(made.example, made.known, verdict, _printed(made.example, life), life.text)


def _judged(known: Known, life: Life, facts: Facts) -> Verdict:
    models, reason = fitted(consult(known.variant), facts)
    if reason:
        return untested(reason)
    observed = Execution(known.variant, [life]).observed()
    restless = _restless(life)
    if restless:
        observed = replace(observed, problems=(restless, *observed.problems))
    return models.judge(observed, "both", require_seen=False)


def _unjudged(example: Example, life: Life) -> Verdict:
    """What can be said of an example that no scenario knows: that it ran, or how it went wrong."""
    load = life.load
    problem = life.detail or _restless(life)
    if life.ended is EventKind.PANICKED:
        panics = (*(each.panic for each in life.transcript.loads), *life.transcript.panics)
        problem = f"the machine panicked: {next((each.text for each in panics if each), 'its words are lost')}"
    elif not problem and load is None and not example.registers:
        problem = "none of its records came through"
    elif not problem and load is not None and load.problems:
        problem = "; ".join(load.problems)
    elif not problem and load is not None and load.ended == "deadlock":
        problem = f"{example.entry}() never returned: it sleeps, and nothing is left that could wake it"
    if problem:
        return Verdict(Kind.INCONCLUSIVE, problem)
    return untested("no scenario knows this example, so that nothing tells whether what it printed is right")


def _restless(life: Life) -> str:
    if life.load is not None and life.load.ended == "time":
        return f"its threads had not come to rest after {MILLISECONDS // 1000} s"
    return ""


def _printed(example: Example, life: Life) -> tuple[str, ...]:
    """The lines that the example printed: from its records, or all there was of one that registers itself."""
    console = "".join(segment.console for segment in lives(life.text))
    rows = [row.rstrip("\r") for row in console.splitlines()]
    if example.registers:
        return tuple(rows)
    said = [each.line for each in life.load.said] if life.load else []
    # A record has no room for a long line; the console had.
    return tuple(line if line in rows else next((row for row in rows if row.startswith(line)), line) for line in said)
