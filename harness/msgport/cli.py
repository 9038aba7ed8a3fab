"""The command line. Parsing of arguments, choice of variants, exit statuses; the work is done elsewhere.

Imports are made where they are needed, so that ``explore`` does not pay for what only ``run`` uses.
"""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from msgport import machine_commands, manual_command, plan, vm_commands
from msgport.arguments import Parser
from msgport.check.models import Models, consult, explored, hold
from msgport.manual.api import Era
from msgport.plan import ScheduleError
from msgport.scenario.canonical import content_hash
from msgport.scenario.source import ScenarioError
from msgport.selection import SelectionError, choose
from msgport.selftest import command as selftest_command
from msgport.streams import lost
from msgport.targets import ENOUGH, GUEST_SECONDS, TargetError, add_options, chosen, positive, ran_on

if TYPE_CHECKING:
    from msgport.report.data import VariantResult
    from msgport.report.results import ResultsFolder
    from msgport.report.runs import Run
    from msgport_vm.machine import Machine

CONFORMS, VIOLATES, USAGE, INCONCLUSIVE = range(4)

PATIENCE = 5.0
"""Seconds after which a user is told what takes so long."""


class UsageError(Exception):
    """The command line asks for something that there is not; the message says what there is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 to 3, see README.md)."""
    # A harness that is told to stop leaves no machine behind: as with Ctrl-C, the stack unwinds.
    for told in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(told, _interrupt)
    try:
        options = _parser().parse_args(arguments)
        status: int = options.command(options)
    except (ScenarioError, SelectionError, TargetError, UsageError, ScheduleError) as error:
        return _fail(str(error), USAGE)
    except KeyboardInterrupt:
        return _fail("interrupted", INCONCLUSIVE)
    except ModuleNotFoundError as missing:
        return _fail(f"this needs the Python package {missing.name}: pip install 'msgport[vm]'", INCONCLUSIVE)
    except Exception as error:
        # What only a run needs is not imported for the other commands.
        from msgport_vm.machine import UnusableFileError

        if isinstance(error, UnusableFileError):
            return _fail(str(error), USAGE)
        # Python's own status for this is 1, which would say that a kernel violates.
        traceback.print_exc()
        return _fail("this is a fault of msgport itself; nothing was judged", INCONCLUSIVE)
    return status


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str, status: int) -> int:
    print(f"msgport: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        prog="msgport",
        description="Does this kernel's lwkt_msgport do what msgport.9 says?",
        epilog="Exit status: 0 all conform, or deviate as listed; 1 a violation; 2 usage or a bad file; "
        "3 inconclusive, a machine failure, or nothing judged.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run", usage="%(prog)s [options] [SCENARIO ...]", help="run scenarios on a machine and judge what they did"
    )
    _add_scenarios(run, "*")
    add_options(run)
    run.add_argument(
        "--machines", type=positive, default=1, metavar="N", help="clones that share the work (userland, qemu)"
    )
    limit = run.add_mutually_exclusive_group()
    limit.add_argument(
        "--time",
        type=_seconds,
        metavar="S",
        help=f"seconds a variant (default: at most 0.5, on a real kernel 0.25: {ENOUGH} executions are enough "
        "where every allowed outcome was seen)",
    )
    limit.add_argument("--iterations", type=positive, metavar="N", help="executions a variant")
    run.add_argument("--seed", type=_seed, metavar="N", help=f"seed of what is left to chance (default: {plan.SEED})")
    plan.add_options(run)
    run.add_argument("--judge", choices=["both", "manual"], default="both", help="whose word counts (default: both)")
    run.add_argument("--require-seen", action="store_true", help="an unseen `sometimes` is inconclusive")
    run.add_argument("--results", type=Path, metavar="DIR", help="a new folder (default: results/run-DATE-TIME)")
    _add_format(run, "text", "ktap", "json")
    run.add_argument("-v", "--verbose", action="store_true", help="show every outcome of every variant")
    run.set_defaults(command=_run)

    explore = commands.add_parser("explore", help="print every outcome that a model allows")
    _add_scenarios(explore, "+")
    explore.add_argument("--model", choices=["manual", "kernel"], default="kernel", help="default: kernel")
    _add_format(explore, "text", "json")
    explore.set_defaults(command=_explore)

    generate = commands.add_parser("generate", help="write a scenario's kernel modules: a .c and a Makefile each")
    _add_scenarios(generate, "+")
    generate.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets a folder for each variant")
    generate.add_argument(
        "--era", choices=[str(era) for era in Era], default="E", help="the release's API (default: E)"
    )
    generate.add_argument("--seed", type=_seed, default=1, metavar="N", help="seed of the random delays")
    generate.set_defaults(command=_generate)

    check = commands.add_parser("check", help="judge saved console text")
    check.add_argument("transcript", type=Path, metavar="TRANSCRIPT", help="console text; - for standard input")
    check.add_argument("scenarios", nargs="*", metavar="SCENARIO-FILE", help="default: the catalogue")
    check.add_argument("--judge", choices=["both", "manual"], default="both", help="whose word counts (default: both)")
    check.add_argument("--require-seen", action="store_true", help="an unseen `sometimes` is inconclusive")
    _add_format(check, "text", "ktap", "json")
    check.add_argument("-v", "--verbose", action="store_true", help="show every outcome of every variant")
    check.set_defaults(command=_check)

    claims = commands.add_parser("claims", help="which statement of the manual is exercised by which scenario")
    claims.add_argument(
        "--results",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of runs: what they say of each claim and deviation, as Markdown tables",
    )
    _add_format(claims, "text", "json")
    claims.set_defaults(command=_claims)

    compare = commands.add_parser("compare", help="what one run did otherwise than another: kernel against kernel")
    compare.add_argument("old", type=Path, metavar="OLD", help="the results folder to hold against: the stock kernel's")
    compare.add_argument("new", type=Path, metavar="NEW", help="the results folder to judge")
    _add_format(compare, "text", "json")
    compare.set_defaults(command=_compare)

    machine_commands.add(commands)
    manual_command.add(commands)
    vm_commands.add(commands)
    selftest_command.add(commands)
    return parser


def _add_scenarios(parser: argparse.ArgumentParser, count: str) -> None:
    parser.add_argument(
        "scenarios",
        nargs=count,
        metavar="SCENARIO",
        help="a scenario's name or a .msgport file; with /CHOICES behind it, one variant"
        + ("; default: the catalogue" if count == "*" else ""),
    )
    parser.add_argument("-k", dest="expression", metavar="EXPR", help="only variants whose names or claims match")


def _add_format(parser: argparse.ArgumentParser, *formats: str) -> None:
    parser.add_argument("--format", choices=formats, default=formats[0], help=f"default: {formats[0]}")


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {(1 << 31) - 1}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.001 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.001 to 86400")
    return seconds


def _explored(options: argparse.Namespace) -> list[Models]:
    """The chosen variants, each explored; raises ScenarioError for one of which nothing can be said."""
    found: list[Models] = []
    for variant in choose(options.scenarios, options.expression):
        note = f"msgport: still exploring {variant.name}; it may be too large, Ctrl-C ends it"
        patience = threading.Timer(PATIENCE, print, (note,), {"file": sys.stderr})
        patience.daemon = True
        patience.start()
        try:
            found.append(explored(variant))
        finally:
            patience.cancel()
    return found


def _consulted(options: argparse.Namespace) -> list[Models]:
    """The chosen variants, each in order and explored; raises ScenarioError before anything is done."""
    consulted = _explored(options)
    for models in consulted:
        hold(models)
    return consulted


def _explore(options: argparse.Namespace) -> int:
    from msgport.report import allowed, screen

    found = _explored(options)
    shown = [(models.variant, models.kernel if options.model == "kernel" else models.manual) for models in found]
    if options.format == "json":
        print(json.dumps(allowed.as_json(options.model, shown), indent=2))
    else:
        print(allowed.as_text(options.model, shown, screen.width()))
    status = CONFORMS
    for models in found:
        # Whoever wrote a wrong expectation needs the outcomes to put it right.
        try:
            hold(models)
        except ScenarioError as error:
            status = _fail(str(error), USAGE)
    return status


def _generate(options: argparse.Namespace) -> int:
    from msgport.campaign import module_of
    from msgport.check.eras import inexpressible
    from msgport.execution import Limits
    from msgport.kmod.module import write
    from msgport.report.results import safe_name

    era = Era(options.era)
    for models in _consulted(options):
        module = module_of(models, Limits(GUEST_SECONDS), _fresh_nonce(), options.seed, era)
        directory = options.out / safe_name(models.variant.name)
        try:
            write(module, directory)
        except OSError as error:
            raise UsageError(f"cannot write to {directory}: {error.strerror}") from error
        print(directory / f"{module.name}.c")
        if reason := inexpressible(models.variant, era):
            print(f"msgport: {models.variant.name} can run but will not be judged: {reason}", file=sys.stderr)
    return CONFORMS


def _fresh_nonce() -> int:
    return secrets.randbits(32)


def _run(options: argparse.Namespace) -> int:
    from msgport import campaign, schedules
    from msgport.execution import Limits
    from msgport.report.data import exit_status
    from msgport.report.progress import RunProgress
    from msgport.report.results import ResultsError
    from msgport_vm.controlled import ControlledMachine
    from msgport_vm.machine import MachineError

    target, planned = chosen(options), plan.planned(options)
    variants = _consulted(options)
    if planned and planned.mode is plan.Mode.REPLAY and len(variants) != 1:
        raise UsageError(f"--replay is a schedule of one variant, and {len(variants)} are chosen")
    if planned:
        for models in variants:
            schedules.command_of(models.variant, planned)
    if options.time or options.iterations:
        limits = Limits(options.time or 0, options.iterations or 0)
    else:
        limits = Limits(target.seconds, enough=ENOUGH)
    seed = plan.SEED if options.seed is None else options.seed
    order = campaign.Order(limits, seed, _fresh_nonce(), options.judge, options.require_seen)
    names = [models.variant.name for models in variants]
    machines: list[Machine] = []
    done: list[VariantResult] = []
    folder: ResultsFolder | None = None
    failure = ""
    with RunProgress(names) as progress:
        try:
            with ExitStack() as stack:
                if planned:
                    controlled = stack.enter_context(ControlledMachine(sources=options.userland))
                    facts = controlled.boot()
                else:
                    for _ in range(target.machines):
                        machines.append(stack.enter_context(target.machine(progress.note)))
                    facts = machines[0].boot()
                    target.check(facts)
                folder = _new_folder(options.results)
                progress.booted(ran_on(facts, target.machines))
                if planned:
                    results = schedules.run(
                        controlled, facts, variants, planned, folder, options.judge, require_seen=options.require_seen
                    )
                else:
                    results = campaign.run(machines[0], facts, variants, order, folder, machines[1:], progress.note)
                # An interrupt may come between two results: a run is to end before its machines do.
                stack.enter_context(closing(results))
                for result in results:
                    done.append(result)
                    progress.judged(result)
        except KeyboardInterrupt:
            failure = f"interrupted after {len(done)} of {len(variants)} variants; what was judged is kept"
        except MachineError as error:
            failure = f"the machine failed: {error}" + (f"\n{error.screen}" if error.screen else "")
        except ResultsError as error:
            failure = str(error)
        for left in (left for machine in machines for left in machine.left_behind):
            progress.note(f"left behind on the machine: {left}")
    if folder is not None and folder.data is not None:
        done.sort(key=lambda result: names.index(result.variant.name))
        _show(done, folder.data, folder.path, ran_on(facts, target.machines), options)
        if lost():
            print(f"msgport: results are in {folder.path}", file=sys.stderr)
    if failure:
        _fail(failure, INCONCLUSIVE)
        return VIOLATES if exit_status(done) == VIOLATES else INCONCLUSIVE
    return exit_status(done)


def _show(
    results: Sequence[VariantResult],
    data: Mapping[str, Any],
    folder: Path | None,
    machine: str,
    options: argparse.Namespace,
) -> None:
    from msgport.report.ktap import ktap
    from msgport.report.screen import printing
    from msgport.report.text import print_report

    match options.format:
        case "json":
            print(json.dumps(data, indent=1))
        case "ktap":
            print("\n".join(ktap(results)))
        case _:
            with printing() as console:
                print_report(console, results, folder, machine, verbose=options.verbose)
    sys.stdout.flush()


def _new_folder(named: Path | None) -> ResultsFolder:
    from msgport.report.results import ResultsError, ResultsFolder

    try:
        return ResultsFolder.create(named) if named else ResultsFolder.create_in(Path("results"), datetime.now())
    except ResultsError as error:
        raise UsageError(f"{error}: name a new folder with --results DIR") from error


def _check(options: argparse.Namespace) -> int:
    from msgport.check.observed import StaleTranscriptError
    from msgport.offline import UnknownTranscriptError, judge_transcript
    from msgport.report.data import exit_status, run_data

    try:
        raw = sys.stdin.buffer.read() if str(options.transcript) == "-" else options.transcript.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {options.transcript}: {error.strerror}") from error
    # Console text may hold any byte.
    text = raw.decode("utf-8", errors="surrogateescape")
    try:
        results = judge_transcript(
            text, choose(options.scenarios, None), options.judge, require_seen=options.require_seen
        )
    except (UnknownTranscriptError, StaleTranscriptError) as error:
        raise UsageError(f"{options.transcript}: {error}") from error
    stamp = {"target": "transcript", "transcript": str(options.transcript), "judge": options.judge}
    _show(results, run_data(stamp, results), None, f"Judged from {options.transcript}.", options)
    return exit_status(results)


def _claims(options: argparse.Namespace) -> int:
    from msgport.report import claims, findings

    if options.results and options.format != "text":
        raise UsageError(f"--format {options.format} is for the claims alone; --results gives Markdown: leave one out")
    runs = _runs(options.results)
    variants = choose([], None)
    covered = claims.coverage(map(consult, variants))
    if runs:
        hashes = {variant.name: content_hash(variant) for variant in variants}
        print(findings.as_markdown(covered, runs, hashes), end="")
    elif options.format == "json":
        print(json.dumps(claims.as_json(covered), indent=2))
    else:
        print(claims.as_text(covered))
    return CONFORMS


def _compare(options: argparse.Namespace) -> int:
    from msgport.report import compare

    comparison = compare.compare(*_runs([options.old, options.new]))
    if options.format == "json":
        print(json.dumps(compare.as_json(comparison), indent=2))
    else:
        print("\n".join(compare.as_text(comparison)))
    return comparison.exit_status


def _runs(folders: Sequence[Path]) -> list[Run]:
    from msgport.report.runs import RunError, read_run

    try:
        return [read_run(folder) for folder in folders]
    except RunError as error:
        raise UsageError(str(error)) from error
