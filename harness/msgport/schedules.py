"""Controlled schedules: variants whose every step is chosen. See docs/schedules.md."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from msgport.check.models import Models
from msgport.check.observed import Observation, Observed
from msgport.check.verdict import Kind, Verdict
from msgport.kmod.module import generate_controlled
from msgport.kmod.rows import Layout
from msgport.manual.panics import classify
from msgport.plan import Mode, Plan, ScheduleError
from msgport.report.data import Schedules, VariantResult, run_data
from msgport.report.results import ResultsError, ResultsFolder
from msgport.scenario.canonical import written
from msgport.scenario.outcome import Outcome
from msgport.scenario.program import Variant
from msgport_vm.controlled import ControlledMachine, Explored, Found, Segment
from msgport_vm.machine import BuildError, Facts, MachineError

Judge = Literal["both", "manual"]


def run(
    machine: ControlledMachine,
    facts: Facts,
    variants: Sequence[Models],
    plan: Plan,
    results: ResultsFolder,
    by: Judge = "both",
    *,
    require_seen: bool = False,
) -> Generator[VariantResult, None, None]:
    """Run variants in turn on a machine that is up; yield each one's result when it is on disk.

    However it ends, results.json holds what was judged until then and says whether that is all. Raises ResultsError
    when something cannot be written.
    """
    done: list[VariantResult] = []
    stamp = {
        **asdict(facts),
        "extra": dict(facts.extra),
        "judge": by,
        "seed": plan.seed,
        "iterations": 1 if plan.mode is Mode.REPLAY else plan.limit,
        "schedule": str(plan.mode),
        "grain": str(plan.grain),
    }
    ended = "machine-failure"
    with ThreadPoolExecutor(max_workers=1) as background:
        try:
            builds = [background.submit(build, machine, models.variant) for models in variants]
            for models, module in zip(variants, builds, strict=True):
                result = run_schedules(machine, models, plan, by, require_seen=require_seen, module=module)
                done.append(result)
                results.write(run_data(stamp, done, complete=False, ended="running"))
                yield result
            ended = "done"
        except (KeyboardInterrupt, GeneratorExit):
            ended = "interrupted"
            raise
        except ResultsError:
            ended = "results-failure"
            raise
        finally:
            background.shutdown(cancel_futures=True)
            results.write(run_data(stamp, done, complete=ended == "done", ended=ended))


def run_schedules(
    machine: ControlledMachine,
    models: Models,
    plan: Plan,
    by: Judge = "both",
    *,
    require_seen: bool = False,
    module: Future[Path] | None = None,
) -> VariantResult:
    """Run one variant as the plan says, until something forbidden is seen, and judge it.

    ``module`` is its module, if that is being compiled already. A machine that dies or hangs makes the variant
    inconclusive, and is started again for the next one. Raises ScheduleError for a schedule that is not the variant's.
    """
    start = time.monotonic()
    variant = models.variant
    command = command_of(variant, plan)
    try:
        machine.load(module.result() if module else build(machine, variant))
        for explored in _explored(machine, plan, command):
            verdict = models.judge(_observed(variant, explored), by, require_seen=require_seen)
            if verdict.kind is Kind.VIOLATES:
                break
        schedules = _schedules(machine, variant, plan, explored, [row.outcome for row in verdict.rows if row.forbidden])
    except BuildError as error:
        verdict, schedules = Verdict(Kind.INCONCLUSIVE, f"{error}\n{error.screen}".strip()), None
    except MachineError as error:
        verdict, schedules = Verdict(Kind.INCONCLUSIVE, str(error)), None
    return VariantResult(variant, verdict, time.monotonic() - start, schedules=schedules)


def build(machine: ControlledMachine, variant: Variant) -> Path:
    """Generate and compile a variant's module, or find it compiled. Raises BuildError."""
    return machine.build(generate_controlled(variant).source)


def outcome_of(variant: Variant, found: Found) -> Outcome:
    """The outcome that an execution came to. ``panic trap`` and ``endless`` are endings that no model allows."""
    if found.ending in ("done", "deadlock"):
        return Layout(variant).outcome(found.row)
    if found.process.startswith("c"):
        step = "ipi"
    else:
        step = f"{variant.threads[int(found.process[1:])].name}.{found.statement}"
    how = {"panic": f"panic {classify(found.text)}", "trap": "panic trap"}.get(found.ending, found.ending)
    return Outcome(f"{how}@{step}")


def command_of(variant: Variant, plan: Plan) -> str:
    """The plan as the machine takes it. Raises ScheduleError for a schedule that is not the variant's."""
    match plan.mode:
        case Mode.EXHAUSTIVE:
            return f"{plan.mode} {plan.grain}"
        case Mode.RANDOM:
            return f"{plan.mode} {plan.grain} {plan.seed}"
        case Mode.PCT:
            return f"{plan.mode} {plan.grain} {plan.seed} {plan.depth}"
        case Mode.REPLAY:
            return _told(variant, plan.schedule)


def _explored(machine: ControlledMachine, plan: Plan, command: str) -> Iterable[Explored]:
    if plan.mode is not Mode.REPLAY:
        return machine.explore(command, plan.limit)
    found, _ = machine.replay(plan.grain, command)
    if found.ending == "astray":
        place = int(found.text)
        word = plan.schedule.split()[place]
        raise ScheduleError(f"the schedule cannot be followed: {word!r}, its word {place + 1}, cannot go on there")
    return [Explored((found,), 1, 0, len(found.schedule), False)]


def _observed(variant: Variant, explored: Explored) -> Observed:
    observations = tuple(
        Observation(outcome_of(variant, each), each.count, True, each.first, 0) for each in explored.found
    )
    return Observed(observations, explored.executions, {}, ())


def _schedules(
    machine: ControlledMachine, variant: Variant, plan: Plan, explored: Explored, forbidden: Sequence[Outcome]
) -> Schedules:
    first: dict[Outcome, str] = {}
    steps: dict[Outcome, tuple[str, ...]] = {}
    for found in explored.found:
        outcome = outcome_of(variant, found)
        if outcome in first:
            continue
        first[outcome] = _shown(variant, found.schedule)
        if outcome in forbidden or plan.mode is Mode.REPLAY:
            again, segments = machine.replay(plan.grain, " ".join(found.schedule))
            if outcome_of(variant, again) != outcome:
                raise MachineError(f"the same schedule came to {outcome} and then to {outcome_of(variant, again)}")
            steps[outcome] = tuple(_step(variant, segment) for segment in segments)
    return Schedules(
        mode=plan.mode,
        grain=plan.grain,
        seed=plan.seed if plan.mode in (Mode.RANDOM, Mode.PCT) else None,
        depth=plan.depth if plan.mode is Mode.PCT else None,
        executions=explored.executions,
        abandoned=explored.abandoned,
        complete=explored.complete,
        first=first,
        steps=steps,
    )


# Schedules as people read them: T0*3 0>1 T1, where the machine has t0*3 c0>1 t1.


def _shown(variant: Variant, schedule: Sequence[str]) -> str:
    """Write a schedule: each word a thread, or the IPIs from one CPU to another, and how many segments it goes on."""
    return " ".join(
        word[1:] if word[0] == "c" else re.sub(r"^t(\d+)", lambda m: variant.threads[int(m[1])].name, word)
        for word in schedule
    )


def _told(variant: Variant, text: str) -> str:
    """A schedule in the machine's words. Raises ScheduleError."""
    words = {thread.name: f"t{number}" for number, thread in enumerate(variant.threads)}
    words |= {f"{i}>{j}": f"c{i}>{j}" for i in range(variant.cpus) for j in range(variant.cpus) if i != j}
    told: list[str] = []
    for word in text.split():
        who, _, times = word.partition("*")
        if who not in words or not (times.isdecimal() and int(times) if "*" in word else True):
            raise ScheduleError(
                f"{word!r} in the schedule: {variant.name} has {', '.join(words)}, each with *N for N segments"
            )
        told.append(words[who] + word[len(who) :])
    return " ".join(told)


def _step(variant: Variant, segment: Segment) -> str:
    """A segment for people: what its thread was at when it went on."""
    if segment.process.startswith("c"):
        return f"IPI {segment.process[1:]}" + (f" ... in {segment.where}" if segment.where else "")
    thread = variant.threads[int(segment.process[1:])]
    line = f"{thread.name}.{segment.statement} {written(thread.body[segment.statement - 1])}"
    return line + (f" ... in {segment.where}" if segment.where else "")
