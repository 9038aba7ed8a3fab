"""Generated modules under the compiler's sanitizers: some of the catalogue, which between them have all there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from msgport.campaign import module_of
from msgport.check.models import consult
from msgport.check.verdict import Kind
from msgport.execution import Limits, execute
from msgport.kmod.module import write
from msgport.manual.api import Era, PortKind
from msgport.plan import Grain, Mode, Plan
from msgport.scenario.canonical import canonical
from msgport.scenario.program import Ref, Variant
from msgport.scenario.statements import STATEMENTS
from msgport.schedules import run_schedules
from msgport.selection import choose
from msgport_vm.controlled import ControlledMachine
from msgport_vm.userland import UserlandMachine

RACES = {
    "drop-under-way",
    "initmsg-put-under-way",
    "initmsg-reply-under-way",
    "netisr-builtin",
    "putport-set",
    "replyport-set",
}
"""Scenarios whose own threads race, by what the page lets them do: they assign a handler or initialise a message that
another CPU looks at, or look at one that is still under way. Any sanitizer of threads is right to report them."""

LIMITS = Limits(seconds=2, executions=50)


def traits(variant: Variant) -> set[str]:
    """What its module is made of: statements, on which ports with queues, kinds, handlers in each role, flags."""
    text = re.sub('"[^"]*"', "", canonical(variant))
    roles = re.findall(r"(?:putport|replyport|abort) [a-z]+", text)
    kinds = {port.name: port.kind for port in variant.ports if port.kind in ("thread", "spin", "serialize")}
    statements = [statement for thread in variant.threads for statement in thread.body]
    # What is on one CPU only cannot race.
    on = {
        f"{each.op} {kinds[argument.name]} {variant.cpus > 1}"
        for each in statements
        for argument in each.arguments
        if isinstance(argument, Ref) and argument.name in kinds
    }
    return {*re.findall(r"[A-Za-z]\w{2,}", text), *roles, *on}


@cache
def representatives() -> tuple[Variant, ...]:
    """Variants that between them have every trait that any of the catalogue has: the richest first."""
    offered = {variant: traits(variant) for variant in choose([], None) if variant.scenario not in RACES}
    lacking = set().union(*offered.values())
    chosen: list[Variant] = []
    while lacking:
        richest = max(offered, key=lambda variant: len(offered[variant] & lacking))
        chosen.append(richest)
        lacking -= offered.pop(richest)
    return tuple(chosen)


@pytest.fixture(scope="session")
def machine(sanitize: str) -> Iterator[UserlandMachine]:
    with UserlandMachine(4, sanitize=sanitize) as machine:
        machine.boot()
        yield machine


@pytest.fixture(scope="session")
def controlled(sanitize: str) -> Iterator[ControlledMachine]:
    with ControlledMachine(sanitize=sanitize) as machine:
        machine.boot()
        yield machine


@pytest.mark.parametrize("variant", representatives(), ids=lambda variant: variant.name)
def test_a_generated_module_is_clean(machine: UserlandMachine, variant: Variant, tmp_path: Path) -> None:
    models = consult(variant)
    write(module_of(models, LIMITS, 0, 1, Era.E), tmp_path)
    execution = execute(machine, machine.build(tmp_path), models, LIMITS, 0x1000, 1)
    # A report ends the machine, which makes the variant inconclusive with the report as the reason.
    verdict = models.judge(execution.observed(), "both", require_seen=False)
    assert verdict.kind in (Kind.CONFORMS, Kind.DEVIATES), verdict.detail


def test_no_statement_and_no_kind_of_port_is_left_out() -> None:
    covered = set().union(*(traits(variant) for variant in representatives()))
    assert covered >= {*STATEMENTS, *PortKind}


@pytest.mark.parametrize("sanitize", ["address,undefined"], indirect=True, scope="session")
@pytest.mark.parametrize("grain", Grain)
@pytest.mark.parametrize(
    "name",
    ["two-senders/P=spin", "double-send", "domsg-to-oneself", "moving-owner", "serializer-two", "kept/R=thread", "say"],
)
def test_the_machine_under_control_is_clean(controlled: ControlledMachine, name: str, grain: Grain) -> None:
    (variant,) = choose([name], None)
    result = run_schedules(controlled, consult(variant), Plan(Mode.RANDOM, grain, schedules=200))
    assert result.verdict.kind is Kind.CONFORMS, result.verdict.detail
