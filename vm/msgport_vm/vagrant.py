"""The ``vagrant`` machine: the guest of a Vagrantfile, brought up by vagrant and used over ssh.

Where the provider has snapshots, the guest is saved when it is up, and a dead one is restored; elsewhere it is
rebooted. Its host key is pinned when it is first seen, beside what vagrant keeps of it.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import paramiko

from msgport_vm.connection import Address, ConnectionLostError, Trust
from msgport_vm.hostbuild import HostBuilds
from msgport_vm.machine import BuildError, Event, Facts, MachineError
from msgport_vm.qemu_accelerator import choose
from msgport_vm.qemu_process import Program
from msgport_vm.ssh import DRAGONFLY, RETRY, Patience, SshMachine
from msgport_vm.userland import default_cache

SNAPSHOT = "msgport-up"
QEMU = "qemu-system-x86_64"
UP_TIMEOUT = 3600.0
COMMAND_TIMEOUT = 600.0

Log = Callable[[str], None]


class Vagrant:
    """The program, for one folder with a Vagrantfile; ``log`` gets each line that it prints while it brings one up."""

    def __init__(self, program: str, folder: Path, environment: Mapping[str, str], log: Log) -> None:
        """Find it. Raises MachineError, which says what to install, or which folder lacks a Vagrantfile."""
        path = shutil.which(program)
        if path is None:
            raise MachineError(f"{program} is not found. Install it (Debian: apt install vagrant vagrant-libvirt)")
        if not (folder / "Vagrantfile").is_file():
            raise MachineError(f"there is no Vagrantfile in {folder}; run this where there is one")
        self.path = path
        self.folder = folder
        self._environment = {**os.environ, **environment}
        self._log = log

    def run(self, *arguments: str, timeout: float = COMMAND_TIMEOUT, told: bool = False) -> str:
        """Run a command of it, and give what it printed. Raises MachineError when it fails or does not end."""
        what = f"vagrant {' '.join(arguments)}"
        with subprocess.Popen(
            [self.path, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            # It starts others, which have to go with it.
            late = threading.Event()

            def end() -> None:
                late.set()
                _end(process.pid)

            alarm = threading.Timer(timeout, end)
            alarm.start()
            lines: list[str] = []
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    lines.append(line)
                    if told:
                        self._log(line.rstrip("\n"))
                status = process.wait()
            except BaseException:
                _end(process.pid)
                raise
            finally:
                alarm.cancel()
        said = "".join(lines)
        if late.is_set():
            raise MachineError(f"`{what}` did not end within {timeout:g} s", said)
        if status != 0:
            raise MachineError(f"`{what}` failed (exit status {status}):\n{said.strip()}", said)
        return said

    def status(self) -> dict[str, str]:
        """What it says of the guest, by word: ``state``, ``provider-name``."""
        fields = (line.split(",", 3) for line in self.run("status", "--machine-readable").splitlines())
        return {field[2]: field[3] for field in fields if len(field) == 4 and field[1]}

    def ssh(self) -> tuple[Address, tuple[Path, ...]]:
        """Where the guest listens, and the keys that open it. Raises MachineError."""
        text = self.run("ssh-config")
        config = paramiko.SSHConfig.from_file(io.StringIO(text))
        names = sorted(config.get_hostnames() - {"*"})
        if len(names) != 1:
            raise MachineError(f"`vagrant ssh-config` tells of {len(names)} guests, not of one", text)
        host = config.lookup(names[0])
        try:
            address = Address(host["user"], host["hostname"], int(host.get("port", 22)))
        except (KeyError, ValueError) as error:
            raise MachineError(f"`vagrant ssh-config` does not tell where the guest is: {error}", text) from error
        # The option's value may stand in quotes.
        return address, tuple(Path(key.strip('"')) for key in host.get("identityfile", []))


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


class _SerialLog:
    """A growing file, read on from where it was read to; one that was begun anew is read from its start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def __call__(self) -> str:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read if self._read <= os.fstat(file.fileno()).st_size else 0)
                text = file.read()
                self._read = file.tell()
        except FileNotFoundError:
            # It is begun anew, and not there yet.
            return ""
        return text.decode("utf-8", "replace").replace("\r", "")


class VagrantMachine:
    """The guest of ``folder/Vagrantfile`` as a Machine: see ``machine.Machine`` for the protocol.

    ``cpus`` and ``memory`` (MiB) are for a guest that is started now; it runs under MSGPORT_ACCEL of the environment,
    or under what was found to run one here. A guest that was up already stays up at the end; with ``keep`` any does.
    ``builder`` and ``system`` are as for ``SshMachine``. ``left_behind`` tells what could not
    be ended or removed.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        provider: str = "",
        cpus: int = 4,
        memory: int = 2048,
        keep: bool = False,
        builder: HostBuilds | None = None,
        log: Log = lambda line: None,
        patience: Patience | None = None,
        up_timeout: float = UP_TIMEOUT,
        program: str = "vagrant",
        system: str = DRAGONFLY,
    ) -> None:
        """Keep the choices; nothing is started before boot()."""
        self.left_behind: tuple[str, ...] = ()
        self._folder = (folder or Path.cwd()).resolve()
        self._provider = provider
        self._serial = self._dotfiles / "serial.log"
        self._environment = {
            "MSGPORT_CPUS": str(cpus), "MSGPORT_MEMORY": str(memory), "MSGPORT_SERIAL": str(self._serial)
        }  # fmt: skip
        self._keep = keep
        self._builder = builder
        self._log = log
        self._patience = patience or Patience()
        self._up_timeout = up_timeout
        self._program = program
        self._system = system
        self._vagrant: Vagrant | None = None
        self._snapshots = False
        self._started = False
        self._ssh: SshMachine | None = None
        self._changing = threading.Lock()

    def __enter__(self) -> VagrantMachine:
        """Nothing to do: boot() starts it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def _dotfiles(self) -> Path:
        return self._folder / os.environ.get("VAGRANT_DOTFILE_PATH", ".vagrant")

    def boot(self) -> Facts:
        """Bring the guest up, save it where that can be done, and connect. Raises MachineError."""
        accelerator = os.environ.get("MSGPORT_ACCEL") or self._accelerator()
        if accelerator:
            self._environment["MSGPORT_ACCEL"] = accelerator
        vagrant = self._vagrant = Vagrant(self._program, self._folder, self._environment, self._log)
        with self._changing:
            if vagrant.status().get("state") != "running":
                self._started = True
                chosen = ("--provider", self._provider) if self._provider else ()
                vagrant.run("up", *chosen, timeout=self._up_timeout, told=True)
            self._snapshots = self._save(vagrant)
            facts = self._connect(vagrant)
        provider = vagrant.status().get("provider-name", "unknown")
        extra = {"provider": provider, "snapshots": "yes" if self._snapshots else "no: it is rebooted instead"}
        return replace(facts, host_cores=os.cpu_count() or 1, extra={**facts.extra, **extra})

    def _accelerator(self) -> str:
        """What runs a guest here, tried; empty where there is no QEMU to try it with: the Vagrantfile decides then."""
        try:
            found = choose(Program(QEMU), "auto", default_cache() / "qemu", self._log)
        except MachineError:
            return ""
        if found.note:
            self._log(f"accelerator {found.name}: {found.note}")
        return found.name

    def _save(self, vagrant: Vagrant) -> bool:
        """Save the guest as it is; tell whether its provider can."""
        try:
            vagrant.run("snapshot", "save", "--force", SNAPSHOT)
        except MachineError as error:
            self._log(f"the guest cannot be saved, so a dead one will be rebooted: {error}")
            return False
        return True

    def _connect(self, vagrant: Vagrant) -> Facts:
        address, keys = vagrant.ssh()
        status = vagrant.status()
        place = self._dotfiles / "machines" / "default" / status.get("provider-name", "unknown")
        try:
            identity = (place / "id").read_text().strip()
        except OSError:
            identity = "unknown"
        # Another guest in the same place has another key.
        trust = Trust(place / f"msgport-known-hosts-{Path(identity).name}", pin=True, keys=keys)
        self._ssh = SshMachine(
            str(address),
            trust=trust,
            allow_panic=True,
            builder=self._builder,
            console=self._console(),
            patience=self._patience,
            target="vagrant",
            system=self._system,
        )
        # A guest that was just restored or started may not listen yet.
        deadline = time.monotonic() + self._patience.comeback
        while True:
            try:
                return self._ssh.boot()
            except ConnectionLostError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY)

    def _console(self) -> Callable[[], str] | None:
        """Its serial log, if the guest writes there and it can be read: libvirt's may be root's."""
        if os.access(self._serial, os.R_OK) and self._serial.stat().st_size > 0:
            return _SerialLog(self._serial)
        return None

    def _up(self) -> SshMachine:
        """The guest, when it is not being brought back at this moment."""
        with self._changing:
            if self._ssh is None:
                raise MachineError("the vagrant machine is not up: boot() it first")
            return self._ssh

    def build(self, source: Path) -> Path:
        """Compile a module in the guest: see ``SshMachine.build``. One that is brought back meanwhile is awaited."""
        while True:
            guest = self._up()
            try:
                return guest.build(source)
            except BuildError:
                raise
            except MachineError:
                if self._up() is guest:
                    raise

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        """Load a module: see ``machine.Machine``."""
        return self._up().load(module, tunables, timeout)

    def unload(self, module: Path) -> Iterator[Event]:
        """Unload a module: see ``machine.Machine``."""
        return self._up().unload(module)

    def memory(self) -> bytes:
        """Nothing: the guest's memory is its provider's."""
        return b""

    def messages(self) -> str:
        """Nothing. It is the console already."""
        return ""

    def restart(self) -> None:
        """Restore the guest, or reboot it: by itself, else by vagrant."""
        guest = self._up()
        vagrant = self._vagrant
        assert vagrant is not None
        if not self._snapshots:
            try:
                guest.restart()
                return
            except MachineError as error:
                self._log(f"the guest does not come back by itself: {error}")
        with self._changing:
            guest.forget()
            if self._snapshots:
                vagrant.run("snapshot", "restore", "--no-provision", SNAPSHOT, timeout=self._up_timeout, told=True)
            else:
                vagrant.run("reload", "--no-provision", timeout=self._up_timeout, told=True)
            self._connect(vagrant)

    def close(self) -> None:
        """Hang up, and halt the guest if it was started for us; safe to call twice."""
        with self._changing:
            guest, self._ssh = self._ssh, None
        if guest is not None:
            guest.close()
            self.left_behind += guest.left_behind
        if self._started and not self._keep and self._vagrant is not None:
            self._started = False
            self._halt(self._vagrant)

    def _halt(self, vagrant: Vagrant) -> None:
        for way in (("halt",), ("halt", "--force")):
            try:
                vagrant.run(*way)
                return
            except MachineError as error:
                self._log(str(error))
        self.left_behind += (f"the guest itself: cd {self._folder} && vagrant halt --force",)
