"""The kernel model and the user-space message ports, written apart, agree on programs that nobody thought of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from msgport.campaign import module_of
from msgport.check.models import Models
from msgport.check.verdict import Kind
from msgport.execution import Limits, execute
from msgport.kmod.module import write
from msgport.manual.api import Era
from msgport.model import KERNEL, explore
from msgport.scenario.outcome import ANYTHING
from msgport_vm.machine import MachineError
from msgport_vm.userland import UserlandMachine, find_compiler
from tests.model.random_variants import random_variant

CPUS = 4
LIMITS = Limits(seconds=0, executions=50)
SEEDS, BLOCK = 40, 5


@pytest.fixture(scope="module")
def machine() -> Iterator[UserlandMachine]:
    try:
        find_compiler()
    except MachineError as error:
        pytest.skip(str(error))
    with UserlandMachine(CPUS) as machine:
        machine.boot()
        yield machine


def predicted(seed: int) -> Models | None:
    """Give the random variant of a seed and what the kernel does with it; None where that means nothing."""
    variant = random_variant(seed)
    kernel = explore(variant, KERNEL)
    if ANYTHING in kernel.outcomes or kernel.unowned or not kernel.complete or variant.cpus > CPUS:
        return None
    return Models(variant, kernel, kernel)


def disagreement(machine: UserlandMachine, models: Models, seed: int, folder: Path) -> str:
    """Run a variant; say what was seen that the kernel model does not allow. Empty when all of it is allowed."""
    nonce = 1 + 100 * seed
    module = module_of(models, LIMITS, nonce, seed, Era.E)
    write(module, folder)
    said: list[str] = []
    execution = execute(machine, machine.build(folder), models, LIMITS, nonce, seed, said.append)
    verdict = models.judge(execution.observed(), "both", require_seen=False)
    # Two threads that may panic alike can leave open which of them it was; that is no disagreement.
    agrees = verdict.kind is not Kind.VIOLATES and not verdict.problems and verdict.executions
    return "" if agrees else f"{verdict}\n{''.join(said)}"


@pytest.mark.parametrize("start", range(0, SEEDS, BLOCK))
def test_the_message_ports_do_only_what_the_model_allows(machine: UserlandMachine, tmp_path: Path, start: int) -> None:
    for seed in range(start, start + BLOCK):
        models = predicted(seed)
        if models is not None:
            assert disagreement(machine, models, seed, tmp_path / str(seed)) == "", seed


def test_most_random_variants_mean_something() -> None:
    assert sum(predicted(seed) is not None for seed in range(SEEDS)) >= 30
