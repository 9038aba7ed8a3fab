"""The command ``selftest``: seeded bugs, and which scenario catches each."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from msgport.selftest.faults import Fault
    from msgport.selftest.trial import Trial

VIOLATES, USAGE, INCONCLUSIVE = 1, 2, 3

EXECUTIONS = 1000
SECONDS = 3.0
"""Executions of each variant, and the seconds after which it is enough: what deadlocks or panics takes a new machine
each time."""

SILENCE = 10.0
"""Seconds without a word after which a machine counts as hung, which many a fault makes it."""


def add(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("selftest", help="seed bugs, in the message ports and in the model: are they caught?")
    parser.add_argument("faults", nargs="*", metavar="NAME", help="only these faults; default: all")
    parser.add_argument("--kind", choices=["implementation", "model"], help="only faults in this; default: both")
    parser.add_argument("--list", action="store_true", help="name the faults and say what they are; try none")
    parser.add_argument("--jobs", type=int, choices=range(1, 65), metavar="N", help="faults at a time (default: cores)")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: text")
    parser.set_defaults(command=_selftest)


def _selftest(options: argparse.Namespace) -> int:
    from msgport.selftest.faults import FaultError, altered_files, chosen

    if options.list and (options.jobs or options.format != "text"):
        return _fail("--jobs and --format are for faults that are tried; --list tries none: leave it out", USAGE)
    try:
        faults = chosen(options.faults, options.kind)
        for fault in faults:
            altered_files(fault)
    except FaultError as error:
        return _fail(str(error), USAGE)
    if not options.list:
        return _try(options, faults)
    for fault in faults:
        print(f"{fault.name} ({fault.effect or fault.kind}): {fault.about}")
    return 0


def _try(options: argparse.Namespace, faults: tuple[Fault, ...]) -> int:
    from msgport.check.models import consult
    from msgport.check.verdict import Kind
    from msgport.execution import Limits
    from msgport.report.screen import printing
    from msgport.selection import choose
    from msgport.selftest.report import SelftestProgress, as_json, as_text, exit_status
    from msgport.selftest.trials import try_all
    from msgport.selftest.unchanged import Order, Proven, Unchanged, UncleanError
    from msgport_vm.scratch import Scratch
    from msgport_vm.userland import default_cache

    catalogue = [consult(variant) for variant in choose([], None)]
    start = time.monotonic()
    trials: list[Trial] = []
    proven: list[Proven] = []
    failure, status = "", INCONCLUSIVE
    jobs = options.jobs or os.cpu_count() or 1
    scratch = Scratch(default_cache() / "selftest")
    try:
        order = Order(Limits(SECONDS, EXECUTIONS, silence=SILENCE), 1, scratch.path)
        with SelftestProgress(len(faults)) as progress:

            def clean(each: Proven) -> None:
                proven.append(each)
                progress.proven(each)

            with Unchanged(catalogue, order, clean) as unchanged:
                for trial in try_all(faults, unchanged, order, jobs):
                    trials.append(trial)
                    progress.tried(trial)
    except UncleanError as error:
        failure, status = str(error), VIOLATES if error.verdict.kind is Kind.VIOLATES else INCONCLUSIVE
    except KeyboardInterrupt:
        failure = f"interrupted after {len(trials)} of {len(faults)} faults"
    finally:
        scratch.remove()
    seconds = time.monotonic() - start
    if options.format == "json":
        stamp = {"executions": EXECUTIONS, "jobs": jobs, "host_cores": os.cpu_count() or 1}
        print(json.dumps(as_json(trials, proven, seconds, stamp, complete=len(trials) == len(faults)), indent=1))
    elif trials:
        with printing() as console:
            for part in as_text(trials, proven, seconds):
                console.print(part, markup=False)
    if failure:
        _fail(failure, status)
        return VIOLATES if trials and exit_status(trials) == VIOLATES else status
    return exit_status(trials)


def _fail(message: str, status: int) -> int:
    print(f"msgport: {message}", file=sys.stderr)
    return status
