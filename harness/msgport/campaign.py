"""One run: which variants on which machine, each judged and its results on disk as soon as it is over.

Modules are generated and compiled in the background while others run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from msgport.check.eras import inexpressible, substituted
from msgport.check.models import Models, with_spin_builtin
from msgport.check.verdict import Kind, Verdict, untested
from msgport.execution import LOADS, Limits, execute
from msgport.kmod.module import Module, generate
from msgport.manual.api import Era
from msgport.manual.panics import ASSERTIONS
from msgport.report.data import VariantResult, run_data
from msgport.report.results import ResultsFolder
from msgport.scenario.outcome import ANYTHING
from msgport.scenario.source import ScenarioError
from msgport_vm.machine import BuildError, Facts, Machine


@dataclass(frozen=True)
class Order:
    """What a run is asked to do. ``nonce`` is the first of those that tell its loads apart."""

    limits: Limits
    seed: int
    nonce: int
    by: Literal["both", "manual"] = "both"
    require_seen: bool = False


def run(
    machine: Machine, facts: Facts, variants: Sequence[Models], order: Order, results: ResultsFolder
) -> Iterator[VariantResult]:
    """Run variants in turn on a machine that is up; yield each one's result when it is on disk.

    However it ends, results.json holds what was judged until then and says whether that is all. Raises MachineError
    when the machine cannot be brought back, ResultsError when something cannot be written.
    """
    fits = [fitted(models, facts) for models in variants]
    done: list[VariantResult] = []
    stamp = {
        **asdict(facts),
        "extra": dict(facts.extra),
        "judge": order.by,
        "seed": order.seed,
        "nonce": f"{order.nonce:08x}",
        "seconds": order.limits.seconds,
        "iterations": order.limits.executions,
    }
    ended = "machine-failure"
    with ThreadPoolExecutor(max_workers=1) as background:
        try:
            builds = [
                reason or background.submit(_build, machine, facts, models, order, order.nonce + LOADS * place, results)
                for place, (models, reason) in enumerate(fits)
            ]
            for place, ((models, _), build) in enumerate(zip(fits, builds, strict=True)):
                judged = _run_one(machine, models, order, order.nonce + LOADS * place, build, results)
                if judged.verdict.kind is not Kind.UNTESTED:
                    judged = replace(judged, substituted=substituted(models.variant, Era(facts.era)))
                done.append(judged)
                results.write(run_data(stamp, done, complete=False, ended="running"))
                yield done[-1]
            ended = "done"
        except (KeyboardInterrupt, GeneratorExit):
            ended = "interrupted"
            raise
        finally:
            background.shutdown(cancel_futures=True)
            results.write(run_data(stamp, done, complete=ended == "done", ended=ended))


def fitted(models: Models, facts: Facts) -> tuple[Models, str]:
    """What the models say of a variant on this machine's kernel, and why it cannot be run there (see ``unfit``)."""
    if facts.spin_builtin:
        try:
            models = with_spin_builtin(models)
        except ScenarioError as error:
            return models, f"means nothing where threads' built-in ports are spin ports: {error.message}"
    return models, unfit(models, facts)


def unfit(models: Models, facts: Facts) -> str:
    """Say why a variant cannot be run on a machine; empty when it can."""
    if foreign := inexpressible(models.variant, Era(facts.era)):
        return foreign
    if models.variant.cpus > facts.cpus:
        return f"needs {models.variant.cpus} CPUs, the machine has {facts.cpus}"
    endings = {outcome.kind for outcome in models.kernel.outcomes}
    if not facts.expendable and endings & {"panic", "deadlock", "*"}:
        return "may bring the machine down; --allow-panic permits it"
    panics = {outcome.ending.removeprefix("panic ").partition("@")[0] for outcome in models.kernel.outcomes}
    if panics & ASSERTIONS and not facts.invariants:
        known = "unknown" if facts.invariants is None else "off"
        return f"trips an assertion, which needs INVARIANTS: {known} in this kernel"
    return ""


def _run_one(
    machine: Machine,
    models: Models,
    order: Order,
    nonce: int,
    build: Future[tuple[Path, Path]] | str,
    results: ResultsFolder,
) -> VariantResult:
    """Run a variant; ``build`` is its module under way, or the reason why it is not to be run."""
    variant = models.variant
    if isinstance(build, str):
        return VariantResult(variant, untested(build))
    try:
        source, module = build.result()
    except BuildError as error:
        return VariantResult(variant, Verdict(Kind.INCONCLUSIVE, f"{error}\n{error.screen}".strip()))
    start = time.monotonic()
    execution = execute(machine, module, models, order.limits, nonce, order.seed)
    seconds = time.monotonic() - start
    transcript = results.write_file(variant.name, "transcript.txt", execution.text)
    observed = execution.observed()
    loads = [life.load for life in execution.lives if life.load]
    if any(load.spin_builtin != models.semantics.spin_builtin for load in loads if load.environment):
        problem = "the module found the threads' built-in ports to be of another kind than the machine was booted with"
        observed = replace(observed, problems=(*observed.problems, problem))
    verdict = models.judge(observed, order.by, require_seen=order.require_seen)
    return VariantResult(variant, verdict, seconds, transcript, str(source.relative_to(results.path)))


def module_of(models: Models, limits: Limits, nonce: int, seed: int, era: Era) -> Module:
    """Generate a variant's module. It stops at the first outcome outside those that the kernel model allows."""
    # After a panic a module tells nothing more, so those are not for it to know.
    allowed = [outcome for outcome in models.kernel.outcomes if outcome.kind != "panic"]
    return generate(
        models.variant,
        None if ANYTHING in allowed else allowed,
        nonce=nonce,
        seed=seed,
        iterations=limits.executions,
        milliseconds=round(limits.seconds * 1000),
        era=era,
    )


def _build(
    machine: Machine, facts: Facts, models: Models, order: Order, nonce: int, results: ResultsFolder
) -> tuple[Path, Path]:
    """Generate and compile a variant's module; give its source and its loadable file."""
    module = module_of(models, order.limits, nonce, order.seed, Era(facts.era))
    name = models.variant.name
    source = results.write_file(name, f"{module.name}.c", module.source)
    results.write_file(name, "Makefile", module.makefile)
    return results.path / source, machine.build(results.folder_of(name))
