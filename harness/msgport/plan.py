"""Which schedules a command line asks for: see docs/schedules.md."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from enum import StrEnum

from msgport.targets import TargetError, positive

FREE = "free"
EXHAUSTIVE_LIMIT = 20_000
SAMPLES = 1000
"""Schedules of a variant when nobody says how many: at most, and by chance."""

SEED = 1
"""When nobody says another."""

MOST_DEPTH = 64


class ScheduleError(ValueError):
    """A schedule that cannot be one of the variant's, or cannot be followed; the message says which word."""


class Mode(StrEnum):
    """How schedules are chosen: all that differ, by chance, by chance in priorities (PCT), or as told."""

    EXHAUSTIVE = "exhaustive"
    RANDOM = "random"
    PCT = "pct"
    REPLAY = "replay"


class Grain(StrEnum):
    """Where another process may go on: where a call may be interrupted, or before every access to what is shared."""

    CALL = "call"
    ACCESS = "access"


@dataclass(frozen=True)
class Plan:
    """Which schedules to make. ``schedules`` bounds their number, 0 is the mode's default.

    ``seed`` is for random and pct; ``depth`` for pct: a fault that needs so many orderings to come about is found with
    a probability that has a bound. ``schedule`` is the one to replay.
    """

    mode: Mode
    grain: Grain = Grain.CALL
    schedules: int = 0
    seed: int = SEED
    depth: int = 3
    schedule: str = ""

    @property
    def limit(self) -> int:
        """How many schedules at most."""
        return self.schedules or (EXHAUSTIVE_LIMIT if self.mode is Mode.EXHAUSTIVE else SAMPLES)


USED_BY = {
    "--seed": ("seed", (FREE, Mode.RANDOM, Mode.PCT)),
    "--iterations": ("iterations", (FREE, Mode.EXHAUSTIVE, Mode.RANDOM, Mode.PCT)),
    "--grain": ("grain", tuple(Mode)),
    "--depth": ("depth", (Mode.PCT,)),
}
"""Options, with where their values are and the schedules that use them; none has a default, as in ``targets``."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose schedules: ``planned`` reads them."""
    group = parser.add_argument_group("schedules, for --target userland")
    group.add_argument(
        "--schedule",
        choices=[FREE, *(str(mode) for mode in Mode if mode is not Mode.REPLAY)],
        default=FREE,
        help="who goes on at each step: the host decides (free, the default), every order that can matter, by chance, "
        "by chance in a few priorities; --iterations is how many schedules a variant, at most (default: 20000 or 1000)",
    )
    group.add_argument(
        "--grain",
        choices=[str(grain) for grain in Grain],
        help="a step is a call (the default), or an access to what is shared",
    )
    group.add_argument("--depth", type=positive, metavar="N", help="of pct (default: 3)")
    group.add_argument("--replay", metavar="SCHEDULE", help="the one schedule that a report shows, of one variant")


def planned(options: argparse.Namespace) -> Plan | None:
    """The plan that a command line asks for; None when the machine is to run freely. Raises TargetError."""
    if options.replay is not None and options.schedule != FREE:
        raise TargetError("--replay is a schedule, and --schedule asks for others: give one of them")
    mode = Mode.REPLAY if options.replay is not None else options.schedule
    asked = _asked(mode)
    for option, (field, users) in USED_BY.items():
        if getattr(options, field) is not None and mode not in users:
            raise TargetError(
                f"{option} is for {', '.join(map(_asked, users))}; {asked} does not use it: leave it out, or ask for "
                "another schedule"
            )
    if mode == FREE:
        return None
    if options.target != "userland":
        raise TargetError(f"{asked} is for --target userland: nobody chooses the steps of {options.target}")
    if options.time is not None:
        raise TargetError(f"{asked} counts schedules, not seconds: give --iterations in place of --time")
    if options.cpus or options.environment or options.era not in ("auto", "E") or getattr(options, "machines", 1) > 1:
        raise TargetError(f"--cpus, --env, --era and --machines are for machines that run freely, without {asked}")
    if (depth := options.depth or Plan.depth) > MOST_DEPTH:
        raise TargetError(f"--depth is 1 to {MOST_DEPTH}, not {depth}")
    grain, seed = Grain(options.grain or Plan.grain), SEED if options.seed is None else options.seed
    return Plan(Mode(mode), grain, options.iterations or 0, seed, depth, options.replay or "")


def _asked(mode: str) -> str:
    """How a command line asks for it."""
    return "--replay" if mode == Mode.REPLAY else f"--schedule {mode}"
