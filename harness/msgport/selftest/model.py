"""A fault of the model: a process of its own imports the altered model and judges what the right machine did."""

from __future__ import annotations

import json
import pickle
import select
import subprocess
import sys
from collections.abc import Callable
from typing import IO, Any

from msgport.check.models import Models
from msgport.selftest.faults import Fault, FaultError, altered_files
from msgport.selftest.trial import Finding, Sign
from msgport.selftest.unchanged import Proven

PATIENCE = 60.0
"""Seconds after which an altered model counts as one that finds no end."""


class FaultyModel:
    """The models with one fault: see ``trial.Suspect``."""

    def __init__(self, fault: Fault) -> None:
        """Keep what is to be made."""
        self._fault = fault
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> FaultyModel:
        """Start the process that imports them."""
        modules = {_module(file): text for file, text in altered_files(self._fault).items()}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "msgport.selftest.altered"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._tell((self._fault.effect, modules))
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def show(self, models: Models, proven: Callable[[Models], Proven]) -> Finding:
        """Ask it about a variant: what it thinks of the scenario or, when it narrows, of what the machine did."""
        observed = proven(models).observed if self._fault.effect == "narrowing" else None
        self._tell((models.variant, observed))
        answer = self._answer()
        return Finding(models.variant.name, Sign(answer["sign"]), answer["executions"], answer["detail"])

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        process = self._process
        assert process and process.stdin and process.stdout and process.stderr
        return process.stdin, process.stdout, process.stderr

    def _tell(self, what: object) -> None:
        try:
            stdin, _, _ = self._pipes()
            stdin.write(pickle.dumps(what))
            stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None

    def _answer(self) -> dict[str, Any]:
        _, stdout, _ = self._pipes()
        if not select.select([stdout], [], [], PATIENCE)[0]:
            raise FaultError(f"fault {self._fault.name}: the altered model came to no end in {PATIENCE:g} s")
        line = stdout.readline()
        if not line:
            raise self._failed()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failed(self) -> FaultError:
        """The altered model failed by itself, which is no kill."""
        _, _, stderr = self._pipes()
        said = stderr.read().decode("utf-8", "replace")
        return FaultError(f"fault {self._fault.name}: the altered model fails:\n{said}")


def _module(file: str) -> str:
    return f"msgport.{file.removesuffix('.py').replace('/', '.')}"
