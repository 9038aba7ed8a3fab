"""``msgport manual PAGE``: what a manual page declares, what has drifted, and whether its examples do what they say."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from msgport.files import write_whole
from msgport.manual.api import Era
from msgport.targets import USERLAND, Target, TargetError, add_options, chosen, given, ran_on

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from msgport.manual.examples import Example
    from msgport.page_run import Made
    from msgport.report.manual import ExampleResult
    from msgport_vm.machine import Facts

BAD_PAGE, MACHINE_FAILURE = 2, 3


class OutError(Exception):
    """The modules cannot be written where the user wants them."""


def add(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line; it sets ``command`` to a function from options to exit status."""
    manual = commands.add_parser(
        "manual", usage="%(prog)s [options] PAGE", help="read an mdoc page: what drifted, its examples as modules"
    )
    manual.add_argument("page", type=Path, metavar="PAGE", help="plain, .gz, or copied from gitweb with line numbers")
    manual.add_argument("--out", type=Path, metavar="DIR", help="write each example's module: a .c and a Makefile")
    manual.add_argument("--run", action="store_true", help="run the examples on a machine and judge what they print")
    manual.add_argument("--format", choices=["text", "json"], default="text", help="default: text")
    add_options(manual)
    manual.set_defaults(command=_manual)


def _manual(options: argparse.Namespace) -> int:
    from msgport.manual.drift import check_subject
    from msgport.manual.examples import examples_of
    from msgport.manual.mdoc import parse
    from msgport.manual.source import PageError, source_of
    from msgport.report.manual import ExampleResult, PageReport, as_json, as_text, exit_status
    from msgport_vm.machine import MachineError

    target = chosen(options)
    if not options.run:
        _refuse_idle(options)
    try:
        source = source_of(options.page.read_bytes(), str(options.page))
        page = parse(source.lines, source.file)
        check_subject(page)
        examples, fragments = examples_of(page)
    except OSError as error:
        return _fail(f"cannot read {options.page}: {error.strerror}", BAD_PAGE)
    except PageError as error:
        return _fail(str(error), BAD_PAGE)
    # What the page is held against: the machine's era, or without one the era asked for.
    era = target.era or Era.E
    failure = machine = ""
    out: Path | None = options.out
    try:
        if options.run:
            with nullcontext(out) if out else _aside() as place:
                results, facts, failure = _run(target, options, source.label, examples, place)
            era = Era(facts.era) if facts else era
            machine = ran_on(facts) if facts else ""
        else:
            made = _made(examples, source.label, target.cpus, out)
            results = [ExampleResult(each.example, each.known) for each in made]
    except OutError as error:
        return _fail(str(error), BAD_PAGE)
    except MachineError as error:
        return _fail(str(error), MACHINE_FAILURE)
    folders = {each.number: folder_of(out, each) for each in examples if out and not each.unfit}
    report = PageReport(page, era, tuple(results), fragments, folders, machine)
    print(json.dumps(as_json(report), indent=2) if options.format == "json" else as_text(report))
    if failure:
        _fail(failure, MACHINE_FAILURE)
        return 1 if exit_status(results) == 1 else MACHINE_FAILURE
    return exit_status(results)


def _refuse_idle(options: argparse.Namespace) -> None:
    """Raise TargetError for options that only a machine uses: the era and the CPUs shape what is read and written."""
    idle = ["--target"] if options.target != USERLAND else []
    idle += [option for option in given(options) if option != "--cpus"]
    if idle:
        raise TargetError(f"{', '.join(idle)}: for the machine that --run runs the examples on; give that as well")


@contextmanager
def _aside() -> Iterator[Path]:
    """Give a folder for modules that nobody wants to keep; what a killed run left of one is removed by the next.

    Raises MachineError when the cache cannot be written.
    """
    from msgport_vm.scratch import Scratch
    from msgport_vm.userland import default_cache

    with Scratch(default_cache() / "manual") as scratch:
        yield scratch.path


def folder_of(out: Path, example: Example) -> Path:
    """Where an example's module is written."""
    return out / f"example-{example.number}"


def _made(examples: Sequence[Example], label: str, cpus: int, out: Path | None) -> list[Made]:
    """Find out which examples are known on so many CPUs, and write their modules if there is a place for them."""
    from msgport.check.page_examples import recognise
    from msgport.kmod.module import write
    from msgport.kmod.page_example import generate_example
    from msgport.page_run import Made
    from msgport.scenario.library import catalogue, load

    variants = [variant for path in catalogue() for variant in load(path) if variant.module]
    made: list[Made] = []
    for example in examples:
        known = recognise(example, variants, cpus)
        folder = None if example.unfit or out is None else folder_of(out, example)
        if folder:
            module = generate_example(example, label, known)
            others = [path.name for path in folder.glob("*.c") if path.stem != module.name]
            if others:
                raise OutError(f"{folder} holds another module already ({others[0]}): name another folder with --out")
            try:
                write(module, folder)
            except OSError as error:
                raise OutError(f"cannot write to {folder}: {error.strerror}") from error
        made.append(Made(example, known, folder))
    return made


def _run(
    target: Target, options: argparse.Namespace, label: str, examples: Sequence[Example], out: Path
) -> tuple[list[ExampleResult], Facts | None, str]:
    """Run the examples; gives what became of them, the machine's facts, and why it stopped early if it did."""
    from msgport.page_run import run_examples
    from msgport.report.manual import ExampleResult
    from msgport_vm.machine import MachineError

    results: list[ExampleResult] = []
    facts: Facts | None = None
    failure = ""
    with target.machine(_note) as machine:
        try:
            facts = machine.boot()
            target.check(facts)
            made = _made(examples, label, facts.cpus, out)
            for result in run_examples(machine, facts, made, secrets.randbits(32)):
                results.append(result)
                if result.transcript and options.out:
                    write_whole(folder_of(out, result.example) / "transcript.txt", result.transcript)
        except MachineError as error:
            failure = f"the machine failed: {error}" + (f"\n{error.screen}" if error.screen else "")
            results += [ExampleResult(each, None) for each in examples[len(results) :]]
    for left in machine.left_behind:
        _note(f"left behind on the machine: {left}")
    return results, facts, failure


def _note(text: str) -> None:
    print(f"msgport: {text}", file=sys.stderr)


def _fail(text: str, status: int) -> int:
    _note(text)
    return status
