"""A manual page's example to the source and Makefile of a module: the page's text as it stands, and what it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from msgport.kmod.module import PATIENCE, Module, render
from msgport.kmod.names import comment, identifier, string
from msgport.manual.examples import Example
from msgport.scenario.canonical import content_hash
from msgport.scenario.program import Variant

MILLISECONDS = 10_000
"""How long an example may take to come to rest when the kernel's environment does not say."""

# Those that bsd.kmod.mk and this project turn on: in a page's example they are the page's affair.
WARNINGS = (
    *("all", "extra", "pointer-sign", "missing-prototypes", "strict-prototypes", "nested-externs", "redundant-decls"),
    *("pointer-arith", "cast-qual", "inline"),
)


@dataclass(frozen=True)
class Known:
    """The scenario that judges an example. ``cpus`` is the number of CPUs that it speaks of, 0 for any."""

    variant: Variant
    cpus: int


def generate_example(example: Example, label: str, known: Known | None, nonce: int = 0) -> Module:
    """Write the module of an example; ``label`` names the page in ``#line`` directives.

    Its records carry the identity of the scenario that judges it, if any is ``known``, so that they are judged as that
    scenario's; else the hash of its text. Raises ValueError for an example that is ``unfit``.
    """
    if example.unfit:
        raise ValueError(f"example {example.number}: {example.unfit}")
    own_hash = sha256(example.text.encode()).hexdigest()[:16]
    name = f"mp_ex{example.number}_{own_hash[:8]}"
    first, last = example.lines[0].number, example.lines[-1].number
    heading = f"Example {example.number} of {label}, lines {first} to {last}."
    view = {
        "heading": comment(heading),
        "title": comment(example.title),
        "name": identifier(name),
        "registers": example.registers,
        "entry": example.entry,
        "lines": _verbatim(example, label),
        "resume": _RESUME,
        "warnings": WARNINGS,
        "unseen": ", ".join(example.starts_unseen),
        "hash": content_hash(known.variant) if known else own_hash,
        "scenario": known.variant.name if known else name,
        "own_hash": own_hash,
        "cpus": known.cpus if known else 0,
        "nonce": (nonce + 2**31) % 2**32 - 2**31,
        "milliseconds": MILLISECONDS,
        "says": True,
        "cpus_in_use": (),
        "patience": PATIENCE,
    }
    source = render("page_example.c.j2", view)
    before, _, after = source.partition(_RESUME)
    # The compiler speaks of this file again from here on.
    resumed = f'{before}#line {before.count(chr(10)) + 2} "{name}.c"{after}'
    return Module(name, resumed, render("Makefile.j2", {"title": heading, "name": name}))


_RESUME = "\0resume\0"


def _verbatim(example: Example, label: str) -> list[str]:
    """The example's lines, with a ``#line`` directive before each that does not follow the one before in the page."""
    written: list[str] = []
    expected = 0
    for line in example.lines:
        if line.number != expected:
            written.append(f"#line {line.number} {string(label)}")
        written.append(line.text)
        expected = line.number + 1
    return written
