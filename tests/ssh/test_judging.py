"""Scenarios of the catalogue judged on a machine that is reached over ssh: real records, real verdicts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from msgport.campaign import Order, run
from msgport.check.models import consult
from msgport.execution import Limits
from msgport.report.results import ResultsFolder
from msgport.selection import choose
from msgport_vm.ssh import SshMachine
from tests.ssh.host import IMPATIENT, Host


@pytest.mark.parametrize(
    ("name", "executions"),
    [("two-senders/P=spin", 200), ("say", 3), ("double-send", 3)],
    ids=["records", "what is said", "a panic that the model predicts"],
)
def test_a_scenario_conforms_over_ssh(host: Host, tmp_path: Path, name: str, executions: int) -> None:
    variants = [consult(choose([name], None)[0])]
    order = Order(Limits(0, 200), seed=1, nonce=0x1000)
    with SshMachine(host.url, trust=host.trust, patience=IMPATIENT, allow_panic=True) as machine:
        facts = machine.boot()
        folder = ResultsFolder.create_in(tmp_path / "results", datetime.now())
        (result,) = run(machine, facts, variants, order, folder)
    assert result.verdict.kind == "conforms", result.verdict.detail
    assert result.verdict.executions == executions
    assert host.modules == set() and host.tunables == set()


def test_a_message_buffer_that_ran_over_loses_records_and_passes_nothing(host: Host, tmp_path: Path) -> None:
    host.program("dmesg", 'tail -c 250 "$STATE/msgbuf"')
    order = Order(Limits(0, 200), seed=1, nonce=0x1000)
    with SshMachine(host.url, trust=host.trust, patience=IMPATIENT, allow_panic=True) as machine:
        facts = machine.boot()
        folder = ResultsFolder.create_in(tmp_path / "results", datetime.now())
        (result,) = run(machine, facts, [consult(choose(["two-senders/P=spin"], None)[0])], order, folder)
    assert result.verdict.kind == "inconclusive"
    assert "lost" in result.verdict.detail
