"""QEMU machines for a person to look into: they stay up when the command that started them has ended.

Each has a folder of its own, with its files, the sockets of its console and of its control channel, and all that its
console said. The folder is held by QEMU itself (scratch.py), so that whatever ends it, its folder is known to be dead
and goes with the next look.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from msgport_vm.machine import MachineError
from msgport_vm.qemu_network import KNOWN_HOSTS, forwarded_port, ssh_command
from msgport_vm.qemu_process import Program
from msgport_vm.qmp import Monitor, RefusedError
from msgport_vm.scratch import Scratch, is_held, living

CONSOLE, CONTROL, LOG, COMPLAINTS = "console.sock", "control.sock", "console.log", "qemu.log"
PID, DESCRIPTION = "pid", "machine.json"
ATTACHED, BOOTING = "console.lock", "boot.lock"

START_PATIENCE = 30.0
POWER_OFF_PATIENCE = 15.0
"""Seconds that a guest has to power off by itself when it is asked to."""
ANSWER_PATIENCE = 5.0
END_PATIENCE = 30.0
"""Seconds that QEMU has to end, which it does at once on a host that is not busy."""

LOCK_PATIENCE = 1.0
"""Seconds to wait for one who only looks."""
POLL = 0.05


@dataclass(frozen=True)
class Kept:
    """A machine that is up: its folder, QEMU's process id, when it was started (ISO 8601, UTC), and what it is.

    ``ssh_port`` is the port of this host's loopback that leads to its ssh server; None when it has no network.
    """

    folder: Path
    pid: int
    since: str
    about: Mapping[str, str]
    ssh_port: int | None = None

    @property
    def ssh(self) -> list[str] | None:
        """The command that logs in to it; None when it has no network."""
        return ssh_command(self.ssh_port, self.folder / KNOWN_HOSTS) if self.ssh_port else None

    @property
    def log(self) -> Path:
        """All that its console said."""
        return self.folder / LOG

    @contextlib.contextmanager
    def console(self) -> Iterator[socket.socket]:
        """Connect to its console. Raises MachineError when somebody else is there, or it does not answer."""
        with contextlib.ExitStack() as stack:
            try:
                lock = os.open(self.folder / ATTACHED, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise MachineError(f"the machine in {self.folder} has just ended: {error.strerror}") from error
            stack.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise MachineError(f"another terminal is on its console; all it says is in {self.log}") from None
            yield stack.enter_context(_connect(self.folder, CONSOLE))

    def end(self, *, orderly: bool = True) -> str:
        """End it: its guest is asked to power off, then QEMU to end, then it is killed. Tell which of them did it.

        Raises MachineError when it cannot even be killed.
        """
        how = self._end(orderly)
        living(self.folder.parent)
        return how

    def _end(self, orderly: bool) -> str:
        if orderly and self._ask("system_powerdown") and self._gone_within(POWER_OFF_PATIENCE):
            return "it powered off"
        if self._ask("quit") and self._gone_within(END_PATIENCE):
            return "QEMU ended it" if orderly else "it was ended at once"
        _kill(self.folder, self.pid)
        return "it was killed"

    def _ask(self, command: str) -> bool:
        try:
            monitor = Monitor(_connect(self.folder, CONTROL), ANSWER_PATIENCE)
        except MachineError:
            return False
        try:
            monitor.execute(command)
        except RefusedError:
            return False
        except MachineError:
            # It may end before it answers.
            pass
        finally:
            monitor.close()
        return True

    def _gone_within(self, seconds: float) -> bool:
        return _gone_within(self.folder, seconds)


class Keeper:
    """The kept machine of a cache; there is one at most.

    ``ended`` are the folders of machines that were found to have ended by themselves; they have been removed.
    """

    def __init__(self, cache: Path) -> None:
        """Nothing is read or written yet."""
        self.place = cache / "qemu" / "kept"
        self.ended: tuple[Path, ...] = ()

    @contextlib.contextmanager
    def booting(self) -> Iterator[None]:
        """Be the only one that boots a machine to keep. Raises MachineError when another is up or under way."""
        with self._alone(fcntl.LOCK_EX):
            if (up := self._find()) is not None:
                raise MachineError(f"a machine is up since {up.since}: `msgport vm stop` ends it")
            yield

    def find(self) -> Kept | None:
        """Give the machine that is up; what dead ones left is removed. Raises MachineError while one is booted."""
        with self._alone(fcntl.LOCK_SH):
            return self._find()

    @contextlib.contextmanager
    def _alone(self, way: int) -> Iterator[None]:
        """Look while nobody boots, or boot while nobody looks."""
        with contextlib.ExitStack() as stack:
            try:
                self.place.mkdir(parents=True, exist_ok=True)
                lock = os.open(self.place / BOOTING, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                place = f"cannot write in {self.place}: {error}"
                raise MachineError(f"{place}; MSGPORT_CACHE names another folder") from error
            stack.callback(os.close, lock)
            end = time.monotonic() + LOCK_PATIENCE
            while True:
                try:
                    fcntl.flock(lock, way | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise MachineError("another `msgport vm boot` is under way") from None
                time.sleep(POLL)
            yield

    def _find(self) -> Kept | None:
        found = None
        before = {description.parent for description in self.place.glob(f"*/{DESCRIPTION}")}
        up = living(self.place)
        self.ended = tuple(sorted(before - set(up)))
        for folder in up:
            try:
                description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
                found = Kept(folder, **description)
            except (OSError, ValueError, TypeError):
                # Whoever started it was killed before it was whole.
                with contextlib.suppress(OSError, ValueError):
                    _kill(folder, int((folder / PID).read_text(encoding="ascii")))
                living(self.place)
        return found

    def start(
        self,
        scratch: Scratch,
        program: Program,
        arguments: Sequence[str],
        about: Mapping[str, str],
        *,
        network: bool = False,
    ) -> Kept:
        """Start QEMU in a folder that has its files, and leave folder and QEMU to themselves. Raises MachineError.

        ``network`` tells whether its arguments are those of qemu_network.py among others.
        """
        folder = scratch.path
        command = [
            *(program.path, "-nodefaults", "-no-user-config", "-display", "none", "-pidfile", PID),
            *("-chardev", f"socket,id=console,path={CONSOLE},server=on,wait=off,logfile={LOG},logappend=on"),
            *("-serial", "chardev:console"),
            *(
                "-chardev",
                f"socket,id=control,path={CONTROL},server=on,wait=off",
                "-mon",
                "chardev=control,mode=control",
            ),
            *arguments,
        ]
        with (folder / COMPLAINTS).open("wb") as complaints:
            try:
                qemu = subprocess.Popen(
                    command,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=complaints,
                    stderr=complaints,
                    pass_fds=(scratch.lock,),
                    start_new_session=True,
                )
            except OSError as error:
                raise MachineError(f"{program.path} does not start: {error}") from error
        try:
            port = self._await_start(folder, qemu, network)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            description = {"pid": qemu.pid, "since": now, "about": dict(about), "ssh_port": port}
            whole = folder / f"{DESCRIPTION}.new"
            whole.write_text(json.dumps(description, indent=1), encoding="utf-8")
            whole.rename(folder / DESCRIPTION)
        except BaseException:
            qemu.kill()
            qemu.wait()
            raise
        scratch.let_go()
        return Kept(folder, qemu.pid, now, dict(about), port)

    def _await_start(self, folder: Path, qemu: subprocess.Popen[bytes], network: bool) -> int | None:
        """Wait until it runs, and give the port that leads to its ssh server, if it has a network."""
        end = time.monotonic() + START_PATIENCE
        while time.monotonic() < end:
            if (status := qemu.poll()) is not None:
                said = (folder / COMPLAINTS).read_text(encoding="utf-8", errors="replace").strip()
                raise MachineError(f"QEMU does not start (exit status {status})", said)
            with contextlib.suppress(MachineError):
                monitor = Monitor(_connect(folder, CONTROL), ANSWER_PATIENCE)
                try:
                    if monitor.execute("query-status")["running"]:
                        return forwarded_port(monitor) if network else None
                finally:
                    monitor.close()
            time.sleep(POLL)
        raise MachineError(f"QEMU does not run within {START_PATIENCE:g} s")


def _connect(folder: Path, name: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        # A socket's name is at most some hundred bytes long, a folder's may be longer.
        with contextlib.chdir(folder):
            connection.connect(name)
    except OSError as error:
        connection.close()
        raise MachineError(f"the machine in {folder} does not answer: {error}") from error
    return connection


def _gone_within(folder: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while is_held(folder):
        if time.monotonic() > end:
            return False
        time.sleep(POLL)
    return True


def _kill(folder: Path, pid: int) -> None:
    """Kill the QEMU that holds a folder; as long as that is held, its process id is nobody else's."""
    if is_held(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not _gone_within(folder, END_PATIENCE):
        raise MachineError(f"QEMU, process {pid}, cannot be killed; its files are in {folder}")
