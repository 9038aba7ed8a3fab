"""The cross-CPU round trip of a message on the userland machine, beside what the host's pthreads need for one.

    python benchmarks/roundtrip.py [ROUNDS]

Each round runs all four, so that they share whatever else the host is doing; the medians are compared. Two goals:
while both virtual CPUs spin, lwkt_domsg() takes at most a third of the condition variable's time; parked, 1.5 times it.
"""

from __future__ import annotations

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


def bare(program: Path, kind: str, trips: int) -> float:
    """Nanoseconds a round trip between two pthreads takes."""
    return float(subprocess.run([program, kind, str(trips)], capture_output=True, text=True, check=True).stdout)


def message(machine: UserlandMachine, module: Path, trips: int) -> float:
    """Nanoseconds an lwkt_domsg() from CPU 0 to CPU 1 and back takes."""
    text = ""
    for event in machine.load(module, {"roundtrip.trips": trips}, 60.0):
        text += event.text
    if event.kind is not EventKind.LOADED:
        raise SystemExit(f"the module failed: {event.kind.name} {text}")
    for _ in machine.unload(module):
        pass
    found = re.search(r"roundtrip: (\d+) ns in (\d+) trips", text)
    if found is None:
        raise SystemExit(f"no figure in {text!r}")
    return int(found[1]) / int(found[2])


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seen: dict[str, list[float]] = {"cond": [], "spin": [], "busy": [], "parked": []}
    with tempfile.TemporaryDirectory() as name, UserlandMachine(2) as busy, UserlandMachine(64) as parked:
        folder = Path(name)
        shutil.copy(HERE / "roundtrip.c", folder)
        program = folder / "pingpong"
        compiler = find_compiler().command
        subprocess.run([compiler, "-O2", "-o", program, HERE / "pingpong.c", "-lpthread"], check=True)
        facts = busy.boot()
        parked.boot()
        module = busy.build(folder)
        if facts.host_cores < 2:
            raise SystemExit("this compares CPUs that spin: it needs two host cores")
        for _ in range(rounds):
            seen["cond"].append(bare(program, "cond", PARKED_TRIPS))
            seen["spin"].append(bare(program, "spin", SPINNING_TRIPS))
            seen["busy"].append(message(busy, module, SPINNING_TRIPS))
            seen["parked"].append(message(parked, module, PARKED_TRIPS))
    median = {kind: statistics.median(values) for kind, values in seen.items()}
    cond = median["cond"]
    print(f"medians of {rounds} rounds, {facts.host_cores} host cores, {facts.compiler}")
    print(f"{'round trip':44} {'us':>9} {'/ cond':>8}  goal")
    for kind, what, goal in (
        ("cond", "pthreads, condition variable", ""),
        ("spin", "pthreads, spinning", ""),
        ("busy", "lwkt_domsg, both CPUs spin (2 virtual CPUs)", "<= 0.33"),
        ("parked", "lwkt_domsg, both CPUs park (64 virtual CPUs)", "<= 1.50"),
    ):
        print(f"{what:44} {median[kind] / 1000:9.2f} {median[kind] / cond:8.2f}  {goal}")


if __name__ == "__main__":
    main()
