"""A fault of the implementation: a copy of the userland machine with the fault in it, judged by the catalogue."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from msgport.check.models import Models
from msgport.check.verdict import Kind, Verdict
from msgport.execution import execute
from msgport.selftest.faults import Fault, altered_files, sources
from msgport.selftest.trial import Finding, Sign
from msgport.selftest.unchanged import Order, Proven
from msgport_vm.machine import MachineError
from msgport_vm.userland import UserlandMachine


class FaultyMachine:
    """A userland machine with one fault: see ``trial.Suspect``."""

    def __init__(self, fault: Fault, order: Order) -> None:
        """Keep what is to be made."""
        self._fault = fault
        self._order = order
        self._copy = order.folder / "faults" / fault.name
        self._machine: UserlandMachine = order.machine(self._copy)
        # Half of the interface is inline: such a fault is in the modules.
        self._inline = any(file.startswith("include/") for file in fault.files)

    def __enter__(self) -> FaultyMachine:
        """Copy the sources, change them, build and boot the machine."""
        shutil.copytree(sources(self._fault.kind), self._copy)
        for file, text in altered_files(self._fault).items():
            (self._copy / file).write_text(text, encoding="utf-8")
        try:
            self._machine.boot()
        except BaseException:
            self._machine.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the machine."""
        self._machine.close()

    def show(self, models: Models, proven: Callable[[Models], Proven]) -> Finding:
        """Run a variant on it."""
        variant = proven(models)
        verdict = self._verdict(variant)
        if verdict.kind is Kind.VIOLATES:
            worst = next(row for row in verdict.rows if row.forbidden)
            return Finding(variant.name, Sign.VIOLATES, verdict.executions, f"{worst.outcome}: {verdict.detail}")
        sign = Sign.INCONCLUSIVE if verdict.kind is Kind.INCONCLUSIVE else Sign.NONE
        return Finding(variant.name, sign, verdict.executions, verdict.detail)

    def _verdict(self, variant: Proven) -> Verdict:
        module = self._module(variant)
        order = self._order
        try:
            execution = execute(self._machine, module, variant.models, order.limits, variant.nonce, order.seed)
        except MachineError as error:
            # It died while it unloaded the module, say.
            self._machine.restart()
            return Verdict(Kind.INCONCLUSIVE, str(error))
        return variant.models.judge(execution.observed(), "both", require_seen=False)

    def _module(self, variant: Proven) -> Path:
        if not self._inline:
            return variant.loadable
        source = self._copy / "modules" / variant.source.name
        shutil.copytree(variant.source, source, ignore=shutil.ignore_patterns("*.ko"))
        return self._machine.build(source)
