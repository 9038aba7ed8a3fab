"""A variant to the source and Makefile of a kernel module that runs it, through ``kmod_templates/``.

``generate`` is pure; ``write`` puts its result on disk.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

import msgport
from msgport.files import write_whole
from msgport.kmod.names import (
    comment,
    identifier,
    message_field,
    port_field,
    port_pointer,
    register_variable,
    serializer_field,
    string,
)
from msgport.kmod.rows import KINDS, Layout, is_wild, longest_ending, longest_text
from msgport.kmod.statements import SHOWN, HandlerFunction, Writer, flags, write_handler
from msgport.manual.api import Era
from msgport.scenario.canonical import canonical, content_hash, written
from msgport.scenario.outcome import Outcome
from msgport.scenario.program import Handler, Ref, Thread, Variant
from msgport.scenario.statements import STATEMENTS

BODY = 86
"""Bytes that a record has for its kind and fields: 120 less what frames them."""

OPEN_TABLE = 512
"""Different outcomes that a module has room for when any may come; else the first that is not allowed ends it."""

PATIENCE = 100_000
"""TSC ticks (some 40 us) that a thread looks for something on another CPU before it goes to sleep."""


@dataclass(frozen=True)
class Module:
    """A module as text. ``name`` is a C identifier, the module's name to the kernel and the stem of its files."""

    name: str
    source: str
    makefile: str


def generate(
    variant: Variant,
    allowed: Collection[Outcome] | None,
    *,
    nonce: int,
    seed: int,
    iterations: int,
    milliseconds: int,
    enough: int = 0,
    era: Era = Era.E,
) -> Module:
    """Write the module that runs a variant.

    ``allowed`` are the outcomes that do not stop it, panics left out; None lets it count whatever happens. ``nonce``,
    ``seed``, ``iterations``, ``milliseconds`` (0: no limit) and ``enough`` (executions; 0: never) are what it uses when
    the kernel's environment does not say otherwise at load; nonce and seed are 32 bits wide. Raises ValueError for
    what cannot be a module: a name that is no identifier, names too long for a record, an allowed outcome of another
    variant.
    """
    name = f"mp_{content_hash(variant)[:8]}_{nonce & 0xFFFFFFFF:08x}"
    view = _view(variant, allowed, era) | {
        "name": name,
        "nonce": _c_int(nonce),
        "seed": _c_int(seed),
        "iterations": iterations,
        "milliseconds": milliseconds,
        "enough": enough,
    }
    template = f"{identifier(variant.module)}.c.j2" if variant.module else "module.c.j2"
    return Module(name, render(template, view), render("Makefile.j2", view))


def generate_controlled(variant: Variant) -> Module:
    """Write the module that runs a variant on the userland machine under controlled schedules.

    Raises ValueError for what cannot be a module. A hand-written module's variant is run as its columns say.
    """
    name = f"mpc_{content_hash(variant)[:8]}"
    view = _view(variant, None, Era.E) | {"name": name}
    return Module(name, render("controlled.c.j2", view), "")


def write(module: Module, directory: Path) -> None:
    """Write ``NAME.c`` and ``Makefile`` into a directory, which is made if need be, each whole. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(directory / f"{module.name}.c", module.source)
    write_whole(directory / "Makefile", module.makefile)


@cache
def _environment() -> jinja2.Environment:
    package = Path(msgport.__file__).parent
    installed = package / "kmod_templates"
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(installed if installed.is_dir() else package.parent.parent / "kmod_templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(template: str, view: Mapping[str, Any]) -> str:
    """Fill in a template of ``kmod_templates/``."""
    return _environment().get_template(template).render(view)


def _c_int(number: int) -> int:
    """The same 32 bits as a signed number: a kernel's environment holds signed ones."""
    return (number + 2**31) % 2**32 - 2**31


def _view(variant: Variant, allowed: Collection[Outcome] | None, era: Era) -> dict[str, Any]:
    _check_example(variant)
    layout = Layout(variant)
    writer = Writer(variant, era)
    if longest_ending(layout) + len("new k=65535 i=4294967295 v= e=") > BODY:
        raise ValueError(f"{variant.name}: too many threads, or names too long, for a record of 120 bytes")
    rows = None if allowed is None else tuple(sorted(layout.row(outcome) for outcome in allowed))
    # Each page of a module costs a moment in which all CPUs wait for each other when it is loaded.
    table = max(OPEN_TABLE, 2 * len(rows or ())) if rows is None or is_wild(rows) else len(rows) + 1
    handlers = _handlers(variant)
    threads = [_thread_view(variant, thread, writer, layout) for thread in variant.threads]
    moves = any(statement.op == "setcpu" for thread in variant.threads for statement in thread.body)
    kinds = {place.kind for place in layout.places} | {kind for thread in threads for kind in thread["results"]}
    start_cpus = sorted({thread.cpu for thread in variant.threads})
    overridden = _overridden_builtins(variant)
    queues = any(place.kind == "q" for place in layout.places)
    bodies = [line for thread in threads for statement in thread["statements"] for line in statement["lines"]]
    return {
        "era": era.value,
        "hash": content_hash(variant),
        "title": comment(variant.name),
        "shown_name": string(variant.name[: BODY - len("begin h=0123456789abcdef s=")]),
        "claims": variant.claims,
        "about": comment(variant.about),
        "listing": _listing(variant),
        "declarations": _declarations(variant),
        "threads": threads,
        "ports": [{"field": port_field(port), "builtin": port.builtin} for port in variant.ports],
        "messages": [{"name": m.name, "field": message_field(m.name)} for m in variant.messages],
        "serializers": [serializer_field(name) for name in variant.serializers],
        "kept": _kept(variant),
        "kept_size": 1 << sum(len(thread.body) for thread in variant.threads).bit_length(),
        "keeps": any(handler.behaviour == "keep" for _, _, handler in _uses(variant)),
        "takes_kept": any(statement.op == "kept" for thread in variant.threads for statement in thread.body),
        "handlers": handlers,
        "counters": sorted({h.counter for h in handlers}),
        "observables": [str(place.observable) for place in layout.places],
        "observables_at": [{"name": str(p.observable), "kind": p.kind, "at": p.at} for p in layout.places],
        "observe": _observe(variant, layout, {h.counter for h in handlers}),
        "kinds": kinds | ({"m"} if queues else set()),
        "queues": queues,
        "nvalues": layout.width,
        "allowed": rows,
        "wild": rows is not None and is_wild(rows),
        "table": table,
        "index_size": 1 << (2 * table - 1).bit_length(),
        "text_size": longest_text(layout),
        "shown_flags": SHOWN,
        "ncpus": variant.cpus,
        "start_cpus": start_cpus,
        "cpus_in_use": _cpus_in_use(variant),
        "rendezvous": len(start_cpus) > 1,
        "ring_entries": max(64, 1 << (2 * sum(len(thread.body) for thread in variant.threads)).bit_length()),
        "patience": PATIENCE,
        "trips": 2 if moves else 1,
        "moves": moves,
        "crit": any(s["begin"] == "mpt_begin_critical" for thread in threads for s in thread["statements"]),
        "says": variant.says,
        "lines": [string(line) for line in layout.lines],
        "say_at": layout.says_at,
        "say_slots": layout.says_width,
        "uses_mine": any("mpt_mine(" in line for line in bodies),
        "uses_which": queues or any("mpt_which(" in line or "mpt_mine(" in line for line in bodies),
        "overridden": bool(overridden),
        "setup": _setup(variant, writer, overridden),
        "spin_init": writer.spin_init,
        "builtin": any(port.builtin for port in variant.ports),
        "initport_spin": writer.initport_spin("&spin", "NULL"),
    }


def _check_example(variant: Variant) -> None:
    """ValueError unless the columns say what the hand-written module does."""
    ops = [[statement.op for statement in thread.body] for thread in variant.threads]
    service = ["waitport", "say", "replymsg"]
    match variant.module:
        case "example1":
            cpus = variant.cpus
            fits = ops == [["say", "initmsg", "domsg"] * cpus] + [service] * cpus
            fits = fits and [thread.cpu for thread in variant.threads[1:]] == list(range(cpus))
        case "example2":
            fits = ops == [["say", "sendmsg"], service]
        case _:
            return
    if not fits:
        raise ValueError(f"{variant.name}: its columns are not what the module {variant.module} does")


def _thread_view(variant: Variant, thread: Thread, writer: Writer, layout: Layout) -> dict[str, Any]:
    statements: list[dict[str, Any]] = []
    critical = 0
    for number, statement in enumerate(thread.body, 1):
        slot = layout.register.get(f"{thread.name}:{statement.register}")
        statements.append(
            {
                "number": number,
                "text": comment(written(statement)),
                "begin": "mpt_begin_critical" if critical else "mpt_begin",
                "lines": writer.statement(statement, number, slot),
            }
        )
        critical += {"crit_enter": 1, "crit_exit": -1}.get(statement.op, 0)
    moves = any(statement.op == "setcpu" for other in variant.threads for statement in other.body)
    return {
        "name": identifier(thread.name),
        "cpu": thread.cpu,
        "statements": statements,
        "still_critical": max(critical, 0),
        "registers": [
            register_variable(s.register) for s in thread.body if s.register and STATEMENTS[s.op].result == "message"
        ],
        "uses_x": any("x->" in line or "(x," in line for s in statements for line in s["lines"]),
        "results": "".join(KINDS.get(STATEMENTS[s.op].result or "", "-") for s in thread.body),
        "shared": moves or sum(other.cpu == thread.cpu for other in variant.threads) > 1,
    }


def _cpus_in_use(variant: Variant) -> list[int]:
    moves = (s.arguments[0] for thread in variant.threads for s in thread.body if s.op == "setcpu")
    return sorted({thread.cpu for thread in variant.threads} | {cpu for cpu in moves if isinstance(cpu, int)})


def _uses(variant: Variant) -> list[tuple[str, str, Handler]]:
    """Every handler of the variant, as (subject, role, handler); once each, in the order of first mention."""
    found: list[tuple[str, str, Handler]] = []
    ports = {port.name: port for port in variant.ports}
    for port in variant.ports:
        found += [
            (port_field(port), role, handler)
            for role, handler in (("putport", port.putport), ("replyport", port.replyport))
            if handler
        ]
    found += [(message_field(m.name), "abort", m.abort) for m in variant.messages if m.abort]
    for thread in variant.threads:
        for statement in thread.body:
            target = statement.arguments[0] if statement.arguments else None
            for parameter, argument in zip(STATEMENTS[statement.op].parameters, statement.arguments, strict=False):
                if isinstance(argument, Handler) and isinstance(target, Ref):
                    role = str(parameter)
                    subject = message_field(target.name) if role == "abort" else port_field(ports[target.name])
                    found.append((subject, role, argument))
    return list(dict.fromkeys(found))


def _handlers(variant: Variant) -> list[HandlerFunction]:
    uses = _uses(variant)
    return [
        write_handler(
            subject, role, handler, tuple(h for s, r, h in uses if (s, r) == (subject, role) and h != handler)
        )
        for subject, role, handler in uses
    ]


def _kept(variant: Variant) -> list[str]:
    keepers = [f"kept_{subject}" for subject, _, handler in _uses(variant) if handler.behaviour == "keep"]
    ports = {port.name: port for port in variant.ports}
    takers = [
        f"kept_{port_field(ports[target.name])}"
        for thread in variant.threads
        for statement in thread.body
        if statement.op == "kept" and isinstance(target := statement.arguments[0], Ref)
    ]
    return list(dict.fromkeys(keepers + takers))


def _overridden_builtins(variant: Variant) -> set[str]:
    """Built-in ports with other handlers than their own at some time."""
    ports = {port.name: port for port in variant.ports if port.builtin}
    declared = {name for name, port in ports.items() if port.putport or port.replyport}
    assigned: set[str] = set()
    for thread in variant.threads:
        for statement in thread.body:
            target = statement.arguments[0] if statement.arguments else None
            if statement.op in ("setputport", "setreplyport") and isinstance(target, Ref) and target.name in ports:
                assigned.add(target.name)
    return declared | assigned


def _setup(variant: Variant, writer: Writer, overridden: set[str]) -> list[str]:
    lines = [f"lwkt_serialize_init(&x->{serializer_field(name)});" for name in variant.serializers]
    for port in variant.ports:
        if not port.builtin or port.name in overridden:
            lines += writer.setup_port(port)
    lines += [writer.spin_init(f"&x->{kept}.lock") for kept in _kept(variant)]
    ports = {port.name: port for port in variant.ports}
    for message in variant.messages:
        if message.raw:
            continue
        pointer = f"&x->{message_field(message.name)}"
        reply = port_pointer(ports[message.reply]) if message.reply else "NULL"
        if message.abort:
            function = write_handler(message_field(message.name), "abort", message.abort).function
            lines.append(f"lwkt_initmsg_abortable({pointer}, {reply}, {flags(message.flags)}, {function});")
        else:
            lines.append(f"lwkt_initmsg({pointer}, {reply}, {flags(message.flags)});")
    return lines


def _observe(variant: Variant, layout: Layout, counters: set[str]) -> list[str]:
    ports = {port.name: port for port in variant.ports}
    lines = []
    for place in layout.places:
        subject = place.observable.subject
        value = f"x->value[{place.at}]"
        match place.observable.kind:
            case "error":
                lines.append(f"{value} = x->{message_field(subject)}.ms_error;")
            case "flags":
                lines.append(f"{value} = x->{message_field(subject)}.ms_flags & MPT_SHOWN;")
            case "queue":
                lines.append(f"mpt_queue(x, &{value}, {port_pointer(ports[subject])});")
            case "calls":
                name, _, role = subject.rpartition(".")
                field = message_field(name) if role == "abort" else port_field(ports[name])
                counter = f"calls_{field}_{role}"
                # A handler that no statement ever sets is never called.
                lines.append(f"{value} = x->{counter};" if counter in counters else f"{value} = 0;")
    return lines


def _declarations(variant: Variant) -> list[str]:
    """The lines of the canonical text before the columns: what is observed and what is declared."""
    lines = canonical(variant).splitlines()
    return [comment(line) for line in lines[: -1 - max((len(thread.body) for thread in variant.threads), default=0)]]


def _listing(variant: Variant) -> list[str]:
    """The columns side by side, as the scenario has them."""
    columns = [
        [f"{thread.name} @ {thread.cpu}", *(comment(written(statement)) for statement in thread.body)]
        for thread in variant.threads
    ]
    widths = [max(map(len, column)) for column in columns]
    rows = range(max(map(len, columns), default=0))
    return [
        " | ".join(
            (column[row] if row < len(column) else "").ljust(width)
            for column, width in zip(columns, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
