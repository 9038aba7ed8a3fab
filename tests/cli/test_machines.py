"""The commands about machines, and the choice of one."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from msgport.cli import main
from msgport.machine_commands import _Progress
from msgport_vm.images import known, mirrors
from tests.standin.image import write_sysdir


def test_doctor_tells_of_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--format", "json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {"userland", "qemu", "vagrant", "ssh"} <= {finding["target"] for finding in findings}
    assert all(finding["fix"] for finding in findings if finding["state"] == "missing")


def test_image_list_gives_each_release_with_its_addresses_and_digests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "list"]) == 0
    (block,) = [block for block in capsys.readouterr().out.split("\n\n") if block.startswith("6.4.2 iso\n")]
    image = next(image for image in known() if (image.version, image.kind) == ("6.4.2", "iso"))
    assert [line for line in block.splitlines() if image.packed_file in line] == [
        f"  {place}/{image.packed_file}" for place in mirrors()
    ]
    assert f"  packed sha256 {image.packed['sha256']}" in block and f"  unpacked md5 {image.plain['md5']}" in block


def test_how_far_a_download_has_come_is_told_in_few_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress, size = _Progress(), 500 << 20
    for done in range(0, size + 1, 1 << 20):
        progress("getting x.iso", done, size)
    for done in range(0, size + 1, 1 << 20):
        progress("unpacking x.iso", done, None)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["getting x.iso: 0 MiB of 500 MiB, 0 %", "getting x.iso: 50 MiB of 500 MiB, 10 %"]
    assert lines[10:] == ["getting x.iso: 500 MiB of 500 MiB, 100 %"] + [
        f"unpacking x.iso: {done} MiB" for done in range(0, 501, 100)
    ]


def test_a_file_that_is_no_image_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.iso").write_bytes(b"no image")
    assert main(["image", "verify", str(tmp_path / "x.iso")]) == 2
    assert "none of the images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "moon"], "no target moon"),
        (["--target", "qemu"], "--image"),
        (["--target", "qemu", "--sysdir", "."], "--image"),
        (["--target", "ssh://"], "ssh://"),
        (["--target", "qemu", "--sysdir", ".", "--image", "x.iso", "--env", "a b=1"], "'a b' cannot be a variable"),
        (["--target", "vagrant", "--env", "lwkt.use_spin_port=1"], "--env is for userland and qemu"),
    ],
)
def test_a_target_that_lacks_something_is_a_usage_error(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "say", "--results", str(tmp_path / "r"), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("target", "option", "users"),
    [
        ("userland", ["--image", "x.iso"], "qemu"),
        ("userland", ["--kernel", "kernel"], "qemu"),
        ("userland", ["--bus", "ahci"], "qemu"),
        ("userland", ["--machine-type", "q35"], "qemu"),
        ("userland", ["--network"], "qemu"),
        ("ssh://root@localhost", ["--network"], "qemu"),
        ("userland", ["--accel", "auto"], "qemu"),
        ("userland", ["--memory", "1024"], "qemu and vagrant"),
        ("userland", ["--sysdir", "."], "qemu and vagrant and ssh://user@host"),
        ("userland", ["--allow-panic"], "ssh://user@host"),
        ("qemu", ["--userland", "vm/userland"], "userland"),
        ("qemu", ["--allow-panic"], "ssh://user@host"),
        ("vagrant", ["--kernel", "kernel"], "qemu"),
        ("ssh://root@localhost", ["--cpus", "4"], "userland and qemu and vagrant"),
    ],
)
@pytest.mark.parametrize("command", [["run", "say"], ["manual", "gone", "--run"]], ids=" ".join)
def test_an_option_that_the_target_does_not_use_is_refused(
    command: list[str], target: str, option: list[str], users: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--target", target, *option]) == 2
    assert f"{option[0]} is for {users}; --target {target} does not use it" in capsys.readouterr().err


@pytest.mark.parametrize(("target", "option"), [("qemu", "--userland"), ("vagrant", "--kernel")])
def test_an_option_that_a_machine_to_look_into_does_not_use_is_refused(
    target: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vm", "boot", "--target", target, option, "."]) == 2
    assert f"--target {target} does not use it" in capsys.readouterr().err


def test_a_chosen_schedule_refuses_a_number_of_cpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "say", "--schedule", "exhaustive", "--cpus", "2"]) == 2
    assert "--cpus, --env, --era and --machines are for machines that run freely" in capsys.readouterr().err


def test_a_userland_that_is_none_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path / "gone", tmp_path):
        for schedule in ([], ["--schedule", "random"]):
            assert main(["run", "say", "--userland", str(folder), *schedule]) == 2
            err = capsys.readouterr().err
            assert f"--userland {folder}: no copy of vm/userland, for it has no kern/lwkt_msgport.c" in err


@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is not installed")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kernel", "pyproject.toml"], "pyproject.toml is neither a kernel of DragonFly"),
        (["--image", "gone.iso"], "cannot read the image gone.iso"),
        (["--image", "damaged.qcow2"], "damaged.qcow2 cannot be used: "),
        (["--image", "pyproject.toml", "--accel", "foo"], "has no accelerator 'foo'; --accel takes auto, tcg"),
        (["--image", "pyproject.toml", "--machine-type", "foo"], "has no machine 'foo': see --machine-type"),
        (["--image", "pyproject.toml", "--sysdir", "tests"], "tests is not the sys folder of DragonFly's source"),
    ],
)
def test_what_is_not_what_it_should_be_is_a_usage_error(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sysdir = write_sysdir(tmp_path / "sysdir")
    (tmp_path / "damaged.qcow2").write_bytes(b"QFI\xfb" + bytes(2000))
    arguments = [argument.replace("damaged", f"{tmp_path}/damaged") for argument in arguments]
    command = ["run", "say", "--target", "qemu", "--accel", "tcg", "--results", str(tmp_path / "r")]
    assert main([*command, "--sysdir", str(sysdir), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_python_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in [name for name in sys.modules if name.startswith(("paramiko", "msgport_vm.ssh", "msgport_vm.conn"))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "paramiko", None)
    assert main(["run", "say", "--target", "ssh://root@localhost", "--results", str(tmp_path / "r")]) == 3
    assert "paramiko" in capsys.readouterr().err


def test_a_fault_of_the_harness_is_never_taken_for_a_violation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("msgport.cli.choose", fault)
    assert main(["explore", "say"]) == 3
    assert "fault of msgport itself" in capsys.readouterr().err
