"""What both models say of a variant, once it is sure that the scenario itself is in order."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from msgport.check.expectations import undeclared, wrong_expectations
from msgport.check.observed import Observed
from msgport.check.verdict import Verdict, judge
from msgport.manual.panics import ASSERTIONS
from msgport.model.deviations import deviations_of
from msgport.model.explore import Exploration, explore
from msgport.model.semantics import KERNEL, MANUAL, SPIN_KERNEL, Semantics
from msgport.scenario.library import asked_for
from msgport.scenario.outcome import Outcome, matches
from msgport.scenario.program import Position, Variant
from msgport.scenario.source import ScenarioError
from msgport.transcript.load import Load


@dataclass(frozen=True)
class Models:
    """The explorations of one variant under both models; ``semantics`` is the kernel's."""

    variant: Variant
    manual: Exploration
    kernel: Exploration
    semantics: Semantics = KERNEL

    def deviations(self, outcome: Outcome) -> Sequence[str]:
        """Name the deviations behind a kernel's outcome that the manual does not permit."""
        return deviations_of(self.variant, outcome, self.semantics)

    @property
    def trip_assertions(self) -> bool:
        """Whether the kernel may panic with an assertion that only a kernel with INVARIANTS makes."""
        return not ASSERTIONS.isdisjoint(
            o.ending.removeprefix("panic ").partition("@")[0] for o in self.kernel.outcomes
        )

    def judge(self, observed: Observed, by: Literal["both", "manual"], *, require_seen: bool) -> Verdict:
        """Judge what was observed of the variant by what the models allow: see ``verdict.judge``."""
        return judge(
            self.variant,
            observed,
            self.manual.outcomes,
            self.kernel.outcomes,
            by,
            require_seen=require_seen,
            deviations=self.deviations,
        )


class TooManyStatesError(ScenarioError):
    """A variant has more executions than can be explored."""


class UndeclaredDeviationError(Exception):
    """The kernel model leaves the manual's without a named deviation: the models are at fault, not the scenario."""


def consult(variant: Variant) -> Models:
    """Explore a variant under both models and hold its expectations against them: ``explored``, then ``hold``."""
    models = explored(variant)
    hold(models)
    return models


def hold(models: Models) -> None:
    """Hold a variant's expectations against the models. Raises ScenarioError for one that a model contradicts."""
    variant = models.variant
    for wrong in wrong_expectations(variant, models.manual.outcomes, models.kernel.outcomes):
        raise ScenarioError(
            f"{variant.name}: this expectation is wrong: {wrong.reason}",
            Position(wrong.file, wrong.expectation.line, 1),
            f"`msgport explore --model {wrong.model} {shlex.quote(asked_for(variant))}` prints every outcome",
        )


def with_spin_builtin(models: Models) -> Models:
    """The same variant on a kernel booted with ``lwkt.use_spin_port=1``: its threads' built-in ports are spin ports.

    Expectations speak of thread ports there and bind no more. Raises ScenarioError where nothing can be judged then.
    """
    if not any(port.builtin for port in models.variant.ports):
        return models
    return explored(replace(models.variant, expectations=()), SPIN_KERNEL)


def explored(variant: Variant, semantics: Semantics = KERNEL) -> Models:
    """Explore a variant under both models, whatever is expected of it.

    Raises ScenarioError where nothing can be said of it: a message read by a thread that does not own it, memory that
    the kernel corrupts, more executions than can be explored. Raises UndeclaredDeviationError where we are at fault.
    """
    models = Models(variant, explore(variant, MANUAL), explore(variant, semantics), semantics)
    for exploration in (models.kernel, models.manual):
        for statement in exploration.unowned:
            raise ScenarioError(
                f"{variant.name}: some executions read a message here that this thread does not own",
                statement.position,
                "a thread owns a message that it took from a port or waited for; checkmsg may look at any",
            )
        if exploration is models.kernel and exploration.corruptions:
            raise ScenarioError(
                f"{variant.name}: in some executions the kernel itself corrupts memory here: nothing can be judged",
                exploration.corruptions[0],
                "a port is made anew only when nothing is queued on it, under way to it or asleep on it, and a message "
                "is put to one port at a time",
            )
        if not exploration.complete:
            raise TooManyStatesError(
                f"{variant.name}: more than {exploration.states} states, too many to know every outcome",
                variant.position,
                "make it smaller: fewer columns, statements or messages",
            )
    for outcome in undeclared(models.manual.outcomes, models.kernel.outcomes, models.deviations):
        raise UndeclaredDeviationError(
            f"{variant.name}: the kernel model allows what the manual does not, without a named deviation: {outcome}"
        )
    return models


def noting_odds(observed: Observed, models: Models, loads: Iterable[Load]) -> Observed:
    """Add to what was observed where the loads' modules are at odds with the models, each once."""
    return replace(observed, problems=tuple(dict.fromkeys((*observed.problems, *_at_odds(models, loads)))))


def _at_odds(models: Models, loads: Iterable[Load]) -> Iterator[str]:
    """Where a module and the models that it was made from say different things: then one of them is wrong."""
    for load in loads:
        if load.environment and load.spin_builtin != models.semantics.spin_builtin:
            yield "the module found the threads' built-in ports to be of another kind than the machine was booted with"
        for sighting in load.sightings:
            known = sighting.whole and not models.variant.says and sighting.number == load.frozen
            if known and any(matches(pattern, sighting.outcome) for pattern in models.kernel.outcomes):
                yield f"the module took for forbidden, and stopped at, what the kernel model allows: {sighting.outcome}"
