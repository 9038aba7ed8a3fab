"""A kernel booted with lwkt.use_spin_port=1: threads' built-in ports are spin ports, and are judged as such."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from msgport.campaign import Order, run
from msgport.check.models import consult, with_spin_builtin
from msgport.check.verdict import Kind, Verdict
from msgport.execution import Limits
from msgport.offline import judge_transcript
from msgport.report.results import ResultsFolder
from msgport.scenario.program import Variant
from msgport.selection import choose
from msgport_vm.userland import UserlandMachine

MOVING_REPLY = choose(["moving-reply"], None)[0]
"""A reply to a thread's built-in port waits while the owner is in a critical section; one to a spin port does not."""


def verdict(folder: Path, variant: Variant, *, booted: str, told: bool) -> tuple[Verdict, str]:
    """Run a variant on a machine booted so, of which the campaign is told so; its transcript too."""
    with UserlandMachine(environment={"lwkt.use_spin_port": booted}) as machine:
        facts = replace(machine.boot(), spin_builtin=told)
        results = ResultsFolder.create(folder)
        (result,) = run(machine, facts, [consult(variant)], Order(Limits(0, 200), 1, 7), results)
    assert result.transcript is not None
    return result.verdict, (folder / result.transcript).read_text()


def test_the_machine_tells_what_its_built_in_ports_are() -> None:
    for value, spin in (("0", False), ("1", True)):
        with UserlandMachine(environment={"lwkt.use_spin_port": value}) as machine:
            assert machine.boot().spin_builtin is spin


def test_the_models_allow_what_spin_ports_show() -> None:
    models = consult(MOVING_REPLY)
    assert models.kernel.outcomes < with_spin_builtin(models).kernel.outcomes


def test_a_variant_without_built_in_ports_is_the_same_on_both() -> None:
    (variant,) = choose(["reuse-after-domsg"], None)
    models = consult(variant)
    assert with_spin_builtin(models) is models


def test_a_kernel_with_spin_built_in_ports_conforms_and_so_does_its_transcript(tmp_path: Path) -> None:
    judged, transcript = verdict(tmp_path / "r", MOVING_REPLY, booted="1", told=True)
    assert judged.kind is Kind.CONFORMS and judged.allowed == 5
    (again,) = judge_transcript(transcript, [MOVING_REPLY], "both")
    assert (again.verdict.kind, again.verdict.allowed) == (Kind.CONFORMS, 5)


@pytest.mark.parametrize(("booted", "told"), [("1", False), ("0", True)])
def test_a_module_that_finds_other_built_in_ports_than_were_told_is_no_pass(
    tmp_path: Path, booted: str, told: bool
) -> None:
    judged, _ = verdict(tmp_path / "r", MOVING_REPLY, booted=booted, told=told)
    assert judged.kind in (Kind.INCONCLUSIVE, Kind.VIOLATES)
    assert any("of another kind than the machine was booted with" in problem for problem in judged.problems)
