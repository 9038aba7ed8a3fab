"""How soon a guest in QEMU is of use: a cold run, a warm one, and the return after a panic.

    python benchmarks/guest.py [--rounds N] --image FILE --sysdir DIR [...]

A cold run has an empty cache: its first verdict is set against the time in which that very boot came to its prompt,
from QEMU's start; the goal is 1.1 times. A second run starts from the saved state: from the command to its first
scenario the goal is 3 s, for one variant as for the whole catalogue. After a panic the machine is to be back within
1 s. What is timed are whole commands, Python's start and the tidying up at the end included; of a warm one the time
that its scenario ran is taken off. That of the whole catalogue is interrupted at its first verdict.

What accelerator works on this host is found out beforehand: that is done once a host. Exit status 1 when a goal is
missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from msgport.campaign import module_of
from msgport.check.models import consult
from msgport.execution import Limits
from msgport.kmod.module import write
from msgport.manual.api import Era
from msgport.selection import choose
from msgport.targets import add_options, chosen, positive, ran_on
from msgport_vm.machine import EventKind
from msgport_vm.qemu_accelerator import choose as choose_accelerator
from msgport_vm.qemu_process import Program

SCENARIO = "domsg-reply"
PANIC = "double-send"
COLD, WARM, RETURN = 1.1, 3.0, 1.0


def command(
    arguments: list[str], results: Path, cache: Path, *, everything: bool = False
) -> tuple[float, float, dict[str, Any]]:
    """Run the scenario, or begin on ``everything``: seconds to the first verdict, to the end, and results.json."""
    start = time.monotonic()
    judged = 0.0
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "msgport",
            "run",
            *([] if everything else [SCENARIO]),
            *arguments,
            "--results",
            str(results),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MSGPORT_CACHE": str(cache)},
    ) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if not judged and line.startswith("[1/"):
                judged = time.monotonic() - start
                if everything:
                    process.send_signal(signal.SIGINT)
    if process.returncode != (3 if everything else 0) or not judged:
        raise SystemExit(f"the run failed:\n{said}")
    data: dict[str, Any] = json.loads((results / "results.json").read_text())
    return judged, time.monotonic() - start, data


def returns(options: argparse.Namespace, folder: Path) -> tuple[str, list[float]]:
    """The machine's name, and the seconds in which it came back after each of some panics."""
    taken: list[float] = []
    with chosen(options).machine(lambda note: print(note, file=sys.stderr)) as machine:
        facts = machine.boot()
        write(module_of(consult(choose([PANIC], None)[0]), Limits(0.25), 1, 1, Era(facts.era)), folder)
        module = machine.build(folder)
        for _ in range(options.rounds):
            events = list(machine.load(module, {}, 30.0))
            if events[-1].kind is not EventKind.PANICKED:
                raise SystemExit(f"{PANIC} did not panic: {events[-1]}")
            start = time.monotonic()
            machine.restart()
            taken.append(time.monotonic() - start)
    return ran_on(facts), taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=positive, default=3)
    add_options(parser)
    # The same options go on to the command that is timed.
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--rounds")
    _, passed = own.parse_known_args()
    options = parser.parse_args(["--target", "qemu", *sys.argv[1:]])
    if options.target != "qemu":
        raise SystemExit("this times guests in QEMU; other machines boot by themselves")
    passed = ["--target", "qemu", *passed]
    figures: dict[str, list[float]] = {"boot": [], "cold": [], "warm": [], "all": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.rounds):
            cache = folder / f"cache-{number}"
            choose_accelerator(Program("qemu-system-x86_64"), options.accelerator or "auto", cache / "qemu", print)
            judged, _, data = command(passed, folder / f"cold-{number}", cache)
            figures["boot"].append(float(data["environment"]["extra"]["boot"].split()[0]))
            figures["cold"].append(judged)
            _, whole, data = command(passed, folder / f"warm-{number}", cache)
            figures["warm"].append(whole - data["variants"][0]["seconds"])
            judged, _, data = command(passed, folder / f"all-{number}", cache, everything=True)
            if data["variants"][0]["verdict"] not in ("conforms", "deviates"):
                raise SystemExit(f"the first variant was not run: {data['variants'][0]}")
            figures["all"].append(judged - data["variants"][0]["seconds"])
        os.environ["MSGPORT_CACHE"] = str(cache)
        machine, figures["return"] = returns(options, folder / "panic")
    print(machine)
    print(f"{options.rounds} rounds; load average {os.getloadavg()[0]:.1f}")
    print(f"{'seconds':44}{'median':>8}{'least':>8}{'most':>8}  goal")
    median = {kind: statistics.median(runs) for kind, runs in figures.items()}
    ratio = statistics.median(c / b for c, b in zip(figures["cold"], figures["boot"], strict=True))
    goals = {
        "cold": (ratio <= COLD, f"<= {COLD} times the boot, is {ratio:.2f}"),
        "warm": (median["warm"] <= WARM, f"<= {WARM:g}"),
        "all": (median["all"] <= WARM, f"<= {WARM:g}"),
        "return": (median["return"] <= RETURN, f"<= {RETURN:g}"),
    }
    for kind, what in (
        ("boot", "the boot by itself, to its prompt"),
        ("cold", "a cold run, to its first verdict"),
        ("warm", "a warm run, but for its scenario"),
        ("all", "a warm run of all, to its first scenario"),
        ("return", "the return after a panic"),
    ):
        runs = figures[kind]
        met, goal = goals.get(kind, (True, ""))
        print(f"{what:44}{median[kind]:8.2f}{min(runs):8.2f}{max(runs):8.2f}  {goal}{'' if met else ' MISSED'}")
    if not all(met for met, _ in goals.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
