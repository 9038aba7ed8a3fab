"""The cross-CPU round trip of a message on the userland machine, beside what the host's pthreads need for one.

    python benchmarks/roundtrip.py [ROUNDS]

Each round runs all four, so that they share whatever else the host is doing; the medians are compared. Two goals:
while both virtual CPUs spin, lwkt_domsg() takes at most a third of the condition variable's time; parked, 1.5 times it.
Exit status 1 when one is missed.

In every run the two threads are kept on the same two cores, one each: on one core a condition variable costs a tenth
of what it does across two, and a spinner starves its partner. The load is shown because no placing helps a spinner
that has to share its core: it loses whole time slices.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from msgport_vm.machine import EventKind
from msgport_vm.userland import UserlandMachine, find_compiler

HERE = Path(__file__).parent / "roundtrip"
SPINNING_TRIPS = 100_000
PARKED_TRIPS = 5_000
GOALS = {"busy": 0.33, "parked": 1.5}


def two_cores() -> list[int]:
    """Two cores that this process may use; none where the host does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[:2]


def bare(program: Path, kind: str, trips: int, cores: list[int]) -> tuple[float, bool]:
    """Nanoseconds a round trip between two pthreads takes, and whether both stayed on their cores."""
    command = [str(program), kind, str(trips), *map(str, cores)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout), bool(cores) and not done.stderr


def message(machine: UserlandMachine, module: Path, trips: int, cores: list[int]) -> tuple[float, bool]:
    """Nanoseconds an lwkt_domsg() from CPU 0 to CPU 1 and back takes, and whether both stayed on their cores."""
    text = ""
    tunables = {"roundtrip.trips": trips} | {f"roundtrip.core{n}": core for n, core in enumerate(cores)}
    for event in machine.load(module, tunables, 60.0):
        text += event.text
    if event.kind is not EventKind.LOADED:
        raise SystemExit(f"the module failed: {event.kind.name} {text}")
    for _ in machine.unload(module):
        pass
    found = re.search(r"roundtrip: (\d+) ns in (\d+) trips, (\d) pinned", text)
    if found is None:
        raise SystemExit(f"no figure in {text!r}")
    return int(found[1]) / int(found[2]), found[3] == "2"


def load_average() -> str:
    """How many threads wanted to run in the last minute, where the host tells."""
    try:
        return f"{os.getloadavg()[0]:.1f}"
    except (AttributeError, OSError):
        return "unknown"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seen: dict[str, list[tuple[float, bool]]] = {"cond": [], "spin": [], "busy": [], "parked": []}
    cores = two_cores()
    before = load_average()
    with tempfile.TemporaryDirectory() as name, UserlandMachine(2) as busy, UserlandMachine(64) as parked:
        folder = Path(name)
        shutil.copy(HERE / "roundtrip.c", folder)
        program = folder / "pingpong"
        compiler = find_compiler().command
        subprocess.run([*compiler, "-O2", "-o", program, HERE / "pingpong.c", "-lpthread"], check=True)
        facts = busy.boot()
        parked.boot()
        module = busy.build(folder)
        if facts.host_cores < 2:
            raise SystemExit("this compares CPUs that spin: it needs two host cores")
        for _ in range(rounds):
            seen["cond"].append(bare(program, "cond", PARKED_TRIPS, cores))
            seen["spin"].append(bare(program, "spin", SPINNING_TRIPS, cores))
            seen["busy"].append(message(busy, module, SPINNING_TRIPS, cores))
            seen["parked"].append(message(parked, module, PARKED_TRIPS, cores))
    figures = {kind: sorted(figure for figure, _ in runs) for kind, runs in seen.items()}
    ratio = {kind: statistics.median(figures[kind]) / statistics.median(figures["cond"]) for kind in figures}
    print(f"{rounds} rounds, {facts.host_cores} host cores, {facts.compiler}")
    loose = [kind for kind, runs in seen.items() if not all(pinned for _, pinned in runs)]
    if loose:
        print(f"threads not kept on a core each, as this host cannot: {', '.join(loose)}; take the figures with care")
    else:
        print(f"threads kept on cores {cores[0]} and {cores[1]}; load average {before} before, {load_average()} after")
    print(f"{'round trip, us':46} {'median':>8} {'least':>8} {'most':>8} {'/ cond':>7}  goal")
    for kind, what in (
        ("cond", "pthreads, condition variable"),
        ("spin", "pthreads, spinning"),
        ("busy", "lwkt_domsg, both CPUs spin (2 virtual CPUs)"),
        ("parked", "lwkt_domsg, both CPUs park (64 virtual CPUs)"),
    ):
        runs = [figure / 1000 for figure in figures[kind]]
        goal = ""
        if kind in GOALS:
            goal = f"<= {GOALS[kind]:.2f}" + ("" if ratio[kind] <= GOALS[kind] else " MISSED")
        print(f"{what:46} {statistics.median(runs):8.2f} {runs[0]:8.2f} {runs[-1]:8.2f} {ratio[kind]:7.2f}  {goal}")
    if any(ratio[kind] > goal for kind, goal in GOALS.items()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
