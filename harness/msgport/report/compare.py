"""Two runs side by side: what the second did otherwise than the first, out of their ``results.json``.

A variant is compared where both runs judged the same program, by its content hash. An outcome that only one of them
showed may be chance. How likely that is tells Fisher's exact test: that all k executions which showed it are among the
n of this run, and none among the m of the other. Below ``CHANCE`` the difference is called real.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgport.check.verdict import Kind
from msgport.counted import counted
from msgport.report.runs import Run, words

SCHEMA = "msgport-compare-1"

CHANCE = 0.001
"""So unlikely has it to be that an outcome is missing by chance. A run makes a few hundred such comparisons."""

OUTSIDE = ("nonce", "python", "start", "boot")
"""What of a run's environment says nothing of the machine."""


@dataclass(frozen=True)
class Difference:
    """One variant's verdicts, and the outcomes that only one run showed: in its words, with its count.

    ``real`` are those of them whose absence from the other run is no chance.
    """

    variant: str
    old: str
    new: str
    executions: tuple[int, int]
    only_old: dict[str, int]
    only_new: dict[str, int]
    real: frozenset[str]

    @property
    def worse(self) -> str:
        """The new verdict where it is ``violates`` or ``inconclusive`` and the old one was not; else empty."""
        return self.new if self.new != self.old and self.new in (Kind.VIOLATES, Kind.INCONCLUSIVE) else ""


@dataclass(frozen=True)
class Comparison:
    """``environment``: what differs between the machines. ``uncompared``: variants by why they are not compared.

    ``broken_off`` says of the new run how it ended before its time; it is empty when it did not.
    """

    environment: dict[str, tuple[Any, Any]]
    differences: tuple[Difference, ...]
    same: int
    uncompared: dict[str, tuple[str, ...]]
    broken_off: str = ""

    @property
    def exit_status(self) -> int:
        """1 when a variant violates that did not; 3 when one is newly inconclusive or not all was compared; else 0."""
        worse = {difference.worse for difference in self.differences}
        if Kind.VIOLATES in worse:
            return 1
        compared = self.same + len(self.differences)
        return 3 if Kind.INCONCLUSIVE in worse or not compared or self.broken_off else 0


def compare(old: Run, new: Run) -> Comparison:
    """Hold the second run against the first."""
    before = {variant["name"]: variant for variant in old.data["variants"]}
    after = {variant["name"]: variant for variant in new.data["variants"]}
    uncompared: dict[str, list[str]] = {}
    differences: list[Difference] = []
    same = 0
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if why := _why_not(one, other):
            uncompared.setdefault(why, []).append(name)
            continue
        assert one is not None and other is not None
        difference = _difference(one, other)
        if difference.old == difference.new and not difference.only_old and not difference.only_new:
            same += 1
        else:
            differences.append(difference)
    was, now = _stamp(old), _stamp(new)
    pairs = {key: (was.get(key), now.get(key)) for key in dict.fromkeys((*was, *now))}
    return Comparison(
        {key: pair for key, pair in pairs.items() if key not in OUTSIDE and pair[0] != pair[1]},
        tuple(differences),
        same,
        {why: tuple(names) for why, names in uncompared.items()},
        "" if new.data["complete"] else new.data["ended"],
    )


def _stamp(run: Run) -> Mapping[str, Any]:
    """What the run's environment says, what only some targets tell included."""
    environment = run.data["environment"]
    return {**environment, **(environment.get("extra") or {}), "extra": None}


def _why_not(one: dict[str, Any] | None, other: dict[str, Any] | None) -> str:
    if one is None or other is None:
        return "only in the old run" if other is None else "only in the new run"
    if one["hash"] != other["hash"]:
        return "not the same program in both"
    untested = [when for when, each in (("old", one), ("new", other)) if each["verdict"] == Kind.UNTESTED]
    return f"untested in {'both' if len(untested) == 2 else 'the ' + untested[0] + ' run'}" if untested else ""


def _difference(one: dict[str, Any], other: dict[str, Any]) -> Difference:
    was, now = (Counts({words(o): o["count"] for o in each["outcomes"]}, each["executions"]) for each in (one, other))
    only_old, only_new = was.without(now), now.without(was)
    real = [text for text in only_old if was.unlikely(text, now)] + [
        text for text in only_new if now.unlikely(text, was)
    ]
    return Difference(
        one["name"],
        one["verdict"],
        other["verdict"],
        (was.executions, now.executions),
        only_old,
        only_new,
        frozenset(real),
    )


@dataclass(frozen=True)
class Counts:
    """How often each outcome came up in so many executions."""

    outcomes: dict[str, int]
    executions: int

    def without(self, others: Counts) -> dict[str, int]:
        """The outcomes that the others have not, the commonest first."""
        missing = {text: count for text, count in self.outcomes.items() if text not in others.outcomes}
        return dict(sorted(missing.items(), key=lambda each: -each[1]))

    def unlikely(self, outcome: str, others: Counts) -> bool:
        """Tell whether it is no chance that the others have not shown the outcome."""
        count, whole = self.outcomes[outcome], self.executions + others.executions
        own = math.lgamma(self.executions + 1) - math.lgamma(self.executions - count + 1)
        return own - (math.lgamma(whole + 1) - math.lgamma(whole - count + 1)) < math.log(CHANCE)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison for programs."""
    return {
        "schema": SCHEMA,
        "environment": {key: {"old": old, "new": new} for key, (old, new) in comparison.environment.items()},
        "same": comparison.same,
        "differences": [
            {
                "variant": each.variant,
                "verdict": {"old": each.old, "new": each.new},
                "executions": {"old": each.executions[0], "new": each.executions[1]},
                "only": {"old": each.only_old, "new": each.only_new},
                "real": sorted(each.real),
            }
            for each in comparison.differences
        ],
        "uncompared": {why: list(names) for why, names in comparison.uncompared.items()},
        "broken_off": comparison.broken_off,
    }


def as_text(comparison: Comparison) -> Iterator[str]:
    """Lines for a person: the machines, then verdicts that changed, then outcomes that only one run showed."""
    for key, (old, new) in comparison.environment.items():
        yield f"{key}: {old} -> {new}"
    if comparison.environment:
        yield ""
    changed = [each for each in comparison.differences if each.old != each.new]
    others = [each for each in comparison.differences if each.old == each.new]
    real = [each for each in others if each.real]
    for each in (*changed, *real):
        yield f"{each.variant}: {each.old if each.old == each.new else f'{each.old} -> {each.new}'}"
        for when, only, executions in (("old", each.only_old, 0), ("new", each.only_new, 1)):
            for text, count in only.items():
                chance = "" if text in each.real else ", which may be chance"
                yield f"    only in the {when} run: {text}  ({count:,} of {each.executions[executions]:,}{chance})"
    if changed or real:
        yield ""
    compared = comparison.same + len(comparison.differences)
    yield (
        f"{counted(compared, 'variant')} compared: "
        f"{len(changed)} of another verdict, {len(real)} more of other outcomes, "
        f"{len(others) - len(real)} whose rarer outcomes came up in one run only, {comparison.same} alike"
    )
    for why, names in comparison.uncompared.items():
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        yield f"{len(names)} {why}: {shown}"
    if comparison.broken_off:
        yield f"The new run broke off ({comparison.broken_off}): what it did not come to is not compared."
