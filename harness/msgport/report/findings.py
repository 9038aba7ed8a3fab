"""What runs on real machines say of the page: tables in Markdown, out of their ``results.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgport.check.verdict import Kind
from msgport.model.semantics import DEVIATIONS
from msgport.report.claims import Coverage
from msgport.report.runs import Run, words


def as_markdown(covered: Iterable[Coverage], runs: Sequence[Run], catalogue: Mapping[str, str]) -> str:
    """The tables: the runs, deviations and where each was observed, claims, races, what did not come up or not run.

    ``catalogue`` has the content hash of each of today's variants by name.
    """
    sections = (
        ("Runs", _runs(runs)),
        ("Deviations", _deviations(runs)),
        ("Claims", _claims(covered, runs)),
        ("Races", _races(runs)),
        ("Allowed and not seen", _unseen(runs)),
        ("Not run", _missing(runs, catalogue)),
    )
    return "\n".join(f"## {title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections)


def _runs(runs: Sequence[Run]) -> Iterator[str]:
    """What each run was of and how long it took: its panics one by one, as the machine starts anew after each."""
    titles = ("run", "kernel", "CPUs", "variants", "executions", "outcomes seen / allowed")
    yield from _head(*titles, "seconds, panics apart", "of the longest that panics")
    for run in runs:
        variants = run.data["variants"]
        kinds = Counter(variant["verdict"] for variant in variants)
        environment = run.data["environment"]
        panics = [v for v in variants if any(o["ending"].startswith("panic") for o in v["outcomes"])]
        quiet = sum(v["seconds"] for v in variants) - sum(v["seconds"] for v in panics)
        yield _row(
            run.name,
            ", ".join((environment["kernel"], *_unusual(environment))),
            environment["cpus"],
            f"{len(variants)}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())),
            f"{sum(variant['executions'] for variant in variants):,}",
            f"{sum(v['seen'] for v in variants):,} / {sum(v['allowed'] for v in variants):,}",
            f"{quiet:.1f}",
            f"{max(v['seconds'] for v in panics):.2f}" if panics else "",
        )


def _unusual(environment: Mapping[str, Any]) -> Iterator[str]:
    """How a kernel was built or booted otherwise than most that are tested."""
    if environment.get("invariants") is False:
        yield "without INVARIANTS"
    if environment.get("spin_builtin"):
        yield "built-in spin ports"


def _deviations(runs: Sequence[Run]) -> Iterator[str]:
    """Each named deviation with the outcomes that owed to it, as ``run: n of executions``, the commonest variants."""
    yield from _head("deviation", "what it is", "observed")
    for deviation in DEVIATIONS:
        seen: dict[str, list[str]] = {}
        for run in runs:
            for variant in run.data["variants"]:
                count = sum(o["count"] for o in variant["outcomes"] if deviation.name in o["deviations"])
                if count:
                    seen.setdefault(variant["name"], []).append(f"{run.name} {count:,} of {variant['executions']:,}")
        observed = "<br>".join(f"`{name}`: {'; '.join(where)}" for name, where in seen.items())
        yield _row(f"`{deviation.name}`", deviation.about, observed or "never")


def _claims(covered: Iterable[Coverage], runs: Sequence[Run]) -> Iterator[str]:
    yield from _head("claim", "what it says", *(run.name for run in runs))
    section = ""
    for each in covered:
        if each.claim.section != section:
            section = each.claim.section
            yield _row(f"**{section}**", "", *("" for _ in runs))
        verdicts = [run.verdict(each.scenarios) if each.scenarios else "untestable" for run in runs]
        why = "" if each.scenarios else f" *Not tested: {each.claim.untestable}.*"
        yield _row(f"`{each.claim.id}`", each.claim.text + why, *verdicts)


def _races(runs: Sequence[Run]) -> Iterator[str]:
    """The variants that did more than one thing in some run, with how often each, the commonest first."""
    found = {run.name: {v["name"]: v for v in run.data["variants"]} for run in runs}
    order = dict.fromkeys(v["name"] for run in runs for v in run.data["variants"] if len(v["outcomes"]) > 1)
    yield from _head("variant", "what is told", *found)
    for name in order:
        variants = [each.get(name) for each in found.values()]
        told = next(", ".join(variant["observables"]) for variant in variants if variant)
        yield _row(f"`{name}`", told or "the end", *(_counts(variant) if variant else "" for variant in variants))


def _counts(variant: dict[str, Any]) -> str:
    outcomes = sorted(variant["outcomes"], key=lambda outcome: -outcome["count"])
    return "<br>".join(f"{outcome['count']:,} `{words(outcome)}`" for outcome in outcomes)


def _unseen(runs: Sequence[Run]) -> Iterator[str]:
    yield from _head("variant", "run", "executions", "never seen")
    for run in runs:
        for variant in run.data["variants"]:
            if variant["unseen"] and variant["verdict"] != Kind.UNTESTED:
                outcomes = "<br>".join(f"`{words(outcome)}`" for outcome in variant["unseen"])
                yield _row(f"`{variant['name']}`", run.name, f"{variant['executions']:,}", outcomes)


def _missing(runs: Sequence[Run], catalogue: Mapping[str, str]) -> Iterator[str]:
    """The variants of today that no run has judged as they are today: they are newer, or were other programs then."""
    judged = [v for run in runs for v in run.data["variants"] if v["verdict"] != Kind.UNTESTED]
    missing = catalogue.items() - {(v["name"], v["hash"]) for v in judged}
    if not missing:
        yield f"Nothing: each of the {len(catalogue)} variants of the catalogue was judged as it is today."
        return
    changed = {v["name"] for v in judged}
    yield from _head("variant", "why not")
    for name in sorted(name for name, _ in missing):
        yield _row(f"`{name}`", "it has changed since" if name in changed else "in none of these runs")


def _head(*titles: str) -> Iterator[str]:
    yield _row(*titles)
    yield _row(*("---" for _ in titles))


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
