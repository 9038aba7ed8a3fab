"""The machines that pass the contract, each with what it takes to be here; and their modules."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from msgport.kmod import generate, write
from msgport.scenario.library import find, load
from msgport_vm.machine import Event, EventKind, Facts, Machine
from msgport_vm.userland import UserlandMachine

if TYPE_CHECKING:
    from msgport_vm.qemu import QemuMachine
    from msgport_vm.qemu_process import QemuProcess
    from tests.ssh.host import Host

HERE = Path(__file__).parent
CPUS = 2
BOOT_LIMIT = 600.0
"""Seconds; it takes some 8 on two idle cores, and minutes on busy ones."""

SILENCE = 6.0
"""Seconds after which a load counts as hung; in a busy guest it takes a second to begin."""

NONCE = 0xC0117AC7

SYSTEM = "standin"
"""What the machines reached over ssh call themselves."""


@dataclass
class Loading:
    """What one load said, and how it ended."""

    text: str
    end: Event


@dataclass
class Bench:
    """A booted machine and its modules; ``dirty`` tells that the next test wants it brought back first.

    ``place`` is a key of MAKERS: a target, and for ssh what is at the other end.
    """

    place: str
    machine: Machine
    facts: Facts
    scratch: Path
    dirty: bool = False
    loaded: dict[str, Path] = field(default_factory=dict)
    built: dict[str, Path] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Which of the four targets it is."""
        return self.place.partition("-")[0]

    @property
    def over_ssh(self) -> bool:
        """Whether it is reached over ssh, which shows no memory."""
        return self.target in ("ssh", "vagrant")

    def module(self, name: str) -> Path:
        """Build ``modules/NAME.c``, once."""
        if name not in self.built:
            folder = self.scratch / name
            folder.mkdir()
            shutil.copy(HERE / "modules" / f"{name}.c", folder)
            (folder / "Makefile").write_text(f"KMOD=\t{name}\nSRCS=\t{name}.c\n\n.include <bsd.kmod.mk>\n")
            self.built[name] = self.machine.build(folder)
        return self.built[name]

    def load_file(self, module: Path, tunables: Mapping[str, int], timeout: float = 30.0) -> Loading:
        """Load a module; hold the events to their order: console text, then exactly one other."""
        self.dirty = True
        events = list(self.machine.load(module, tunables, timeout))
        assert events and all(event.kind is EventKind.CONSOLE for event in events[:-1])
        end = events[-1]
        assert end.kind is not EventKind.CONSOLE
        if end.kind is EventKind.LOADED:
            self.loaded[module.stem] = module
        self.dirty = end.kind not in (EventKind.LOADED, EventKind.LOAD_FAILED)
        return Loading("".join(event.text for event in events).replace("\r", ""), end)

    def load(self, name: str, timeout: float = 30.0, **tunables: int) -> Loading:
        """Load ``modules/NAME.c``; a tunable's first underscore stands for a dot."""
        named = {tunable.replace("_", ".", 1): value for tunable, value in tunables.items()}
        return self.load_file(self.module(name), named, timeout)

    def unload(self, name: str) -> str:
        """Unload a module; its console text."""
        return self.unload_file(self.module(name))

    def unload_file(self, module: Path) -> str:
        """Unload a module; its console text."""
        self.dirty = True
        events = list(self.machine.unload(module))
        self.dirty = False
        assert all(event.kind is EventKind.CONSOLE for event in events)
        self.loaded.pop(module.stem, None)
        return "".join(event.text for event in events).replace("\r", "")

    def revive(self) -> None:
        """Bring the machine back from whatever became of it."""
        self.machine.restart()
        self.dirty = False
        self.loaded.clear()


def run_generated(bench: Bench, scenario: str, folder: Path, **tunables: int) -> tuple[Path, Loading]:
    """Build and load a module of the catalogue for 20 executions."""
    variant = load(find(scenario))[0]
    write(generate(variant, None, nonce=NONCE, seed=1, iterations=20, milliseconds=0), folder)
    module = bench.machine.build(folder)
    named = {tunable.replace("_", ".", 1): value for tunable, value in tunables.items()}
    return module, bench.load_file(module, named)


class Listener:
    """Reads a serial console all the time: a line that nobody reads stops the guest."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._said = ""
        self._given = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while piece := self._connection.recv(65536):
            self._said += piece.decode("ascii", "replace")

    def news(self) -> str:
        """What came since the last call."""
        said = self._said[self._given :]
        self._given += len(said)
        return said

    def wait_for(self, text: str, seconds: float) -> None:
        """Wait until it has said something."""
        end = time.monotonic() + seconds
        while text not in self._said:
            assert time.monotonic() < end and self._thread.is_alive(), self._said
            time.sleep(0.05)

    def end(self) -> None:
        """Listen no more."""
        self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()


class Supervised:
    """A QEMU that is started anew when its guest reboots: a second boot in the same QEMU does not always end."""

    def __init__(self, start: Callable[[], QemuProcess]) -> None:
        self._start = start
        self._closing = threading.Event()
        self._consoles: list[Listener] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            process = self._start()
            console = Listener(process.console)
            self._consoles.append(console)
            while process.running and not self._closing.wait(0.1):
                continue
            console.end()
            process.end()

    def news(self) -> str:
        """What its console said since the last call."""
        return "".join(console.news() for console in list(self._consoles))

    def wait_for(self, text: str, seconds: float) -> None:
        """Wait until its console, at the first boot, has said something."""
        end = time.monotonic() + seconds
        while not self._consoles:
            assert time.monotonic() < end and self._thread.is_alive()
            time.sleep(0.05)
        self._consoles[0].wait_for(text, end - time.monotonic())

    def end(self) -> None:
        """End it."""
        self._closing.set()
        self._thread.join()


def standin() -> object:
    """The guest; skips when it cannot be built here."""
    pytest.importorskip("pycdlib", reason="needs the extra vm: pip install 'msgport[vm]'")
    pytest.importorskip("qemu.qmp", reason="needs the extra vm: pip install 'msgport[vm]'")
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("no qemu-system-x86_64: apt install qemu-system-x86")
    from tests.standin.image import build_guest
    from tests.standin.packages import UnavailableError

    try:
        return build_guest()
    except UnavailableError as error:
        pytest.skip(f"the stand-in guest cannot be built: {error}")


def _userland(stack: ExitStack, scratch: Path) -> Machine:
    return stack.enter_context(UserlandMachine(CPUS))


def _qemu(stack: ExitStack, scratch: Path) -> Machine:
    return standin_in_qemu(stack, scratch)


def standin_in_qemu(
    stack: ExitStack, scratch: Path, *, cache: Path | None = None, arguments: Sequence[str] = (), **environment: object
) -> QemuMachine:
    """The qemu machine with the stand-in guest; an underscore in a variable's name stands for a dot.

    ``arguments`` go to QEMU as they are.
    """
    guest = standin()
    from msgport_vm.qemu import QemuMachine
    from msgport_vm.qemu_options import QemuOptions
    from tests.standin.image import Guest, build_image, write_sysdir

    assert isinstance(guest, Guest)
    variables = {name.replace("_", ".", 1): value for name, value in environment.items()}
    image = build_image(guest, scratch / "standin.iso", environment=variables)
    options = QemuOptions(
        image=image,
        machine="pc",
        cpus=CPUS,
        memory=256,
        accelerator="tcg",
        arguments=tuple(arguments),
        boot_limit=BOOT_LIMIT,
    )
    sysdir = write_sysdir(scratch / "sysdir")
    return stack.enter_context(QemuMachine(options, sysdir, cache=cache or scratch / "cache"))


def _ssh_guest(stack: ExitStack, scratch: Path) -> Machine:
    guest = standin()
    pytest.importorskip("paramiko", reason="needs the extra vm: pip install 'msgport[vm]'")
    from msgport_vm.connection import Trust
    from msgport_vm.hostbuild import HostBuilds
    from msgport_vm.qemu_process import Program, QemuProcess
    from msgport_vm.ssh import Patience, SshMachine
    from tests.ssh.host import free_port, make_key
    from tests.standin.image import Guest, direct_boot, write_sysdir

    assert isinstance(guest, Guest)
    key = make_key(scratch / "key")
    environment = {"standin.reboot_seconds": 1}
    boot = direct_boot(guest, scratch, authorized_key=key.with_suffix(".pub").read_text(), environment=environment)
    port = free_port()
    net = ("-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:22")
    # Without a source of randomness the guest's ssh server waits for one, for minutes at times.
    shape = ("-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "qemu64,+rdrand", "-m", "256", "-smp", str(CPUS))
    arguments = [*shape, *net, *boot, "-no-reboot"]
    console = Supervised(lambda: QemuProcess(Program("qemu-system-x86_64"), arguments, scratch))
    stack.callback(console.end)
    console.wait_for("login: ", BOOT_LIMIT)
    machine = SshMachine(
        f"ssh://root@127.0.0.1:{port}",
        trust=Trust(scratch / "known_hosts", pin=True, keys=(key,)),
        allow_panic=True,
        builder=HostBuilds(write_sysdir(scratch / "sysdir"), scratch / "cache"),
        console=console.news,
        patience=Patience(answer=60.0, comeback=BOOT_LIMIT),
        system=SYSTEM,
    )
    return stack.enter_context(machine)


def _loopback(stack: ExitStack, scratch: Path) -> Host:
    pytest.importorskip("paramiko", reason="needs the extra vm: pip install 'msgport[vm]'")
    from tests.ssh.host import start_host

    host = start_host(scratch / "host", CPUS, SYSTEM)
    stack.callback(host.stop)
    return host


def _ssh(stack: ExitStack, scratch: Path) -> Machine:
    host = _loopback(stack, scratch)
    from msgport_vm.ssh import SshMachine

    return stack.enter_context(SshMachine(host.url, trust=host.trust, allow_panic=True, system=SYSTEM))


def _vagrant(stack: ExitStack, scratch: Path) -> Machine:
    host = _loopback(stack, scratch)
    from msgport_vm.vagrant import VagrantMachine
    from tests.vagrant.project import PROGRAM, write_project

    project = write_project(host, scratch / "project")
    return stack.enter_context(VagrantMachine(project, cpus=CPUS, program=str(PROGRAM), system=SYSTEM))


MAKERS: dict[str, Callable[[ExitStack, Path], Machine]] = {
    "userland": _userland,
    "qemu": _qemu,
    "ssh": _ssh,
    "vagrant": _vagrant,
}
if os.environ.get("MSGPORT_TEST_SSH_GUEST"):
    # Not by itself: on a busy host a load in this guest may not end in time.
    MAKERS["ssh-guest"] = _ssh_guest


@pytest.fixture(scope="module")
def booted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A machine that is up, one for all tests of a target; what it leaves when it is closed is looked at."""
    place = request.param
    scratch = tmp_path_factory.mktemp(place)
    temporary = scratch / "temporary"
    temporary.mkdir()
    patch = pytest.MonkeyPatch()
    before = children()
    with ExitStack() as stack:
        stack.callback(patch.undo)
        machine = MAKERS[place](stack, scratch)
        patch.setattr(tempfile, "tempdir", str(temporary))
        yield Bench(place, machine, machine.boot(), scratch)
        machine.close()
    assert children() <= before
    assert list(temporary.iterdir()) == []
    assert list((scratch / "cache").rglob("run-*")) == []


@pytest.fixture
def bench(booted: Bench) -> Iterator[Bench]:
    """The machine with no module in it; whatever a test does to it is undone."""
    if booted.dirty:
        booted.revive()
    yield booted
    if not booted.dirty:
        for module in list(booted.loaded.values()):
            booted.unload_file(module)


def children() -> set[int]:
    """The processes that this one started and that are still there, theirs included."""
    with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True) as ps:
        listed = ps.communicate()[0]
    parents = {}
    for line in listed.splitlines():
        pid, parent, state = line.split()
        if int(pid) != ps.pid and not state.startswith("Z"):
            parents[int(pid)] = int(parent)
    ours = {os.getpid()}
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in ours} - found:
        found |= more
        ours |= more
    return found
