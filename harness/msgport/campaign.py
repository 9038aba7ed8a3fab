"""One run: variants on a machine, or on several side by side, each judged and its results on disk once it is over.

Modules are generated and compiled in the background while others run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Literal

from msgport.check.eras import inexpressible, substituted
from msgport.check.models import Models, noting_odds, with_spin_builtin
from msgport.check.verdict import Kind, Verdict, untested
from msgport.deal import Deal
from msgport.execution import LOADS, Limits, execute
from msgport.kmod.module import Module, generate
from msgport.manual.api import Era
from msgport.report.data import VariantResult, run_data
from msgport.report.results import ResultsError, ResultsFolder
from msgport.scenario.outcome import ANY, ANYTHING
from msgport.scenario.source import ScenarioError
from msgport_vm.machine import BuildError, Facts, Machine, MachineError

WRITE_EVERY = 1.0
"""Seconds between two writings of results.json, all of which is written anew each time, while a run goes on."""

BUILDERS = {"userland": 2}
"""Modules that are compiled at a time, one on other targets: there a variant is over before the next module is made."""


@dataclass(frozen=True)
class Order:
    """What a run is asked to do. ``nonce`` is the first of those that tell its loads apart."""

    limits: Limits
    seed: int
    nonce: int
    by: Literal["both", "manual"] = "both"
    require_seen: bool = False


def run(
    machine: Machine,
    facts: Facts,
    variants: Sequence[Models],
    order: Order,
    results: ResultsFolder,
    clones: Sequence[Machine] = (),
    note: Callable[[str], None] = lambda _: None,
) -> Generator[VariantResult, None, None]:
    """Run variants on a machine that is up, and on clones of it that are not yet; yield each result as it is there.

    Results come in the variants' order from one machine, as they are ready from several; results.json keeps the order.
    However it ends, results.json holds what was judged until then and says whether that is all. A clone, or the first
    of several machines, that fails for good leaves the rest to the others, and ``note`` is told. Raises MachineError
    when no machine is left, ResultsError when something cannot be written.
    """
    work = _Work(facts, [fitted(models, facts) for models in variants], order, results)
    done: dict[int, VariantResult] = {}
    stamp = {
        **asdict(facts),
        "extra": dict(facts.extra),
        "machines": 1 + len(clones),
        "judge": order.by,
        "seed": order.seed,
        "nonce": f"{order.nonce:08x}",
        "seconds": order.limits.seconds,
        "iterations": order.limits.executions,
        "enough": order.limits.enough,
    }

    def write(ended: str) -> None:
        in_order = [result for _, result in sorted(done.items())]
        results.write(run_data(stamp, in_order, complete=ended == "done", ended=ended))

    ended = "machine-failure"
    coming = _side_by_side([machine, *clones], work, note) if clones else _alone(machine, work)
    try:
        written = -math.inf
        for place, result in coming:
            done[place] = result
            if time.monotonic() >= written + WRITE_EVERY:
                write("running")
                written = time.monotonic()
            yield result
        ended = "done"
    except (KeyboardInterrupt, GeneratorExit):
        ended = "interrupted"
        raise
    except ResultsError:
        ended = "results-failure"
        raise
    finally:
        # Here, not when it is collected: nothing may use a machine after this.
        coming.close()
        write(ended)


@dataclass(frozen=True)
class _Work:
    """All that there is to do. ``fits`` holds each variant's models, and why it cannot be run (empty: it can)."""

    facts: Facts
    fits: Sequence[tuple[Models, str]]
    order: Order
    results: ResultsFolder

    def nonce(self, place: int) -> int:
        """The first of the nonces that belong to a variant's loads."""
        return self.order.nonce + LOADS * place

    def build(self, machine: Machine, place: int) -> tuple[Path, Path]:
        """Generate and compile a variant's module; give its source and its loadable file."""
        models, _ = self.fits[place]
        # Where a module can always be got rid of, its text is the same in each run, so that it is compiled once only.
        nonce = 0 if self.facts.expendable else self.nonce(place)
        module = module_of(models, self.order.limits, nonce, self.order.seed, Era(self.facts.era))
        name = models.variant.name
        source = self.results.write_file(name, f"{module.name}.c", module.source)
        self.results.write_file(name, "Makefile", module.makefile)
        return self.results.path / source, machine.build(self.results.folder_of(name))


class _Lane:
    """One machine at work; modules of its variants are compiled in the background while others run."""

    def __init__(self, machine: Machine, work: _Work, places: Iterable[int]) -> None:
        """Begin to compile the modules for ``places``."""
        self._machine = machine
        self._work = work
        self._background = ThreadPoolExecutor(max_workers=BUILDERS.get(work.facts.target, 1))
        self._builds = {place: self._begin(place) for place in places if not work.fits[place][1]}

    def _begin(self, place: int) -> Future[tuple[Path, Path]]:
        return self._background.submit(self._work.build, self._machine, place)

    def __enter__(self) -> _Lane:
        """Nothing to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Compile no more."""
        self._background.shutdown(cancel_futures=True)

    def run(self, place: int, beat: Callable[[], None] = lambda: None) -> VariantResult:
        """Run a variant and judge it. Raises MachineError when the machine is lost for good."""
        work, (models, reason) = self._work, self._work.fits[place]
        variant = models.variant
        if reason:
            return VariantResult(variant, untested(reason))
        build = self._builds.pop(place, None) or self._begin(place)
        try:
            source, module = build.result()
        except BuildError as error:
            return VariantResult(variant, Verdict(Kind.INCONCLUSIVE, f"{error}\n{error.screen}".strip()))
        start = time.monotonic()
        said: list[str] = []

        def hear(text: str) -> None:
            said.append(text)
            beat()

        try:
            execution = execute(
                self._machine, module, models, work.order.limits, work.nonce(place), work.order.seed, hear
            )
        finally:
            # Of a load that is broken off too: its last words may tell why somebody broke it off.
            transcript = work.results.write_file(variant.name, "transcript.txt", "".join(said))
        seconds = time.monotonic() - start
        loads = [life.load for life in execution.lives if life.load]
        observed = noting_odds(execution.observed(), models, loads)
        verdict = models.judge(observed, work.order.by, require_seen=work.order.require_seen)
        if execution.last_done:
            verdict = replace(verdict, detail="\n".join((verdict.detail, *execution.last_done)))
        path = str(source.relative_to(work.results.path))
        return VariantResult(variant, verdict, seconds, transcript, path, substituted(variant, Era(work.facts.era)))


def _alone(machine: Machine, work: _Work) -> Generator[tuple[int, VariantResult], None, None]:
    """Run all variants on one machine, in order."""
    places = range(len(work.fits))
    with _Lane(machine, work, places) as lane:
        for place in places:
            yield place, lane.run(place)


class _StoppedError(Exception):
    """The run is over; no machine goes on."""


@dataclass(frozen=True)
class _End:
    """A machine takes no more, with the error that ended it, if one did, and the variant that it had in hand then."""

    machine: int
    error: Exception | None = None
    place: int | None = None


def _side_by_side(
    machines: Sequence[Machine], work: _Work, note: Callable[[str], None]
) -> Generator[tuple[int, VariantResult], None, None]:
    """Run all variants on several machines, the first of which is up."""
    deal = Deal(len(work.fits), len(machines))
    said: SimpleQueue[tuple[int, VariantResult] | _End] = SimpleQueue()
    threads = [Thread(target=_go, args=(*each, work, deal, said)) for each in enumerate(machines)]
    failure: MachineError | None = None
    try:
        for thread in threads:
            thread.start()
        running = len(threads)
        while running:
            message = said.get()
            if not isinstance(message, _End):
                yield message
                continue
            running -= 1
            if isinstance(message.error, MachineError):
                failure = message.error
                lost = f"machine {message.machine + 1} of {len(machines)} failed for good: {failure}"
                note(lost)
                if message.place is not None:
                    variant = work.fits[message.place][0].variant
                    screen = f"\n{failure.screen}" if failure.screen else ""
                    yield message.place, VariantResult(variant, Verdict(Kind.INCONCLUSIVE, lost + screen))
            elif message.error is not None:
                raise message.error
        if failure is not None and deal.left:
            raise failure
    finally:
        deal.stop()
        for thread in threads:
            thread.join()


def _go(
    number: int, machine: Machine, work: _Work, deal: Deal, say: SimpleQueue[tuple[int, VariantResult] | _End]
) -> None:
    """What the thread of one machine does."""

    def beat() -> None:
        if deal.stopped:
            raise _StoppedError

    place: int | None = None
    try:
        if number > 0:
            machine.boot()
        with _Lane(machine, work, deal.share(number)) as lane:
            while (place := deal.take(number)) is not None:
                say.put((place, lane.run(place, beat)))
        say.put(_End(number))
    except _StoppedError:
        say.put(_End(number))
    except Exception as error:
        # Raised again where the results are waited for.
        say.put(_End(number, error, place))


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
    if models.trip_assertions and not facts.invariants:
        known = "unknown" if facts.invariants is None else "off"
        return f"trips an assertion, which needs INVARIANTS: {known} in this kernel"
    return ""


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
        enough=limits.enough if _countable(models) else 0,
        era=era,
    )


def _countable(models: Models) -> bool:
    """Tell whether a module can know that it has seen all that is allowed: it lives to count it, no value is open."""
    return all(outcome.kind == "done" and ANY not in outcome.values for outcome in models.kernel.outcomes)
