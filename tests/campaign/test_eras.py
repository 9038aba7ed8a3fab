"""Runs for each era of the message-port API, on a userland machine of that era."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from msgport.campaign import unfit
from msgport.check.models import consult
from msgport.cli import main
from msgport.manual.api import Era
from msgport.scenario.canonical import content_hash
from msgport.selection import choose
from msgport.targets import Target, TargetError
from msgport_vm.machine import Facts
from tests.transcript.writer import Writer

FACTS = Facts("qemu", "DragonFly 3.8", True, "D", True, 4, 4, "real", "cc 4.7")
SCENARIOS = ("two-senders/P=spin", "beginmsg", "drop-and-send-again", "wait-dropable/R=spin", "forward-chain")


def run(folder: Path, era: str, *scenarios: str) -> tuple[int, dict[str, dict[str, object]], str]:
    """The exit status, each variant's part of the results, and the era that is stamped on them."""
    status = main(["run", *scenarios, "--era", era, "--iterations", "100", "--results", str(folder)])
    data = json.loads((folder / "results.json").read_text())
    return status, {variant["scenario"]: variant for variant in data["variants"]}, data["environment"]["era"]


@pytest.mark.parametrize("era", list(Era))
def test_a_run_is_of_the_era_asked_for(era: Era, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, variants, stamped = run(tmp_path / "r", era, *SCENARIOS)
    assert (status, stamped) == (0, era)
    old, hidden = era in (Era.A, Era.B), era in (Era.D, Era.E)
    verdicts = {name: variant["verdict"] for name, variant in variants.items()}
    dropping = "untested" if old else "conforms"
    assert verdicts == dict.fromkeys(variants, "conforms") | {"drop-and-send-again": dropping}
    assert variants["beginmsg"]["substituted"] == (["lwkt_beginmsg"] if hidden else [])
    assert variants["forward-chain"]["substituted"] == []
    said = capsys.readouterr().out
    assert f"LWKT in user space (not DragonFly), era {era}, " in " ".join(said.split())
    assert ("lwkt_beginmsg: private to the kernel in this era" in said) is hidden
    transcript = (tmp_path / "r" / str(variants["beginmsg"]["transcript"])).read_text()
    assert f" era={era} " in transcript
    assert ("mp_putport(" in (tmp_path / "r" / str(variants["beginmsg"]["module"])).read_text()) is hidden


def test_userland_is_of_era_e_unless_told(tmp_path: Path) -> None:
    assert run(tmp_path / "r", "auto", "say")[2] == "E"


@pytest.mark.parametrize(("era", "judged"), [("A", False), ("B", False), ("C", True), ("D", True), ("E", True)])
def test_drops_are_judged_where_they_tell_what_they_did(era: str, judged: bool) -> None:
    (variant,) = choose(["drop-not-dropable"], None)
    reason = unfit(consult(variant), replace(FACTS, era=era))
    assert reason == "" if judged else f"lwkt_dropmsg of era {era} tells nothing" in reason


def test_a_saved_transcript_is_judged_by_the_era_it_is_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, variants, _ = run(tmp_path / "r", "E", "drop-and-send-again", "beginmsg")
    text = "".join((tmp_path / "r" / str(variant["transcript"])).read_text() for variant in variants.values())
    (tmp_path / "E.txt").write_text(text)
    capsys.readouterr()
    assert main(["check", str(tmp_path / "E.txt"), "--format", "json"]) == 0
    judged = json.loads(capsys.readouterr().out)["variants"]
    assert [(each["verdict"], each["substituted"]) for each in judged] == [
        ("conforms", []),
        ("conforms", ["lwkt_beginmsg"]),
    ]


def test_a_saved_transcript_of_an_era_that_cannot_show_it_is_untested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (variant,) = choose(["drop-not-dropable"], None)
    writer = Writer().begin(variant.name, content_hash(variant), era="B")
    (tmp_path / "B.txt").write_text(writer.add("end", n=2, i=0, why="time").text)
    assert main(["check", str(tmp_path / "B.txt"), "--format", "json"]) == 3
    (judged,) = json.loads(capsys.readouterr().out)["variants"]
    assert judged["verdict"] == "untested" and "lwkt_dropmsg of era B" in judged["detail"]


def test_generate_says_what_will_not_be_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "drop-not-dropable", "beginmsg", "--era", "B", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 2
    assert told.err.count("\n") == 1 and "drop-not-dropable can run but will not be judged" in told.err


def test_an_era_that_contradicts_the_machine_is_an_error() -> None:
    Target("qemu", 4, era=Era.D).check(FACTS)
    Target("qemu", 4).check(FACTS)
    with pytest.raises(TargetError, match=r"--era C contradicts DragonFly 3\.8, of era D; --era auto takes"):
        Target("qemu", 4, era=Era.C).check(FACTS)


def test_an_era_that_contradicts_the_headers_is_an_error_before_anything_boots(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys" / "param.h").write_text("#define __DragonFly_version 300400\n")
    arguments = ["run", "say", "--target", "qemu", "--image", "none.iso", "--sysdir", str(tmp_path), "--era", "E"]
    assert main([*arguments, "--results", str(tmp_path / "r")]) == 2
    assert "--era E contradicts the headers in" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
