"""A fault of atomicity: a copy of the userland machine with the fault in it, every step of which a scheduler chooses.

What two processors do between one access and the next a free run shows too seldom. See docs/schedules.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

from msgport.check.models import Models
from msgport.check.verdict import Kind
from msgport.plan import Plan
from msgport.schedules import run_schedules
from msgport.selftest.faults import Fault, altered_files, sources
from msgport.selftest.trial import Finding, Sign
from msgport.selftest.unchanged import Order, Proven, UncleanError
from msgport_vm.controlled import ControlledMachine


class ScheduledMachine:
    """A controlled machine with one fault: see ``trial.Suspect``."""

    def __init__(self, fault: Fault, plan: Plan, order: Order) -> None:
        """Keep what is to be made, and how its schedules are chosen."""
        self._fault = fault
        self._plan = plan
        self._copy = order.folder / "faults" / fault.name
        cache = order.folder / "cache"
        self._machine = ControlledMachine(sources=self._copy, cache=cache)
        self._unchanged = ControlledMachine(cache=cache)

    def __enter__(self) -> ScheduledMachine:
        """Copy the sources, change them, build and boot the machine."""
        shutil.copytree(sources(self._fault.kind), self._copy)
        for file, text in altered_files(self._fault).items():
            (self._copy / file).write_text(text, encoding="utf-8")
        self._machine.boot()
        return self

    def __exit__(self, *_: object) -> None:
        """End the machine, and the unchanged one if there was need of it."""
        self._machine.close()
        self._unchanged.close()

    def show(self, models: Models, _proven: Callable[[Models], Proven]) -> Finding:
        """Run a variant on it, as the plan says; a kill is held against the same run of the unchanged message ports.

        Raises UncleanError when that does not conform.
        """
        result = run_schedules(self._machine, models, self._plan)
        name, verdict = models.variant.name, result.verdict
        if verdict.kind is not Kind.VIOLATES:
            sign = Sign.INCONCLUSIVE if verdict.kind is Kind.INCONCLUSIVE else Sign.NONE
            return Finding(name, sign, verdict.executions, verdict.detail)
        assert result.schedules is not None
        worst = min((row for row in verdict.rows if row.forbidden), key=lambda row: row.first)
        detail = f"{worst.outcome}: {verdict.detail}\nschedule: {result.schedules.first[worst.outcome]}"
        return Finding(name, Sign.VIOLATES, worst.first + 1, detail, self._clean(models))

    def _clean(self, models: Models) -> int:
        """How many schedules of the same plan the unchanged message ports conform to."""
        verdict = run_schedules(self._unchanged, models, self._plan).verdict
        if verdict.kind not in (Kind.CONFORMS, Kind.DEVIATES):
            raise UncleanError(models.variant.name, verdict)
        return verdict.executions
