"""Which scenario of the catalogue a manual page's example is.

It is known by what it does: by the message-port functions that it can reach from its first function, and by what it
can print. What it is called, where it stands and how it is laid out do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from msgport.kmod.page_example import Known
from msgport.manual.api import function_names
from msgport.manual.examples import Example
from msgport.scenario.parser import parse
from msgport.scenario.program import Variant

_CONVERSION = re.compile(r"%[-+ #0]*[0-9*]*(?:\.[0-9*]+)?[hlqjzt]*([A-Za-z%])")


def recognise(example: Example, variants: Iterable[Variant], cpus: int) -> Known | None:
    """The scenario among ``variants`` that the example is, as it goes on a machine with ``cpus`` CPUs.

    Only scenarios that stand for an example of the page (``module:``) are looked at.
    """
    for variant in variants:
        if variant.module and _calls(variant) == example.calls and _prints(variant, example.prints):
            return _on(variant, cpus)
    return None


def at_other_sizes(variants: Iterable[Variant], cpus: Iterable[int]) -> list[Variant]:
    """The scenarios that stand for an example of the page as they go on machines with so many CPUs."""
    return [_on(variant, number).variant for variant in variants if variant.module for number in cpus]


def _calls(variant: Variant) -> frozenset[str]:
    """The message-port functions that a scenario uses."""
    names = {f"lwkt_{statement.op}" for thread in variant.threads for statement in thread.body}
    names |= {f"lwkt_initport_{port.kind}" for port in variant.ports if not port.builtin}
    names |= {
        "lwkt_initmsg_abortable" if message.abort else "lwkt_initmsg" for message in variant.messages if not message.raw
    }
    return frozenset(names) & function_names()


def _prints(variant: Variant, formats: Iterable[str]) -> bool:
    """Whether every line that the scenario says is one that a format makes, and every format makes one of them."""
    lines = [str(s.arguments[0]) for thread in variant.threads for s in thread.body if s.op == "say"]
    patterns = [_pattern(text) for text in formats]
    return all(any(p.fullmatch(line) for p in patterns) for line in lines) and all(
        any(p.fullmatch(line) for line in lines) for p in patterns
    )


def _pattern(text: str) -> re.Pattern[str]:
    """What a line printed with a format looks like."""
    pattern, end = "", 0
    text = text.removesuffix("\n")
    for match in _CONVERSION.finditer(text):
        pattern += re.escape(text[end : match.start()])
        pattern += {"%": "%", "s": ".*", "c": "."}.get(match[1], "-?[0-9a-fx]+")
        end = match.end()
    return re.compile(pattern + re.escape(text[end:]))


def _on(variant: Variant, cpus: int) -> Known:
    """The scenario on a machine with so many CPUs: both examples make do with any number."""
    if variant.module == "example1":
        # A service for each CPU that there is.
        return Known(variant if cpus == variant.cpus else per_cpu_services(cpus), cpus)
    if variant.cpus <= cpus:
        return Known(variant, 0)
    threads = tuple(replace(thread, cpu=min(thread.cpu, cpus - 1)) for thread in variant.threads)
    return Known(replace(variant, scenario=f"{variant.scenario}-on-{cpus}-cpus", threads=threads), cpus)


def per_cpu_services(cpus: int) -> Variant:
    """The scenario ``example-1`` for another number of CPUs: a service on each, asked one after the other."""
    services = [f"T{cpu + 1}" for cpu in range(cpus)]
    asks = [
        row
        for cpu, service in enumerate(services)
        for row in (
            f'say "Sending msg to CPU {cpu}."',
            "initmsg m T0.port",
            f"r{cpu} = domsg {service}.port m",
        )
    ]
    answers = [
        [f"r0 = waitport {service}.port" for service in services],
        [f'say "Received message on CPU {cpu}."' for cpu in range(cpus)],
        ["replymsg r0 0"] * cpus,
    ]
    rows = [" | ".join([ask, *(answers[at] if at < len(answers) else [""] * cpus)]) for at, ask in enumerate(asks)]
    heads = " | ".join(["T0 @ 0", *(f"{service} @ {cpu}" for cpu, service in enumerate(services))])
    columns = " ;\n".join([heads, *rows, ""])
    text = f"MSGPORT example-1-on-{cpus}-cpus\nmodule: example1\n{{ msg m raw }}\n{columns}always done\n"
    (variant,) = parse(text, "example-1")
    return variant
