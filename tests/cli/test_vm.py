"""``msgport vm``, from the terminal of the person who types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pexpect
import pytest

from msgport.cli import main
from tests.processes import is_gone, is_there
from tests.standin.image import build_guest, build_image, write_sysdir
from tests.standin.packages import UnavailableError

PATIENCE = 600
QEMU = "qemu-system-x86_64"
MSGPORT = (sys.executable, "-c", "from msgport.cli import main; raise SystemExit(main())")

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["boot", "--target", "userland"], "nothing to look into on userland"),
        (["boot", "--sysdir", "."], "--image"),
        (["boot", "--target", "ssh://root@host"], "is not started or stopped from here"),
        (["stop", "--target", "ssh://root@host"], "is not started or stopped from here"),
        (["ssh", "--target", "ssh://host"], "ssh://user@host"),
        (["stop", "--target", "ssh://root:hush@host"], "a password does not belong"),
        (["boot", "--target", "vagrant", "--network"], "--network is for qemu"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_to_do_it(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MSGPORT_CACHE", str(tmp_path))
    assert main(["vm", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_when_nothing_is_up_it_is_told_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MSGPORT_CACHE", str(tmp_path))
    assert main(["vm", "status"]) == 3
    assert "msgport vm boot" in capsys.readouterr().err
    assert main(["vm", "status", "--format", "json"]) == 3
    assert json.loads(capsys.readouterr().out) == {"schema": "msgport-vm-1", "target": "qemu", "up": False}
    assert main(["vm", "stop"]) == 0
    capsys.readouterr()
    assert main(["vm", "ssh"]) == 3
    assert "no machine is up" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "given"),
    [
        ("root@dragon.example:2222", "-p 2222 root@dragon.example"),
        ("root@dragon.example:22", "-p 22 root@dragon.example"),
        ("root@dragon.example", "root@dragon.example"),
    ],
)
def test_the_users_own_ssh_client_is_opened_and_chooses_the_port_where_none_is_named(
    tmp_path: Path, address: str, given: str
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\necho "$@"; exit 7\n')
    ssh.chmod(0o755)
    done = subprocess.run(
        [*MSGPORT, "vm", "ssh", "--target", f"ssh://{address}"],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == (f"{given}\n", 7)


@pytest.fixture
def vm(tmp_path: Path) -> Command:
    """``msgport vm`` in a process of its own, with a cache of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MSGPORT_CACHE": str(tmp_path / "cache")}
        return subprocess.run(
            [*MSGPORT, "vm", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )

    return run


@pytest.fixture
def machine(tmp_path: Path) -> Sequence[str]:
    """The options that boot the stand-in guest."""
    if shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed")
    try:
        image = build_image(build_guest(), tmp_path / "standin.iso", environment={"standin.nologin": 1})
    except UnavailableError as error:
        pytest.skip(f"the stand-in guest cannot be built: {error}")
    sysdir = write_sysdir(tmp_path / "sysdir")
    shape = ("--machine-type", "pc", "--accel", "tcg", "--memory", "256", "--cpus", "1")
    return ("--image", str(image), "--sysdir", str(sysdir), *shape)


def test_a_machine_is_booted_looked_into_and_stopped(vm: Command, machine: Sequence[str], tmp_path: Path) -> None:
    booted = vm("boot", *machine)
    try:
        assert booted.returncode == 0, booted.stderr
        assert "is up, with 1 CPU and 256 MB" in booted.stdout
        up = json.loads(vm("status", "--format", "json").stdout)
        assert up["up"] and is_there(up["pid"])
        assert up["about"]["image"] == "standin.iso"
        assert up["ssh_port"] is None and "ssh port" not in vm("status").stdout
        outside = vm("ssh")
        assert outside.returncode == 2 and "has no network" in outside.stderr and "--network" in outside.stderr

        again = vm("boot", *machine)
        assert again.returncode == 3 and "a machine is up since" in again.stderr
        blind = vm("console")
        assert blind.returncode == 2 and "needs a terminal" in blind.stderr

        for word in ("first", "second"):
            console = pexpect.spawn(
                MSGPORT[0],
                [*MSGPORT[1:], "vm", "console"],
                env={**os.environ, "MSGPORT_CACHE": str(tmp_path / "cache")},
                encoding="utf-8",
                timeout=PATIENCE,
            )
            console.expect(r"Ctrl-\] leaves it")
            # What the machine said while it booted, and to those who were here before.
            console.expect("LWKT in user space")
            if word == "second":
                console.expect("it is first 42")
            console.send(f"echo it is {word} $((6 * 7))\r")
            console.expect(f"it is {word} 42")
            console.send("\x1d")
            console.expect("The machine goes on")
            console.expect(pexpect.EOF)
            console.close()
            assert console.exitstatus == 0

        stopped = vm("stop", "--now")
        assert stopped.returncode == 0 and "The machine has ended" in stopped.stdout
        assert is_gone(up["pid"])
        assert not Path(up["folder"]).exists()

        # From its saved state this time; and killed.
        assert vm("boot", *machine).returncode == 0
        up = json.loads(vm("status", "--format", "json").stdout)
        assert up["about"]["start"] == "saved state"
        os.kill(up["pid"], signal.SIGKILL)
        assert is_gone(up["pid"])
        gone = vm("status")
        assert gone.returncode == 3 and "had ended, or was killed" in gone.stderr
        assert not Path(up["folder"]).exists()
    finally:
        vm("stop", "--now")
