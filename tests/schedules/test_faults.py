"""Copies of the message ports with a single fault of atomicity: each is seen by schedules, and replayed exactly."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from msgport.check.models import consult
from msgport.check.verdict import Kind
from msgport.plan import Grain, Mode, Plan
from msgport.schedules import run_schedules
from msgport.selection import choose
from msgport_vm.controlled import ControlledMachine
from msgport_vm.userland import default_sources

PORTS = "kern/lwkt_msgport.c"


@dataclass(frozen=True)
class Fault:
    """What is changed in which file, and a variant and plans that show it."""

    file: str
    right: str
    wrong: str
    variant: str
    plans: tuple[Plan, ...]


ALL_CALLS = Plan(Mode.EXHAUSTIVE, Grain.CALL, 2000)
ALL_ACCESSES = Plan(Mode.EXHAUSTIVE, Grain.ACCESS, 2000)
RANDOM = Plan(Mode.RANDOM, Grain.ACCESS, 2000)
PCT = Plan(Mode.PCT, Grain.ACCESS, 2000)

FAULTS = {
    "a remote reply does not chase a thread that moved": Fault(
        PORTS,
        "\tif (owner != mycpu) {\n\t\tlwkt_send_ipiq(owner, lwkt_thread_replyport_remote, msg);\n\t\treturn;\n\t}\n",
        "\t(void)owner;\n",
        "moving-reply",
        (ALL_CALLS, ALL_ACCESSES, PCT),
    ),
    "the mark of sleepers is looked at outside the lock": Fault(
        PORTS,
        "\tspin_lock(&port->mpu_spin);\n\tappend(port, msg);\n\tsleepers = take_mark(port);\n",
        "\tsleepers = take_mark(port);\n\tspin_lock(&port->mpu_spin);\n\tappend(port, msg);\n",
        "fifo-one-sender/P=spin",
        (ALL_CALLS, ALL_ACCESSES, RANDOM, PCT),
    ),
    "flags are updated in two accesses": Fault(
        PORTS,
        "\tmsg->ms_flags |= flags;",
        "\tmsg->ms_flags = msg->ms_flags | flags;",
        "check-sync/R=spin",
        (ALL_ACCESSES,),
    ),
    "a message is done before its error is written": Fault(
        "include/sys/msgport2.h",
        "\tmsg->ms_error = error;\n\trport->mp_replyport(rport, msg);\n",
        "\trport->mp_replyport(rport, msg);\n\tmsg->ms_error = error;\n",
        "domsg-reply",
        (ALL_CALLS, ALL_ACCESSES, PCT),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_schedules_show_that(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    sources = tmp_path / "userland"
    shutil.copytree(default_sources(), sources)
    text = (sources / fault.file).read_text()
    assert fault.right in text
    (sources / fault.file).write_text(text.replace(fault.right, fault.wrong))
    (variant,) = choose([fault.variant], None)
    models = consult(variant)
    with ControlledMachine(sources=sources) as machine:
        machine.boot()
        for plan in fault.plans:
            result = run_schedules(machine, models, plan)
            assert result.verdict.kind is Kind.VIOLATES, plan
            assert result.schedules is not None
            forbidden = next(row.outcome for row in result.verdict.rows if row.forbidden)
            assert result.schedules.steps[forbidden]
            replayed = run_schedules(
                machine, models, Plan(Mode.REPLAY, plan.grain, schedule=result.schedules.first[forbidden])
            )
            assert [row.outcome for row in replayed.verdict.rows] == [forbidden]


@pytest.mark.parametrize("plan", [ALL_ACCESSES, RANDOM, PCT], ids=lambda plan: str(plan.mode))
def test_the_message_ports_as_they_are_show_none(controlled: ControlledMachine, plan: Plan) -> None:
    for variant in choose([fault.variant for fault in FAULTS.values()], None):
        verdict = run_schedules(controlled, consult(variant), plan).verdict
        assert verdict.kind in (Kind.CONFORMS, Kind.DEVIATES), verdict


@pytest.mark.parametrize("mode", [Mode.RANDOM, Mode.PCT])
def test_a_seed_makes_the_same_schedules(controlled: ControlledMachine, mode: Mode) -> None:
    (variant,) = choose(["two-senders/P=spin"], None)
    models = consult(variant)
    one, same, other = (
        run_schedules(controlled, models, Plan(mode, Grain.ACCESS, 200, seed=seed)) for seed in (3, 3, 4)
    )
    assert one.verdict == same.verdict and one.schedules == same.schedules
    assert one.schedules is not None and other.schedules is not None
    assert one.schedules.first != other.schedules.first
