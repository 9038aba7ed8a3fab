"""Executions a second of a generated module beside a hand-written loop of the same calls, on any machine.

    python benchmarks/executions.py [--rounds N] [--ms N] [--target qemu --image FILE --sysdir DIR ...]

The scenario is domsg-reply; executions/handwritten.c does by hand what a test of it needs: port and message set up
anew, threads that meet, random moments before each call, IPI round trips after them. What the generated module does
beside that is to note each step, to keep a trace, and to count and judge outcomes. The goal is 80 % of the hand-written
loop's executions. The bare calls in a loop are shown too; nothing is a test there, so there is no goal.

Each round runs all three for the same time; the medians are compared. Exit status 1 when the goal is missed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from msgport.campaign import module_of
from msgport.check.models import consult
from msgport.execution import Limits
from msgport.kmod.module import write
from msgport.manual.api import Era
from msgport.selection import choose
from msgport.targets import add_options, chosen, positive, ran_on
from msgport_vm.machine import EventKind, Machine

HERE = Path(__file__).parent / "executions"
SCENARIO = "domsg-reply"
GOAL = 0.8
MAKEFILE = "KMOD=\thandwritten\nSRCS=\thandwritten.c\n\n.include <bsd.kmod.mk>\n"


def loaded(machine: Machine, module: Path, tunables: Mapping[str, int], pattern: str) -> int:
    """Load and unload a module; the number that it printed."""
    text = ""
    for event in machine.load(module, tunables, 60.0):
        text += event.text
    if event.kind is not EventKind.LOADED:
        raise SystemExit(f"{module.name} failed: {event.kind.name}\n{text}")
    for _ in machine.unload(module):
        pass
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"{module.name} printed no figure:\n{text}")
    return int(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--ms", type=positive, default=1000, help="how long each runs a round")
    add_options(parser)
    options = parser.parse_args()
    by_hand, counted = r"handwritten: (\d+) executions, 0 wrong", r" i=(\d+) why=time"
    seen: dict[str, list[int]] = {"generated": [], "by hand": [], "bare calls": []}
    with (
        tempfile.TemporaryDirectory() as name,
        chosen(options).machine(lambda note: print(note, file=sys.stderr)) as machine,
    ):
        facts = machine.boot()
        if facts.cpus < 2:
            raise SystemExit("the scenario needs two CPUs")
        hand, made = Path(name, "hand"), Path(name, "made")
        hand.mkdir()
        shutil.copy(HERE / "handwritten.c", hand)
        (hand / "Makefile").write_text(MAKEFILE)
        models = consult(choose([SCENARIO], None)[0])
        write(module_of(models, Limits(options.ms / 1000), 1, 1, Era(facts.era)), made)
        hand_module, made_module = machine.build(hand), machine.build(made)
        for _ in range(options.rounds):
            seen["generated"].append(loaded(machine, made_module, {"msgport.ms": options.ms}, counted))
            for kind, bare in (("by hand", 0), ("bare calls", 1)):
                tunables = {"handwritten.ms": options.ms, "handwritten.bare": bare}
                seen[kind].append(loaded(machine, hand_module, tunables, by_hand))
    median = {kind: statistics.median(runs) for kind, runs in seen.items()}
    print(ran_on(facts))
    print(f"{SCENARIO}, {options.rounds} rounds of {options.ms} ms; load average {os.getloadavg()[0]:.1f}")
    print(f"{'executions a second':22}{'median':>10}{'least':>10}{'most':>10}{'/ by hand':>11}")
    for kind, runs in seen.items():
        low, middle, high = (count * 1000 / options.ms for count in (min(runs), median[kind], max(runs)))
        print(f"{kind:22}{middle:>10.0f}{low:>10.0f}{high:>10.0f}{median[kind] / median['by hand']:>11.2f}")
    share = median["generated"] / median["by hand"]
    print(f"the generated module reaches {share:.0%} (goal: {GOAL:.0%})")
    if share < GOAL:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
