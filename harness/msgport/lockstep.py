"""Model and implementation step by step: a path of the model, followed by the userland machine under control.

For each outcome that a model allows, one execution of the model is taken and the machine is made to do the same:
thread by thread and IPI by IPI, as far as the model says and no further. It has to be able to, and the outcome has to
be the model's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from msgport.model.paths import DeliveryStep, Step, paths
from msgport.model.semantics import KERNEL, Semantics
from msgport.scenario.outcome import Outcome
from msgport.scenario.program import Variant
from msgport.schedules import build, outcome_of
from msgport_vm.controlled import ControlledMachine

_INSIDE = {
    "put": ("begin",),
    "_put_now": ("spin_lock",),
    "_reply_over": ("lwkt_send_ipiq",),
    "reply": ("lwkt_replymsg",),
    "waitmsg": ("lwkt_waitmsg",),
    # A handler has replied: lwkt_replymsg was entered, and is about to return.
    "_sent": ("lwkt_replymsg", "lwkt_replymsg"),
    "_forwarded": ("lwkt_replymsg", "lwkt_replymsg"),
    "_begun": ("lwkt_replymsg", "lwkt_replymsg"),
    "_done": ("lwkt_replymsg", "lwkt_replymsg"),
}
"""Where the implementation stands when the model is about to do something inside a call: the functions it enters."""

TO_THE_END = 4096
"""More segments than any execution has."""


@dataclass(frozen=True)
class Followed:
    """What came of following the model to an outcome; ``astray`` is the step that could not be made, if one could not.

    ``got`` is what the machine showed.
    """

    wanted: Outcome
    got: Outcome
    astray: Step | None
    schedule: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the machine came where the model comes, by the same steps."""
        return self.astray is None and self.got == self.wanted


def follow(machine: ControlledMachine, variant: Variant, semantics: Semantics = KERNEL) -> Iterator[Followed]:
    """Lead the machine to every outcome of a variant that the model allows."""
    machine.load(build(machine, variant))
    for wanted, steps in paths(variant, semantics).items():
        if not isinstance(wanted, Outcome):
            continue
        told = [(step, word) for step in steps for word in directives(step)]
        found, _ = machine.replay("call", " ".join(word for _, word in told))
        if found.ending == "astray":
            yield Followed(wanted, Outcome("astray"), told[int(found.text)][0], found.schedule)
        else:
            yield Followed(wanted, outcome_of(variant, found), None, found.schedule)


def directives(step: Step) -> tuple[str, ...]:
    """A step of the model in the machine's words: see vm/userland/control/host/schedule.c."""
    if isinstance(step, DeliveryStep):
        return (f"c{step.source}>{step.target}!",)
    if step.ends is not None:
        return (f"t{step.thread}*{TO_THE_END}",)
    if step.inside is None:
        return (f"t{step.thread}:{step.until + 1}",)
    if step.sleeps or step.inside not in _INSIDE:
        return (f"t{step.thread}!",)
    return tuple(f"t{step.thread}@{function}" for function in _INSIDE[step.inside])
