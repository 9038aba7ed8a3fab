"""Faults tried: what kills one, and what never does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from msgport.check.models import consult
from msgport.cli import main
from msgport.execution import Limits
from msgport.plan import Grain, Mode, Plan
from msgport.scenario.outcome import Outcome
from msgport.selection import choose
from msgport.selftest.faults import Edit, Fault, Kind
from msgport.selftest.report import as_json, as_text, exit_status
from msgport.selftest.trial import End, Sign, Trial
from msgport.selftest.trials import by_claims, try_all
from msgport.selftest.unchanged import Order, Proven, Unchanged, UncleanError

MSGPORT = "kern/lwkt_msgport.c"
DOMSG = "	error = begin(port, msg, port->mp_putport);\n	if (error == EASYNC)"
CATALOGUE = [consult(variant) for variant in choose(["domsg-reply", "fifo-one-sender/P=spin"], None)]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def folder(tmp_path: Path, compiled: Path) -> Path:
    """A folder of the test's own; what is compiled in it, by its content, serves the other tests too."""
    (tmp_path / "cache").symlink_to(compiled)
    return tmp_path


def fault(kind: Kind, file: str, old: str, new: str, effect: str = "") -> Fault:
    return Fault("seeded", kind, "A fault.", ("domsg.waits",), (Edit(file, old, new),), effect)


def tried(folder: Path, *faults: Fault) -> Sequence[Trial]:
    order = Order(Limits(3.0, 50, silence=10.0), 1, folder)
    with Unchanged(CATALOGUE, order, lambda _: None) as unchanged:
        return list(try_all(faults, unchanged, order, jobs=2))


def test_the_variants_that_exercise_what_a_fault_breaks_come_first() -> None:
    order = [models.variant.name for models in by_claims(fault(Kind.MODEL, "", "", ""), list(reversed(CATALOGUE)))]
    assert order == ["domsg-reply", "fifo-one-sender/P=spin"]


def test_what_changes_nothing_survives_every_variant(folder: Path) -> None:
    (trial,) = tried(folder, fault(Kind.IMPLEMENTATION, MSGPORT, DOMSG, DOMSG.replace("EASYNC", "(EASYNC)")))
    assert (trial.end, trial.variants, trial.executions) == (End.SURVIVED, 2, 100)
    assert exit_status([trial]) == 1


def test_a_crash_is_inconclusive_and_no_kill(folder: Path) -> None:
    crash = DOMSG.replace("if (", "__builtin_trap();\n	if (")
    (trial,) = tried(folder, fault(Kind.IMPLEMENTATION, MSGPORT, DOMSG, crash))
    assert trial.end is End.SURVIVED
    assert [each.variant for each in trial.inconclusive] == ["domsg-reply"]


def test_a_fault_that_does_not_build_fails_and_is_no_kill(folder: Path) -> None:
    (trial,) = tried(folder, fault(Kind.IMPLEMENTATION, MSGPORT, DOMSG, f"	not C;\n{DOMSG}"))
    assert trial.end is End.FAILED and "lwkt_msgport.c does not compile" in trial.error
    assert exit_status([trial]) == 3


def test_a_model_that_breaks_down_fails_and_is_no_kill(folder: Path) -> None:
    old = "def checkmsg("
    for new in (f"raise RuntimeError('broken')\n\n\n{old}", f"while True:\n    raise SystemExit\n\n\n{old}"):
        (trial,) = tried(folder, fault(Kind.MODEL, "model/calls.py", old, new, "widening"))
        assert trial.end is End.FAILED and "the altered model fails" in trial.error


def test_a_narrowed_model_is_killed_by_what_the_right_machine_did(folder: Path) -> None:
    old = "        w[layout.flags[message]] = flags | DONE | REPLY\n"
    new = old.replace("flags |", "flags & ~SYNC |")
    (trial,) = tried(folder, fault(Kind.MODEL, "model/queues.py", old, new, "narrowing"))
    assert trial.kill is not None and trial.kill.sign is Sign.VIOLATES
    assert trial.kill.variant == "domsg-reply" and "DONE+REPLY+SYNC" in trial.kill.detail


def test_nothing_counts_when_the_unchanged_machine_is_not_clean(folder: Path) -> None:
    right = CATALOGUE[0].kernel
    never = [Outcome("deadlock@T0.1", outcome.values) for outcome in right.outcomes]
    wrong = replace(CATALOGUE[0], kernel=replace(right, outcomes=frozenset(never)))
    order = Order(Limits(3.0, 50), 1, folder)
    with (
        Unchanged([wrong], order, lambda _: None) as unchanged,
        pytest.raises(UncleanError, match="unchanged message ports, domsg-reply: violates"),
    ):
        list(try_all([fault(Kind.IMPLEMENTATION, MSGPORT, DOMSG, DOMSG + " ")], unchanged, order, jobs=1))


PUT = "	spin_lock(&port->mpu_spin);\n	append(port, msg);\n	sleepers = take_mark(port);\n"
MARK_BEFORE_LOCK = "	sleepers = take_mark(port);\n	spin_lock(&port->mpu_spin);\n	append(port, msg);\n"
SCHEDULED = Plan(Mode.RANDOM, Grain.ACCESS, schedules=500)


def test_a_fault_of_atomicity_is_killed_by_chosen_schedules_each_time_by_the_same(folder: Path) -> None:
    seeded = replace(fault(Kind.IMPLEMENTATION, MSGPORT, PUT, MARK_BEFORE_LOCK), schedule=SCHEDULED)
    first, again = tried(folder, seeded, replace(seeded, name="again"))
    assert first.kill is not None and first.kill == again.kill
    assert first.kill.variant == "fifo-one-sender/P=spin" and first.kill.sign is Sign.VIOLATES
    assert "deadlock@T1" in first.kill.detail and "schedule: T" in first.kill.detail
    assert 0 < first.kill.executions <= first.kill.clean == 500


def test_what_changes_nothing_survives_all_chosen_schedules(folder: Path) -> None:
    same = fault(Kind.IMPLEMENTATION, MSGPORT, DOMSG, DOMSG.replace("EASYNC", "(EASYNC)"))
    (trial,) = tried(folder, replace(same, schedule=SCHEDULED))
    assert (trial.end, trial.variants, trial.executions) == (End.SURVIVED, 2, 1000)
    assert "2 variants and 1,000 schedules" in "\n".join(str(part) for part in as_text([trial], [], 1.0))


def test_no_chosen_schedule_counts_that_the_unchanged_machine_fails_too(folder: Path) -> None:
    right = CATALOGUE[0].kernel
    never = [Outcome("deadlock@T0.1", outcome.values) for outcome in right.outcomes]
    wrong = replace(CATALOGUE[0], kernel=replace(right, outcomes=frozenset(never)))
    order = Order(Limits(3.0, 50), 1, folder)
    same = replace(fault(Kind.IMPLEMENTATION, MSGPORT, DOMSG, DOMSG + " "), schedule=SCHEDULED)
    with (
        Unchanged([wrong], order, lambda _: None) as unchanged,
        pytest.raises(UncleanError, match="unchanged message ports, domsg-reply: violates"),
    ):
        list(try_all([same], unchanged, order, jobs=1))


def test_each_variant_is_proven_once_for_all_faults(folder: Path) -> None:
    proven: list[Proven] = []
    order = Order(Limits(3.0, 50), 1, folder)
    with Unchanged(CATALOGUE, order, proven.append) as unchanged:
        first, again = unchanged.proven(CATALOGUE[0]), unchanged.proven(CATALOGUE[0])
    assert first is again and proven == [first]


def test_the_command_kills_a_fault_of_each_sort_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSGPORT_CACHE", str(tmp_path))
    names = [
        "replymsg-stores-no-error",
        "drop-looks-before-the-lock",
        "priority-left-open",
        "forwardmsg-returns-nothing",
    ]
    assert main(["selftest", *names, "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    jsonschema.validate(data, json.loads(files("msgport.selftest").joinpath("selftest.schema.json").read_text()))
    assert data["counts"]["implementation"] == {"faults": 2, "killed": 2, "survived": 0, "failed": 0}
    assert data["counts"]["model"] == {"faults": 2, "killed": 2, "survived": 0, "failed": 0}
    assert sorted(each["name"] for each in data["faults"]) == sorted(names)
    assert not list(tmp_path.glob("selftest/run-*"))


def test_survivors_and_failures_are_told_in_full() -> None:
    seeded = fault(Kind.IMPLEMENTATION, MSGPORT, DOMSG, "")
    trials = [Trial(seeded, variants=2, executions=100), Trial(replace(seeded, name="other"), error="does not compile")]
    text = "\n".join(str(part) for part in as_text(trials, [], 1.0))
    assert "survived: seeded" in text and "2 variants and 100 executions did not show it" in text
    assert "failed: other" in text and "does not compile" in text
    schema = json.loads(files("msgport.selftest").joinpath("selftest.schema.json").read_text())
    jsonschema.validate(as_json(trials, [], 1.0, {"executions": 1, "jobs": 1, "host_cores": 1}, complete=True), schema)


@pytest.mark.parametrize("options", [["--jobs", "2"], ["--format", "json"]], ids=" ".join)
def test_options_of_a_trial_are_refused_where_faults_are_only_listed(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["selftest", "--list", *options]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "--list tries none" in told.err


def test_an_unknown_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "no-such-fault"]) == 2
    assert "no fault no-such-fault" in capsys.readouterr().err
