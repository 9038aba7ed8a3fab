"""Several machines side by side: who runs what, one result each, and machines that fail or are told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from msgport.campaign import Order, run
from msgport.check.models import consult
from msgport.cli import main
from msgport.deal import Deal
from msgport.execution import Limits
from msgport.report.data import VariantResult
from msgport.report.progress import RunProgress
from msgport.report.results import ResultsFolder
from msgport.selection import choose
from msgport.targets import Target
from msgport_vm.machine import Event, Facts, MachineError
from msgport_vm.userland import UserlandMachine
from tests.processes import signal_when

NAMES = ("two-senders", "double-send", "say", "initmsg-flags", "reply-order")


class Fragile(UserlandMachine):
    """A machine that fails for good at one load, the first being 0."""

    def __init__(self, at: int) -> None:
        super().__init__(4)
        self._loads_left = at

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        if self._loads_left == 0:
            raise MachineError("it went up in smoke")
        self._loads_left -= 1
        return super().load(module, tunables, timeout)


class Stillborn(UserlandMachine):
    """A machine that does not come up."""

    def boot(self) -> Facts:
        raise MachineError("no such luck")


def campaign(
    folder: Path, machines: list[UserlandMachine], notes: list[str] | None = None, *, executions: int = 60
) -> Iterator[VariantResult]:
    variants = [consult(variant) for variant in choose(list(NAMES), None)]
    first, *clones = machines
    note = (notes if notes is not None else []).append
    with first:
        try:
            facts = first.boot()
            order = Order(Limits(0, executions), seed=5, nonce=77)
            yield from run(first, facts, variants, order, ResultsFolder.create(folder), clones, note)
        finally:
            for clone in clones:
                clone.close()


def kept(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return data


def test_a_deal_gives_each_place_once_and_a_machine_without_work_takes_the_end_of_the_longest_share() -> None:
    deal = Deal(7, 2)
    assert deal.share(0) == [0, 2, 4, 6] and deal.share(1) == [1, 3, 5]
    assert [deal.take(1) for _ in range(5)] == [1, 3, 5, 6, 4]
    assert deal.left == 2 and [deal.take(0), deal.take(0), deal.take(0), deal.take(1)] == [0, 2, None, None]


def test_a_stopped_deal_gives_out_no_more() -> None:
    deal = Deal(7, 2)
    deal.stop()
    assert deal.take(0) is None and deal.left == 7


def test_results_of_several_machines_stand_in_the_catalogues_order_and_do_not_depend_on_who_ran_what(
    tmp_path: Path,
) -> None:
    alone = list(campaign(tmp_path / "alone", [UserlandMachine(4)]))
    together = list(campaign(tmp_path / "together", [UserlandMachine(4) for _ in range(3)]))
    assert {result.variant.name for result in alone} == {result.variant.name for result in together}
    one, three = kept(tmp_path / "alone"), kept(tmp_path / "together")
    environment = three["environment"]
    assert isinstance(environment, dict) and environment["machines"] == 3 and three["complete"] is True
    for data, folder in ((one, tmp_path / "alone"), (three, tmp_path / "together")):
        variants = data["variants"]
        assert isinstance(variants, list)
        assert [variant["name"] for variant in variants] == [result.variant.name for result in alone]
        assert all(variant["verdict"] in ("conforms", "deviates") for variant in variants)
        data["loads"] = [
            line.split(":")[2:4] + line.split(" seed=")[-1].split()[:1]
            for variant in variants
            for line in (folder / variant["transcript"]).read_text().splitlines()
            if ":env " in line
        ]
    assert one["loads"] == three["loads"], "nonces and seeds are the variants', whatever machine runs them"


def test_what_a_failed_machine_had_in_hand_is_inconclusive_and_the_others_do_the_rest(tmp_path: Path) -> None:
    notes: list[str] = []
    results = list(campaign(tmp_path / "r", [UserlandMachine(4), Fragile(0)], notes))
    bad = [result for result in results if result.verdict.kind == "inconclusive"]
    assert len(bad) == 1 and len(results) == len({result.variant.name for result in results})
    assert len(results) == len([variant for name in NAMES for variant in choose([name], None)])
    told = "machine 2 of 2 failed for good: it went up in smoke"
    assert bad[0].verdict.detail == told and notes == [told] and kept(tmp_path / "r")["complete"] is True


def test_a_clone_that_does_not_come_up_leaves_its_share_to_the_others(tmp_path: Path) -> None:
    notes: list[str] = []
    results = list(campaign(tmp_path / "r", [UserlandMachine(4), Stillborn(4)], notes))
    assert {str(result.verdict.kind) for result in results} == {"conforms", "deviates"}
    assert notes == ["machine 2 of 2 failed for good: no such luck"] and kept(tmp_path / "r")["complete"] is True


def test_when_the_last_machine_fails_what_was_judged_is_kept(tmp_path: Path) -> None:
    results: list[VariantResult] = []
    with pytest.raises(MachineError, match="up in smoke"):
        for result in campaign(tmp_path / "r", [Fragile(1), Fragile(1)]):
            results.append(result)
    data = kept(tmp_path / "r")
    variants = data["variants"]
    assert isinstance(variants, list) and len(variants) == len(results) == 4
    assert data["ended"] == "machine-failure" and data["complete"] is False


def test_the_command_shows_several_machines_in_order_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["say", "two-senders", "initmsg-flags", "--iterations", "30", "--machines", "2"]
    assert main(["run", *arguments, "--results", str(tmp_path / "r"), "--format", "ktap"]) == 0
    printed = capsys.readouterr()
    lines = [line for line in printed.out.splitlines() if line.startswith("ok")]
    assert [line.split()[2] for line in lines] == [variant.name for variant in choose(arguments[:3], None)]
    assert "2 machines side by side" in printed.err


@pytest.mark.parametrize("target", ["ssh://root@localhost", "vagrant"])
def test_there_is_one_machine_over_ssh_or_of_vagrants(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "say", "--target", target, "--machines", "2"]) == 2
    assert "--machines" in capsys.readouterr().err


def test_an_interrupted_run_on_several_machines_ends_at_once_and_leaves_no_process(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    command = [sys.executable, "-m", "msgport", "run", "say", "two-senders", "--time", "600", "--machines", "2"]
    process = subprocess.Popen(
        [*command, "--results", str(folder)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    file = folder / "results.json"
    signal_when(process, lambda: file.exists() and bool(kept(folder)["variants"]), signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3 and b"interrupted after 1 of" in err
    data = kept(folder)
    assert data["ended"] == "interrupted" and data["complete"] is False
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


class Closing(UserlandMachine):
    """A machine that tells what stands in the results when it is closed."""

    ended: list[str]

    def close(self) -> None:
        if self._process is not None:
            self.ended.append(kept(self.results)["ended"])
        super().close()

    results: Path


@pytest.mark.parametrize("machines", [1, 2])
def test_a_run_interrupted_between_two_results_is_over_before_its_machines_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], machines: int
) -> None:
    def interrupted(_self: RunProgress, _result: VariantResult) -> None:
        raise KeyboardInterrupt

    Closing.results, Closing.ended = tmp_path / "r", []
    monkeypatch.setattr(Target, "machine", lambda _self, _note: Closing(2))
    monkeypatch.setattr(RunProgress, "judged", interrupted)
    arguments = ["say", "two-senders", "--iterations", "20", "--machines", str(machines)]
    assert main(["run", *arguments, "--results", str(tmp_path / "r")]) == 3
    assert "interrupted after 1 of" in capsys.readouterr().err
    assert Closing.ended == ["interrupted"] * machines


class Leaving(UserlandMachine):
    """A machine at which Ctrl-C is pressed, and that cannot remove everything then."""

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        raise KeyboardInterrupt

    def close(self) -> None:
        super().close()
        self.left_behind = ("mp_test.ko",)


def test_what_an_interrupted_run_leaves_behind_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Target, "machine", lambda _self, _note: Leaving(4))
    assert main(["run", "say", "--results", str(tmp_path / "r")]) == 3
    error = capsys.readouterr().err
    assert "left behind on the machine: mp_test.ko" in error and "interrupted after 0 of 1" in error
