"""What was found out about a manual page: for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgport.check.verdict import Kind, Verdict
from msgport.kmod.page_example import Known
from msgport.manual.api import RELEASES, Era
from msgport.manual.drift import Drift, drift, eras_of, unlisted
from msgport.manual.examples import Example, Fragment
from msgport.manual.mdoc import Page
from msgport.scenario.outcome import Outcome

SCHEMA = "msgport-manual-1"


@dataclass(frozen=True)
class ExampleResult:
    """An example and, once it ran, its verdict; ``printed`` are its lines, ``transcript`` all console text."""

    example: Example
    known: Known | None
    verdict: Verdict | None = None
    printed: tuple[str, ...] = ()
    transcript: str = ""


def exit_status(results: Sequence[ExampleResult]) -> int:
    """0: nothing is wrong; 1: an example violates; 3: one could not be run to its end."""
    kinds = {result.verdict.kind for result in results if result.verdict}
    return 1 if Kind.VIOLATES in kinds else 3 if Kind.INCONCLUSIVE in kinds else 0


@dataclass(frozen=True)
class PageReport:
    """All that is told of a page. ``folders`` are where the modules of examples, by number, were written."""

    page: Page
    era: Era
    examples: tuple[ExampleResult, ...]
    fragments: tuple[Fragment, ...]
    folders: Mapping[int, Path]
    machine: str = ""


def as_json(report: PageReport) -> dict[str, Any]:
    """The report with a versioned schema, ``msgport-manual-1``."""
    page = report.page
    eras, whole = eras_of(page)
    only_name, only_synopsis = unlisted(page)
    return {
        "schema": SCHEMA,
        "page": {
            "file": page.file,
            "title": page.title,
            "volume": page.volume,
            "date": page.date,
            "about": page.about,
            "sections": [{"title": each.title, "line": each.line} for each in page.sections],
            "headers": list(page.headers),
            "functions": [
                {
                    "name": each.prototype.name,
                    "returns": each.prototype.returns,
                    "parameters": list(each.prototype.parameters),
                    "line": each.line,
                }
                for each in page.functions
            ],
            "only_in_name": list(only_name),
            "only_in_synopsis": list(only_synopsis),
        },
        "eras": list(eras),
        "fits": whole,
        "against": report.era,
        "drift": [
            {
                "kind": change.kind,
                "function": change.function,
                "line": change.line,
                "about": change.about,
                "page": str(change.page) if change.page else None,
                "era": str(change.era) if change.era else None,
            }
            for change in drift(page, report.era)
        ],
        "examples": [_example_json(report, result) for result in report.examples],
        "fragments": [{"line": each.line, "reason": each.reason} for each in report.fragments],
        "machine": report.machine,
    }


def _example_json(report: PageReport, result: ExampleResult) -> dict[str, Any]:
    example, verdict = result.example, result.verdict
    folder = report.folders.get(example.number)
    return {
        "number": example.number,
        "title": example.title,
        "first_line": example.lines[0].number,
        "last_line": example.lines[-1].number,
        "entry": example.entry,
        "calls": sorted(example.calls),
        "scenario": result.known.variant.name if result.known else None,
        "unfit": example.unfit,
        "folder": str(folder) if folder else None,
        "verdict": str(verdict.kind) if verdict else None,
        "detail": verdict.detail if verdict else "",
        "printed": list(result.printed),
        "expected": _expected(result),
    }


def as_text(report: PageReport) -> str:
    """The report as lines for people."""
    return "\n".join(_lines(report))


def _lines(report: PageReport) -> Iterator[str]:
    page = report.page
    yield f"{page.file}: {page.title.lower()}({page.volume}){f', {page.date}' if page.date else ''}: {page.about}"
    yield from _folded("  sections: ", [f"{each.title} ({each.line})" for each in page.sections])
    names = [each.prototype.name for each in page.functions]
    yield from _folded(f"  {_count(len(names), 'function')}: ", names)
    for listed, place, other in zip(unlisted(page), ("NAME", "SYNOPSIS"), ("SYNOPSIS", "NAME"), strict=True):
        if listed:
            yield from _folded(f"  in {place} but not in {other}: ", listed)
    yield ""
    yield from _drift(page, report.era)
    yield ""
    yield f"{_count(len(report.examples), 'example')}:" if report.examples else "The page has no example program."
    for result in report.examples:
        yield from _example(report, result)
    for fragment in report.fragments:
        yield f"  The literal text at {page.file}:{fragment.line} is no example: {fragment.reason}."
    if report.machine:
        yield ""
        yield report.machine


def _drift(page: Page, era: Era) -> Iterator[str]:
    eras, whole = eras_of(page)
    which = " or ".join(f"{each} (DragonFly {RELEASES[each]})" for each in eras)
    yield f"Its SYNOPSIS is {'that of' if whole else 'nearest to'} era {which}."
    changes = drift(page, era)
    if not changes:
        yield f"Nothing differs from era {era} (DragonFly {RELEASES[era]})."
        return
    yield f"Against era {era} (DragonFly {RELEASES[era]}):"
    width = max(len(change.kind) for change in changes)
    for change in changes:
        if change.kind is Drift.UNDOCUMENTED:
            yield f"  {change.kind:<{width}}  {change.era}"
            continue
        yield f"  {change.kind:<{width}}  {change.function} ({page.file}:{change.line}): {change.about}"
        if change.kind is Drift.CHANGED:
            yield f"    page:  {change.page}"
            yield f"    era {era}: {change.era}"


def _example(report: PageReport, result: ExampleResult) -> Iterator[str]:
    example, verdict = result.example, result.verdict
    first, last = example.lines[0].number, example.lines[-1].number
    yield f"  {example.number}. lines {first} to {last}{f': {example.title}' if example.title else ''}"
    if example.unfit:
        yield f"     no module: {example.unfit}"
    elif example.registers:
        yield "     it registers itself as a module"
    elif result.known:
        yield f"     begins with {example.entry}(); does what the scenario {result.known.variant.name} does"
    else:
        yield f"     begins with {example.entry}(); no scenario of the catalogue does what it does"
    if example.number in report.folders:
        yield f"     module: {report.folders[example.number]}"
    if verdict is None or (example.unfit and verdict.kind is Kind.UNTESTED):
        return
    head, *rest = verdict.detail.splitlines() or [""]
    yield f"     {verdict.kind}{f': {head}' if head else ''}"
    yield from (f"       {line}" for line in rest)
    if result.printed:
        yield "     printed:"
        yield from (f"       {line}" for line in result.printed)
    expected = _expected(result)
    if expected and verdict.kind is Kind.VIOLATES:
        yield "     should have printed:"
        yield from (f"       {line}" for line in expected)
    for row in verdict.rows:
        if row.outcome.kind == "deadlock":
            yield f"     {example.entry}() never returned: it sleeps, and nothing is left that could wake it"
        elif row.outcome.kind == "panic":
            yield f"     the machine panicked: {row.outcome.ending}"


def _expected(result: ExampleResult) -> list[str]:
    """The lines of the allowed outcome that is nearest to a forbidden one; or of the one that was seen."""
    if result.verdict is None:
        return []
    for row in result.verdict.rows:
        outcome: Outcome = row.nearest.outcome if row.nearest else row.outcome
        if outcome.values:
            return outcome.values[0].split(" / ")
    return []


def _folded(head: str, words: Sequence[str]) -> Iterator[str]:
    """Words in lines of at most 120 columns."""
    line = head
    for place, word in enumerate(words):
        piece = word + ("," if place + 1 < len(words) else "")
        if len(line) + len(piece) > 119 and line.strip():
            yield line.rstrip()
            line = "    "
        line += piece + " "
    yield line.rstrip()


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
