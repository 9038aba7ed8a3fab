"""The reference model beside SPIN on one problem: nine messages from three CPUs, every order in which they arrive.

    python benchmarks/spin.py [ROUNDS]

The Promela is the problem as one writes it for SPIN: a channel for each pair of CPUs and a process that delivers from
it, no statement folded into another, so that send, delivery and receive are steps of their own and the receive is
recorded. Plain Promela is finer than the reference model in two places, which SPIN's reduction does not undo: a
delivery takes from the channel and then puts to the port, and loops count in steps of their own. That gives 1.09
million states, of the size known for this problem (1.33 million); with delivery, record and count made `atomic`, which
is just the model's grain and takes knowing it beforehand, it is 245,073. What makes them one problem is checked on
every run: both find the same orders of arrival.

SPIN's time is that of all a user waits for: spin, gcc, the verifier. Ours is a whole Python process that reads
benchmarks/spin.msgport and explores it. The medians of some rounds are shown; the goal is a fifth, and missing it exit
status 1.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCENARIO = Path(__file__).with_name("spin.msgport")
GOAL = 5

PROMELA = """\
byte taken[9];                          /* the registers of the port's owner */
chan ipi[3] = [3] of { byte };          /* from each sender's CPU to the owner's */
chan port = [9] of { byte };

proctype Sender(byte cpu)
{
	ipi[cpu] ! cpu * 3 + 1;
	ipi[cpu] ! cpu * 3 + 2;
	ipi[cpu] ! cpu * 3 + 3
}

proctype Delivery(byte cpu)
{
	byte count, message;
	do
	:: count < 3 -> ipi[cpu] ? message; port ! message; count++
	:: else -> break
	od
}

proctype Owner()
{
	byte count;
	do
	:: count < 9 -> port ? taken[count]; count++
	:: else -> break
	od;
	printf("order %d%d%d%d%d%d%d%d%d\\n", taken[0], taken[1], taken[2], taken[3], taken[4], taken[5], taken[6],
		taken[7], taken[8])
}

init {
	atomic {
		run Sender(0); run Sender(1); run Sender(2);
		run Delivery(0); run Delivery(1); run Delivery(2);
		run Owner()
	}
}
"""

OURS = """\
import sys, time
from msgport.model import KERNEL, explore
from msgport.scenario.library import load
variant, = load(sys.argv[1])
start = time.perf_counter()
found = explore(variant, KERNEL)
taken = time.perf_counter() - start
print(found.states, found.transitions, len(found.outcomes), taken)
for outcome in found.outcomes:
    print("order", "".join(str(3 * "abc".index(value[0]) + int(value[1]) + 1) for value in outcome.values))
"""


def timed(command: list[str | Path], folder: Path) -> tuple[float, str]:
    """Run a command; its wall time in seconds and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start, done.stdout


def figure(pattern: str, text: str) -> int:
    """A number that a verifier printed."""
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"the verifier printed no {pattern!r}:\n{text}")
    return int(found[1])


def spins_orders(folder: Path) -> set[str]:
    """The orders of arrival that a verifier which prints, a slower one, comes to in the end."""
    timed(["gcc", "-O2", "-DPRINTF", "-o", "pan-prints", "pan.c"], folder)
    return set(re.findall(r"order ([1-9]{9})", timed([folder / "pan-prints", "-m10000"], folder)[1]))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for tool in ("spin", "gcc"):
        if shutil.which(tool) is None:
            raise SystemExit(f"this comparison needs {tool}; Debian has it in the package {tool}")
    seen: dict[str, list[float]] = {"build": [], "verifier": [], "process": [], "explore": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "arrivals.pml").write_text(PROMELA)
        for _ in range(rounds):
            generated, _text = timed(["spin", "-a", "arrivals.pml"], folder)
            built, _text = timed(["gcc", "-O2", "-o", "pan", "pan.c"], folder)
            verified, verifier = timed([folder / "pan", "-m10000"], folder)
            whole, ours = timed([sys.executable, "-c", OURS, SCENARIO.resolve()], folder)
            seen["build"].append(generated + built)
            seen["verifier"].append(verified)
            seen["process"].append(whole)
            seen["explore"].append(float(ours.split()[3]))
        orders = spins_orders(folder)
    if "errors: 0" not in verifier:
        raise SystemExit(f"the verifier found an error:\n{verifier}")
    if orders != set(re.findall(r"order ([1-9]{9})", ours)):
        raise SystemExit("not the same problem: SPIN and the model find different orders")
    states, transitions, outcomes = ours.split()[:3]
    median = {key: statistics.median(values) for key, values in seen.items()}
    spin = median["build"] + median["verifier"]
    print(f"{'':24}{'states stored':>14}{'transitions':>13}{'search s':>10}{'whole s':>9}")
    stored = figure(r"(\d+) states, stored", verifier)
    taken = figure(r"(\d+) transitions", verifier)
    print(f"{'SPIN':24}{stored:>14}{taken:>13}{median['verifier']:>10.2f}{spin:>9.2f}")
    print(f"{'msgport.model':24}{states:>14}{transitions:>13}{median['explore']:>10.2f}{median['process']:>9.2f}")
    print(f"{outcomes} orders of arrival; medians of {rounds} rounds")
    print(f"whole: {spin / median['process']:.1f} times as fast (goal: {GOAL})")
    if spin < GOAL * median["process"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
