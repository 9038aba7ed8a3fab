"""Which machine a command line asks for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgport.manual.api import Era

if TYPE_CHECKING:
    from msgport_vm.hostbuild import HostBuilds
    from msgport_vm.machine import Facts, Machine

SSH = "ssh://"
CLONED = ("userland", "qemu")
"""Those of which there can be several."""

TARGETS = ("userland", "qemu", "vagrant", SSH + "user@host")

AUTO = "auto"

USERLAND_SECONDS = 0.5
GUEST_SECONDS = 0.25
"""Seconds a variant runs at most when the user does not say."""

ENOUGH = 300
"""Executions after which, when the user does not say, a variant is over that has shown all it is allowed to."""


class TargetError(Exception):
    """A target that there is not, or that lacks something; the message says what."""


@dataclass(frozen=True)
class Target:
    """A machine as the command line describes it. ``name`` is one of TARGETS; the rest as ``msgport run -h`` says.

    ``era`` is the one that the user says the machine is of, or None: then the machine tells.
    """

    name: str
    cpus: int
    userland: Path | None = None
    image: Path | None = None
    kernel: Path | None = None
    sysdir: Path | None = None
    memory: int = 1024
    accelerator: str = "auto"
    bus: Literal["ahci", "virtio"] = "ahci"
    machine_type: str = "q35"
    environment: Mapping[str, str] = field(default_factory=dict)
    allow_panic: bool = False
    machines: int = 1
    era: Era | None = None

    @property
    def seconds(self) -> float:
        """How long a variant runs when the user does not say."""
        return USERLAND_SECONDS if self.name == "userland" else GUEST_SECONDS

    def machine(self, note: Callable[[str], None]) -> AbstractContextManager[Machine]:
        """Make the machine, or another one like it; nothing is started before its boot().

        ``note`` is told what takes long. Raises TargetError when the target is unknown, something it needs is not
        given, or there is only one such machine; ImportError when a Python package that only this target needs is not
        installed.
        """
        if self.environment and self.name not in ("userland", "qemu"):
            raise TargetError(f"--env is for userland and qemu; the kernel of {self.name} has its own environment")
        if self.machines > 1 and self.name not in CLONED:
            raise TargetError(f"there is one machine {self.name}; only {' and '.join(CLONED)} can have --machines")
        try:
            if self.name == "userland":
                return self._userland()
            if self.name == "qemu":
                return self._qemu(note)
            if self.name == "vagrant":
                return self._vagrant(note)
            if self.name.startswith(SSH):
                return self._ssh()
        except ValueError as error:
            raise TargetError(str(error)) from error
        raise TargetError(f"no target {self.name}; there are {', '.join(TARGETS)}")

    def check(self, facts: Facts) -> None:
        """Raise TargetError when the machine that is up is of another era than the user says."""
        self._check(facts.kernel, facts.era)

    def _check(self, what: str, era: str) -> None:
        if self.era is not None and self.era != era:
            raise TargetError(f"--era {self.era} contradicts {what}, of era {era}; --era auto takes what the target is")

    def _userland(self) -> AbstractContextManager[Machine]:
        from msgport_vm.userland import UserlandMachine

        return UserlandMachine(
            cpus=self.cpus, era=self.era or Era.E, sources=self.userland, environment=self.environment
        )

    def _qemu(self, note: Callable[[str], None]) -> AbstractContextManager[Machine]:
        from msgport_vm.dragonfly import era_of
        from msgport_vm.hostbuild import osreldate_of
        from msgport_vm.qemu import QemuMachine
        from msgport_vm.qemu_options import QemuOptions

        if self.era is not None and self.sysdir is not None:
            self._check(f"the headers in {self.sysdir}", era_of(osreldate_of(self.sysdir)))
        options = QemuOptions(
            image=self.image,
            kernel=self.kernel,
            cpus=self.cpus,
            memory=self.memory,
            accelerator=self.accelerator,
            bus=self.bus,
            machine=self.machine_type,
            environment=self.environment,
        )
        return QemuMachine(options, self.sysdir, note=note)

    def _ssh(self) -> AbstractContextManager[Machine]:
        from msgport_vm.ssh import SshMachine

        return SshMachine(self.name, allow_panic=self.allow_panic, builder=self._builder())

    def _builder(self) -> HostBuilds | None:
        from msgport_vm.hostbuild import HostBuilds

        return HostBuilds(self.sysdir) if self.sysdir else None

    def _vagrant(self, note: Callable[[str], None]) -> AbstractContextManager[Machine]:
        from msgport_vm.vagrant import VagrantMachine

        return VagrantMachine(cpus=self.cpus, memory=self.memory, builder=self._builder(), log=note)


def positive(text: str) -> int:
    """Read a whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _variable(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def add_options(parser: argparse.ArgumentParser, default: str = "userland") -> None:
    """Add the options that choose a machine: ``chosen`` reads them."""
    parser.add_argument(
        "--target", default=default, metavar="TARGET", help=f"{', '.join(TARGETS)} (default: {default})"
    )
    parser.add_argument("--cpus", type=positive, default=4, metavar="N", help="virtual CPUs (default: 4)")
    parser.add_argument(
        "--userland", type=Path, metavar="DIR", help="a changed copy of vm/userland: try your own lwkt_msgport.c"
    )
    parser.add_argument(
        "--env",
        type=_variable,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="for the kernel's environment at boot: lwkt.use_spin_port=1 (userland and qemu)",
    )
    parser.add_argument(
        "--era", choices=[AUTO, *Era], default=AUTO, help="the kernel's API; userland plays any (default: what it is)"
    )
    qemu = parser.add_argument_group("for --target qemu")
    qemu.add_argument("--image", type=Path, metavar="FILE", help="a DragonFly ISO, .img or qcow2; never written to")
    qemu.add_argument("--kernel", type=Path, metavar="FILE", help="your own kernel, in place of the image's")
    qemu.add_argument(
        "--sysdir",
        type=Path,
        metavar="DIR",
        help="sys of the kernel's source: modules are built here, not on the machine, for ssh and vagrant too",
    )
    qemu.add_argument("--memory", type=positive, default=1024, metavar="MB", help="also for vagrant (default: 1024)")
    qemu.add_argument("--accel", default="auto", metavar="NAME", help="kvm, tcg, ... (default: what works here)")
    qemu.add_argument("--bus", choices=["ahci", "virtio"], default="ahci", help="how its disks are attached")
    qemu.add_argument("--machine-type", default="q35", metavar="NAME", help="QEMU's -machine (default: q35)")
    parser.add_argument("--allow-panic", action="store_true", help="over ssh: the machine may be crashed and rebooted")


def chosen(options: argparse.Namespace) -> Target:
    """The machine that a command line asks for, by the options of ``add_options``."""
    return Target(
        options.target,
        options.cpus,
        userland=options.userland,
        image=options.image,
        kernel=options.kernel,
        sysdir=options.sysdir,
        memory=options.memory,
        accelerator=options.accel,
        bus=options.bus,
        machine_type=options.machine_type,
        environment=dict(options.env),
        allow_panic=options.allow_panic,
        machines=getattr(options, "machines", 1),
        era=None if options.era == AUTO else Era(options.era),
    )


def ran_on(facts: Facts, machines: int = 1) -> str:
    """Say what machine it was, or how many of them, and what it was not."""
    several = f"{machines} machines side by side with " if machines > 1 else ""
    cpus = f"{several}{facts.cpus} virtual CPUs on {facts.host_cores} host cores"
    text = f"Target {facts.target}: {facts.kernel}, era {facts.era}, {cpus}."
    if facts.spin_builtin:
        text += " Its threads' built-in ports are spin ports."
    return text if facts.dragonfly else f"{text} A verdict here says nothing of DragonFly's own code."
