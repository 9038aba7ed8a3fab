"""The message ports as they are: clean on a variant before any fault is tried on it, or a kill would prove nothing.

What is built and observed here serves every fault: the modules are loaded on faulty machines, the observations judged
by faulty models.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from msgport.campaign import module_of, unfit
from msgport.check.models import Models
from msgport.check.observed import Observed
from msgport.check.verdict import Kind, Verdict
from msgport.execution import LOADS, Limits, execute
from msgport.kmod.module import write
from msgport.manual.api import Era
from msgport.report.results import safe_name
from msgport_vm.machine import Facts, MachineError
from msgport_vm.userland import UserlandMachine

CPUS = 4


@dataclass(frozen=True)
class Order:
    """How long each variant is run and with which seed. ``folder`` holds whatever is built."""

    limits: Limits
    seed: int
    folder: Path

    def machine(self, sources: Path | None = None) -> UserlandMachine:
        """A machine of these sources; the caller enters and boots it. What a fault leaves alone is compiled once."""
        return UserlandMachine(CPUS, sources=sources, cache=self.folder / "cache")


@dataclass(frozen=True)
class Proven:
    """A variant that the unchanged machine conforms to: its module (``source``, ``loadable``), what was observed."""

    models: Models
    nonce: int
    source: Path
    loadable: Path
    observed: Observed
    verdict: Verdict

    @property
    def name(self) -> str:
        """The variant's."""
        return self.models.variant.name


class UncleanError(Exception):
    """The unchanged machine does not conform to a variant: no fault can be told from it. ``verdict`` is the one."""

    def __init__(self, variant: str, verdict: Verdict) -> None:
        """Keep which variant it was."""
        super().__init__(f"the unchanged message ports, {variant}: {verdict.kind}: {verdict.detail}")
        self.verdict = verdict


class Unchanged:
    """The catalogue and unchanged machines to prove its variants on, each when it is first asked for.

    Used as a context manager, from any number of threads; each that asks for what nobody has proven yet does it, on a
    machine that is free or a new one.
    """

    def __init__(self, catalogue: Sequence[Models], order: Order, tell: Callable[[Proven], None]) -> None:
        """Keep what there is to prove; ``tell`` is told of each variant proven, in the thread that did it."""
        self.catalogue = catalogue
        self._order = order
        self._tell = tell
        self._nonces = {models.variant.name: LOADS * place for place, models in enumerate(catalogue, 1)}
        self._lock = threading.Lock()
        self._proofs: dict[str, Future[Proven]] = {}
        self._machines: list[UserlandMachine] = []
        self._free: list[tuple[UserlandMachine, Facts]] = []

    def __enter__(self) -> Unchanged:
        """Nothing to do: machines boot when they are needed."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the machines."""
        for machine in self._machines:
            machine.close()

    def proven(self, models: Models) -> Proven:
        """Prove a variant, or give what was proven of it before.

        Raises UncleanError when the machine does not conform to it, or fails.
        """
        with self._lock:
            mine = models.variant.name not in self._proofs
            proof = self._proofs.setdefault(models.variant.name, Future())
        if mine:
            try:
                proof.set_result(self._prove(models))
            except MachineError as error:
                reason = f"the machine failed: {error}\n{error.screen}".strip()
                unclean = UncleanError(models.variant.name, Verdict(Kind.INCONCLUSIVE, reason))
                proof.set_exception(unclean)
                raise unclean from error
            except BaseException as error:
                proof.set_exception(error)
                raise
            self._tell(proof.result())
        return proof.result()

    def _prove(self, models: Models) -> Proven:
        variant, order, nonce = models.variant, self._order, self._nonces[models.variant.name]
        machine, facts = self._take()
        if reason := unfit(models, facts):
            raise UncleanError(variant.name, Verdict(Kind.UNTESTED, reason))
        source = order.folder / "modules" / safe_name(variant.name)
        write(module_of(models, order.limits, nonce, order.seed, Era(facts.era)), source)
        loadable = machine.build(source)
        observed = execute(machine, loadable, models, order.limits, nonce, order.seed).observed()
        verdict = models.judge(observed, "both", require_seen=False)
        if verdict.kind not in (Kind.CONFORMS, Kind.DEVIATES):
            raise UncleanError(variant.name, verdict)
        with self._lock:
            self._free.append((machine, facts))
        return Proven(models, nonce, source, loadable, observed, verdict)

    def _take(self) -> tuple[UserlandMachine, Facts]:
        with self._lock:
            if self._free:
                return self._free.pop()
            machine = self._order.machine()
            self._machines.append(machine)
        return machine, machine.boot()
