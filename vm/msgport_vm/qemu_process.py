"""One QEMU process: its console and its control channel as sockets, and a watcher that ends it with the harness."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from msgport_vm.bounded import run
from msgport_vm.machine import MachineError, UnusableFileError
from msgport_vm.qmp import Monitor, RefusedError

END_TIMEOUT = 5.0
SAY_TIMEOUT = 60.0
"""Seconds to say what it is, which takes a tenth of one where nothing is wrong."""

JOB_TIMEOUT = 60.0
"""Seconds to make an empty overlay."""

BY_SIGNAL = "killed by signal"

# The watcher's input is a pipe whose other end only this process holds; it ends all of its process group.
WATCH = "read line; kill -9 0"


class Watcher:
    """Ends the processes of ``group`` when this one ends, however it does.

    It is there before they are, so that there is no moment in which they would be left: a process is to be started with
    ``process_group=watcher.group``, which fails where the watcher has ended all.
    """

    def __init__(self) -> None:
        """Begin to watch."""
        self._shell = subprocess.Popen(["/bin/sh", "-c", WATCH], stdin=subprocess.PIPE, process_group=0)
        self.group = self._shell.pid

    def stop(self) -> None:
        """Watch no more. Safe to call twice."""
        if self._shell.poll() is None:
            self._shell.kill()
        self._shell.wait()
        if self._shell.stdin is not None:
            self._shell.stdin.close()


class Program:
    """A QEMU that is installed. Raises MachineError, which says what to install, when there is none."""

    def __init__(self, name: str) -> None:
        """Find the program."""
        path = shutil.which(name)
        if path is None:
            raise MachineError(
                f"{name} is not found. Install QEMU (Debian: apt install qemu-system-x86; DragonFly: pkg install "
                "qemu), or name yours."
            )
        self.path = path

    @cached_property
    def version(self) -> str:
        """Its version, as it says it: one line."""
        return self._say("--version").splitlines()[0]

    @cached_property
    def accelerators(self) -> tuple[str, ...]:
        """What it was built with, as ``-accel help`` tells."""
        return tuple(re.findall(r"^(\w+)$", self._say("-accel", "help"), re.MULTILINE))

    @cached_property
    def machines(self) -> tuple[str, ...]:
        """What it can play, as ``-machine help`` tells."""
        return tuple(re.findall(r"^(\S+) ", self._say("-machine", "help").partition("\n")[2], re.MULTILINE))

    def _say(self, *arguments: str) -> str:
        command = [self.path, *arguments]
        try:
            done = run(command, SAY_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise MachineError(f"`{' '.join(command)}` does not end within {SAY_TIMEOUT:g} s") from error
        if done.returncode != 0 or not done.stdout:
            raise MachineError(f"{self.path} does not run", done.stderr)
        return done.stdout


class QemuProcess:
    """A QEMU that runs: ``monitor`` to control it, ``console`` the stream of its serial line."""

    def __init__(self, program: Program, arguments: Sequence[str], folder: Path | None = None) -> None:
        """Start it in ``folder``. Raises MachineError with what QEMU printed when it does not."""
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self.console, console_there = socket.socketpair()
        control, control_there = socket.socketpair()
        command = [
            *(program.path, "-nodefaults", "-no-user-config", "-display", "none"),
            *("-chardev", f"socket,id=console,fd={console_there.fileno()}", "-serial", "chardev:console"),
            *("-chardev", f"socket,id=control,fd={control_there.fileno()}", "-mon", "chardev=control,mode=control"),
            *arguments,
        ]
        self._watcher = Watcher()
        try:
            # A process group of its own: Ctrl-C at the terminal is for the harness, which then ends QEMU in order.
            self._popen = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=self._complaints,
                stderr=self._complaints,
                pass_fds=(console_there.fileno(), control_there.fileno()),
                process_group=self._watcher.group,
            )
        except OSError as error:
            self._watcher.stop()
            for end in (self.console, control):
                end.close()
            self._complaints.close()
            raise MachineError(f"{program.path} does not start: {error}") from error
        finally:
            console_there.close()
            control_there.close()
        self.monitor: Monitor | None = None
        try:
            self.monitor = Monitor(control)
        except MachineError as error:
            control.close()
            said = self.end()
            raise MachineError(f"QEMU does not start ({said})") from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Tell whether it is there, and can be talked to."""
        if self._has_hung_up():
            # A process that dies closes its lines first, and is still there for a moment on a busy host.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(END_TIMEOUT)
            return False
        return self._popen.poll() is None

    @property
    def control(self) -> Monitor:
        """Its monitor; a QEMU that started has one."""
        assert self.monitor is not None
        return self.monitor

    def end(self) -> str:
        """End it, whatever state it is in, and tell how it ended. Safe to call twice."""
        self._watcher.stop()
        by_itself = not self.running and self._popen.poll() is not None
        if not by_itself:
            self._popen.terminate()
            try:
                self._popen.wait(END_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        status = self._popen.wait()
        if self.monitor is not None:
            self.monitor.close()
        self.console.close()
        how = f"{BY_SIGNAL} {-status}" if status < 0 else f"exit status {status}"
        return "\n".join(filter(None, (how if by_itself else "ended by the harness", self._said())))

    def _has_hung_up(self) -> bool:
        """Tell whether the other end of its console is closed, whatever waits to be read."""
        if self.console.fileno() < 0:
            return False
        asked = select.poll()
        asked.register(self.console, 0)
        return bool(asked.poll(0))

    def _said(self) -> str:
        with contextlib.suppress(ValueError):
            self._complaints.seek(0)
            said = self._complaints.read().decode("utf-8", "replace").strip()
            self._complaints.close()
            return said
        return ""


def host_cores() -> int:
    """How many of the host's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def create_overlay(monitor: Monitor, overlay: Path, backing: Path | None, backing_format: str, size: int) -> None:
    """Make an empty qcow2 file of ``size`` bytes over ``backing``, through a QEMU that runs (no qemu-img is needed).

    A relative ``backing`` is meant relative to the overlay's folder. Raises MachineError.
    """
    overlay.touch()
    node = {"driver": "file", "filename": str(overlay)}
    options: dict[str, object] = {"driver": "qcow2", "file": "new-file", "size": size}
    if backing is not None:
        options |= {"backing-file": str(backing), "backing-fmt": backing_format}
    monitor.execute("blockdev-add", node_name="new-file", **node)
    monitor.execute("blockdev-create", job_id="create", options=options)
    deadline = time.monotonic() + JOB_TIMEOUT
    try:
        while (job := monitor.execute("query-jobs")[0])["status"] != "concluded":
            if time.monotonic() >= deadline:
                raise MachineError(f"QEMU does not make {overlay} within {JOB_TIMEOUT:g} s")
            time.sleep(0.005)
        if "error" in job:
            raise MachineError(f"cannot make {overlay}: {job['error']}")
    finally:
        monitor.execute("job-dismiss", id="create")
        monitor.execute("blockdev-del", node_name="new-file")


def image_files(program: Program, image: Path, image_format: str) -> tuple[str, ...]:
    """Give the names of the files that an image is made of: its own, and those of its backing chain.

    Raises UnusableFileError when QEMU cannot open it.
    """
    looker = QemuProcess(program, ["-machine", "none"])
    file = {"driver": "file", "filename": str(image.resolve())}
    try:
        looker.control.execute("blockdev-add", driver=image_format, node_name="asked", read_only=True, file=file)
        nodes = looker.control.execute("query-named-block-nodes")
    except RefusedError as error:
        raise UnusableFileError(f"the image {image} cannot be used: {error}") from error
    finally:
        looker.end()
    link = next(node["image"] for node in nodes if node["node-name"] == "asked")
    names = []
    while link:
        names.append(str(link["filename"]))
        link = link.get("backing-image")
    return tuple(names)


def image_size(monitor: Monitor, image: Path, image_format: str) -> int:
    """Give the size in bytes of the disk that an image holds. Raises MachineError."""
    file = {"driver": "file", "filename": str(image)}
    monitor.execute("blockdev-add", driver=image_format, node_name="asked", read_only=True, file=file)
    try:
        nodes = monitor.execute("query-named-block-nodes", flat=True)
        return int(next(node["image"]["virtual-size"] for node in nodes if node["node-name"] == "asked"))
    finally:
        monitor.execute("blockdev-del", node_name="asked")
