"""Whole runs on the userland machine: verdicts, results on disk, and bad days."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import msgport.report
from msgport import campaign
from msgport.campaign import Order
from msgport.check.models import consult
from msgport.check.verdict import Kind
from msgport.cli import main
from msgport.execution import Limits
from msgport.report.data import VariantResult
from msgport.report.results import ResultsError, ResultsFolder
from msgport.selection import choose
from msgport_vm.machine import Event, EventKind
from msgport_vm.userland import UserlandMachine
from tests.processes import signal_when

SCHEMA = json.loads((Path(msgport.report.__file__).parent / "results.schema.json").read_text())


def run(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(["run", *arguments, "--results", str(folder)])
    return status, json.loads((folder / "results.json").read_text())


def verdicts(data: dict[str, Any]) -> dict[str, str]:
    return {variant["name"]: variant["verdict"] for variant in data["variants"]}


def test_a_run_judges_and_keeps_what_it_rests_on(tmp_path: Path) -> None:
    status, data = run(tmp_path / "r", "two-senders/P=spin", "--iterations", "200")
    assert status == 0 and data["complete"] is True and data["ended"] == "done"
    (variant,) = data["variants"]
    assert variant["verdict"] == "conforms" and variant["executions"] == 200
    assert sum(outcome["count"] for outcome in variant["outcomes"]) == 200
    assert "msgport:" in (tmp_path / "r" / variant["transcript"]).read_text()
    assert "DECLARE_MODULE" in (tmp_path / "r" / variant["module"]).read_text()


def test_causal_order_is_really_broken_on_a_thread_port(tmp_path: Path) -> None:
    _, data = run(tmp_path / "r", "causal-order/P=thread", "--iterations", "3000")
    (variant,) = data["variants"]
    assert {tuple(outcome["values"][2:]) for outcome in variant["outcomes"]} == {("a", "b"), ("b", "a")}


def test_a_known_deviation_is_named_and_is_no_failure(tmp_path: Path) -> None:
    status, data = run(tmp_path / "r", "initmsg-flags", "--iterations", "20")
    (variant,) = data["variants"]
    assert status == 0 and variant["verdict"] == "deviates" and variant["detail"] == "initmsg-assigns-flags"


def test_a_report_that_goes_to_no_terminal_has_no_blanks_at_the_ends_of_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "r", "initmsg-flags", "domsg-to-oneself", "--iterations", "3")
    lines = capsys.readouterr().out.splitlines()
    assert any("initmsg-assigns-flags" in line for line in lines)
    assert [line for line in lines if line != line.rstrip()] == []


def test_expected_panics_and_deadlocks_conform_on_machines_brought_back(tmp_path: Path) -> None:
    status, data = run(tmp_path / "r", "double-send", "domsg-to-oneself", "say", "special-waitmsg", "--time", "60")
    assert status == 0 and set(verdicts(data).values()) == {"conforms"}
    for variant in data["variants"]:
        assert variant["executions"] == 3, "three lives of the machine"


def test_a_saved_transcript_is_judged_as_the_run_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, data = run(tmp_path / "r", "two-senders", "double-send", "example-1", "--iterations", "100")
    text = "".join((tmp_path / "r" / each["transcript"]).read_text() for each in data["variants"])
    (tmp_path / "console.txt").write_text("boot messages\r\n" + text.replace("\n", "\r\n") + "# ")
    capsys.readouterr()
    assert main(["check", str(tmp_path / "console.txt"), "--format", "json"]) == 0
    assert verdicts(json.loads(capsys.readouterr().out)) == verdicts(data)


def test_a_truncated_transcript_is_inconclusive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, data = run(tmp_path / "r", "two-senders/P=spin", "--iterations", "100")
    text = (tmp_path / "r" / data["variants"][0]["transcript"]).read_text()
    (tmp_path / "console.txt").write_text("\n".join(text.splitlines()[:-1]) + "\n")
    capsys.readouterr()
    assert main(["check", str(tmp_path / "console.txt")]) == 3
    assert "no end record" in capsys.readouterr().out


def test_a_stale_transcript_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = tmp_path / "own.msgport"
    text = (
        "MSGPORT own\nclaims: getport.first\n{{ port P owner T1; msg a reply T0.port flags {} }}\n"
        " T0 | T1 ;\n sendmsg P a | r0 = waitport P ;\nalways done\n"
    )
    scenario.write_text(text.format("USER0"))
    _, data = run(tmp_path / "r", str(scenario), "--iterations", "10")
    scenario.write_text(text.format("USER1"))
    capsys.readouterr()
    assert main(["check", str(tmp_path / "r" / data["variants"][0]["transcript"]), str(scenario)]) == 2
    assert "is of version" in capsys.readouterr().err


def test_too_few_cpus_is_untested_with_the_reason_and_nothing_judged(tmp_path: Path) -> None:
    status, data = run(tmp_path / "r", "causal-order", "--cpus", "2")
    assert status == 3 and set(verdicts(data).values()) == {"untested"}
    assert "needs 4 CPUs" in data["variants"][0]["detail"]


def test_one_of_a_thing_is_no_plural(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "r", "not-the-owner", "--cpus", "1", "--iterations", "1")
    told = capsys.readouterr()
    assert "1 virtual CPU on" in told.out
    run(tmp_path / "s", "domsg-to-oneself", "--iterations", "1", "-v")
    told = capsys.readouterr()
    assert "(1 execution)" in told.err and "in 1 of 1 execution," in told.out


def test_no_c_compiler_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "there-is-no-such-compiler")
    assert main(["run", "say", "--results", str(tmp_path / "r")]) == 3
    err = capsys.readouterr().err
    assert "there-is-no-such-compiler" in err and "nstall" in err
    assert not (tmp_path / "r").exists()


def test_a_compiler_error_is_shown_and_inconclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "cc"
    broken.write_text(
        '#!/bin/sh\ncase "$*" in *mp_*) echo "mp.c:1: error: no luck today" >&2; exit 1;; esac\nexec cc "$@"\n'
    )
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    status, data = run(tmp_path / "r", "say")
    assert status == 3 and verdicts(data) == {"say": "inconclusive"}
    assert "no luck today" in capsys.readouterr().out


def test_results_that_cannot_be_written_are_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["run", "say", "--results", str(tmp_path / "file" / "r")]) == 2
    assert "--results" in capsys.readouterr().err


def test_results_are_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "r", "say")
    before = (tmp_path / "r" / "results.json").read_bytes()
    assert main(["run", "say", "--results", str(tmp_path / "r")]) == 2
    assert "another run" in capsys.readouterr().err
    assert (tmp_path / "r" / "results.json").read_bytes() == before


@pytest.mark.parametrize("how", [[], ["--schedule", "random", "--iterations", "5"]], ids=["free", "scheduled"])
def test_a_disk_that_fills_up_ends_the_run_and_keeps_what_was_judged(
    how: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ResultsFolder.write

    def full(self: ResultsFolder, data: dict[str, Any]) -> None:
        # For the last one there is the reserve.
        if data["ended"] == "running" and len(data["variants"]) > 1:
            raise ResultsError(f"cannot write results: {os.strerror(errno.ENOSPC)}")
        whole(self, data)

    monkeypatch.setattr(ResultsFolder, "write", full)
    monkeypatch.setattr(campaign, "WRITE_EVERY", 0.0)
    folder = tmp_path / "r"
    assert main(["run", "domsg-reply", "double-send", "say", "--results", str(folder), *how]) == 3
    assert "No space left on device" in capsys.readouterr().err
    data = json.loads((folder / "results.json").read_text())
    jsonschema.validate(data, SCHEMA)
    assert verdicts(data) == {"domsg-reply": "conforms", "double-send": "conforms"}
    assert (data["ended"], data["complete"]) == ("results-failure", False)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_it_has_and_leaves_no_process(how: signal.Signals, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    command = [sys.executable, "-m", "msgport", "run", "say", "two-senders", "--time", "60"]
    # A process group of its own, so that whatever it leaves behind can be found.
    process = subprocess.Popen(
        [*command, "--results", str(folder)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    file = folder / "results.json"
    signal_when(process, lambda: file.exists() and bool(verdicts(json.loads(file.read_text()))), how)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3 and b"interrupted" in err
    data = json.loads(file.read_text())
    assert data["ended"] == "interrupted" and data["complete"] is False and verdicts(data) == {"say": "conforms"}
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


class Watched(UserlandMachine):
    """A machine that notes how long it may say nothing before it counts as hung."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float] = []

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        self.timeouts.append(timeout)
        return super().load(module, tunables, timeout)


class Interrupted(UserlandMachine):
    """A machine whose user loses patience in the middle of a load."""

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        yield Event(EventKind.CONSOLE, "spin_lock: indefinite wait\n")
        raise KeyboardInterrupt


def test_what_a_load_said_until_the_run_was_interrupted_is_kept(tmp_path: Path) -> None:
    results = ResultsFolder.create(tmp_path / "r")
    (models,) = [consult(variant) for variant in choose(["domsg-reply"], None)]
    with Interrupted() as machine, pytest.raises(KeyboardInterrupt):
        list(campaign.run(machine, machine.boot(), [models], Order(Limits(0, 20), 1, 7), results))
    assert (tmp_path / "r" / "domsg-reply" / "transcript.txt").read_text() == "spin_lock: indefinite wait\n"


def ran(folder: Path, limits: Limits, *names: str) -> list[VariantResult]:
    """Run variants of the catalogue for so long."""
    with UserlandMachine() as machine:
        facts = machine.boot()
        models = [consult(variant) for variant in choose(names, None)]
        return list(campaign.run(machine, facts, models, Order(limits, 1, 7), ResultsFolder.create(folder)))


def test_a_variant_is_over_once_it_has_shown_all_it_may_often_enough(tmp_path: Path) -> None:
    results = ran(tmp_path / "r", Limits(seconds=300, enough=200), "domsg-reply", "getport-polls/P=spin")
    for result in results:
        assert result.verdict.kind is Kind.CONFORMS and result.verdict.seen == result.verdict.allowed
    assert results[0].verdict.executions == 200
    assert results[1].verdict.executions >= 200


@pytest.mark.parametrize(
    ("limits", "long_enough"),
    [(Limits(seconds=0.5, silence=20), 20.4), (Limits(seconds=0, executions=2000, silence=20), 25.0)],
    ids=["seconds", "executions"],
)
def test_a_module_that_counts_for_long_is_not_taken_for_a_hang(
    limits: Limits, long_enough: float, tmp_path: Path
) -> None:
    (models,) = [consult(variant) for variant in choose(["domsg-reply"], None)]
    with Watched() as machine:
        facts = machine.boot()
        results = ResultsFolder.create(tmp_path / "r")
        (result,) = campaign.run(machine, facts, [models], Order(limits, 1, 7), results)
    assert result.verdict.kind is Kind.CONFORMS
    assert [timeout >= long_enough for timeout in machine.timeouts] == [True]


def test_a_module_of_the_same_text_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSGPORT_CACHE", str(tmp_path / "cache"))
    limits = Limits(seconds=0, executions=3)
    ran(tmp_path / "first", limits, "domsg-reply")
    (kept,) = (tmp_path / "cache" / "modules").iterdir()
    before = kept.stat().st_ino
    (again,) = ran(tmp_path / "second", limits, "domsg-reply")
    assert again.verdict.kind is Kind.CONFORMS
    assert [each.stat().st_ino for each in (tmp_path / "cache" / "modules").iterdir()] == [before]
