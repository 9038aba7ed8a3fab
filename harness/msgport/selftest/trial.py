"""What came of one fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self

from msgport.check.models import Models
from msgport.selftest.faults import Fault
from msgport.selftest.unchanged import Proven


class End(StrEnum):
    """How a trial ended. ``failed``: nothing can be said of the fault, because of us or of the machine."""

    KILLED = "killed"
    SURVIVED = "survived"
    FAILED = "failed"


class Sign(StrEnum):
    """What one variant says of a fault; the last two say nothing against it.

    ``violates``: what a machine did is outside what the model allows. ``expectation``: the model contradicts the
    scenario. ``undeclared``: the kernel model leaves the manual's without a named deviation. ``inconclusive``: the
    machine hung or died, which is never a kill.
    """

    VIOLATES = "violates"
    EXPECTATION = "expectation"
    UNDECLARED = "undeclared"
    INCONCLUSIVE = "inconclusive"
    NONE = "none"


KILLS = frozenset({Sign.VIOLATES, Sign.EXPECTATION, Sign.UNDECLARED})


@dataclass(frozen=True)
class Finding:
    """What one variant showed of a fault, in how many executions (none when it was seen before any).

    ``clean``: where each execution follows a chosen schedule, how many of the same choice the unchanged message ports
    conformed to.
    """

    variant: str
    sign: Sign
    executions: int = 0
    detail: str = ""
    clean: int = 0


class Suspect(Protocol):
    """A machine or a model with a fault in it, ready to be tried on variants. A context manager.

    Entering it raises FaultError when the fault cannot be made, MachineError when a machine does not build or come up.
    """

    def __enter__(self) -> Self:
        """Make it."""

    def __exit__(self, *_: object) -> None:
        """End it."""

    def show(self, models: Models, proven: Callable[[Models], Proven]) -> Finding:
        """Try it on a variant, ``proven`` clean where that is needed.

        Raises FaultError when it fails by itself, MachineError when its machine is lost, UncleanError when the
        unchanged machine does no better.
        """


@dataclass
class Trial:
    """One fault: the variants it was tried on, the finding that killed it, the seconds that this took.

    ``inconclusive`` are the findings that told nothing; ``error`` says why the trial failed.
    """

    fault: Fault
    kill: Finding | None = None
    variants: int = 0
    executions: int = 0
    inconclusive: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""

    def add(self, finding: Finding) -> None:
        """Count a variant."""
        self.variants += 1
        self.executions += finding.executions
        if finding.sign in KILLS:
            self.kill = finding
        elif finding.sign is Sign.INCONCLUSIVE:
            self.inconclusive.append(finding)

    @property
    def end(self) -> End:
        """How it ended."""
        if self.error:
            return End.FAILED
        return End.KILLED if self.kill else End.SURVIVED
