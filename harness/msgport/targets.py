"""Which machine a command line asks for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgport.counted import counted
from msgport.manual.api import Era

if TYPE_CHECKING:
    from msgport_vm.hostbuild import HostBuilds
    from msgport_vm.machine import Facts, Machine

SSH = "ssh://"
CLONED = ("userland", "qemu")
"""Those of which there can be several."""

TARGETS = (USERLAND, QEMU, VAGRANT, REMOTE) = ("userland", "qemu", "vagrant", SSH + "user@host")

USED_BY = {
    "--cpus": ("cpus", (USERLAND, QEMU, VAGRANT)),
    "--userland": ("userland", (USERLAND,)),
    "--env": ("environment", (USERLAND, QEMU)),
    "--image": ("image", (QEMU,)),
    "--kernel": ("kernel", (QEMU,)),
    "--sysdir": ("sysdir", (QEMU, VAGRANT, REMOTE)),
    "--memory": ("memory", (QEMU, VAGRANT)),
    "--accel": ("accelerator", (QEMU,)),
    "--bus": ("bus", (QEMU,)),
    "--network": ("network", (QEMU,)),
    "--machine-type": ("machine_type", (QEMU,)),
    "--allow-panic": ("allow_panic", (REMOTE,)),
}
"""Options, with the field of Target that each is for and the targets that use it.

None has a default of its own, so that it is known which were given.
"""

MESSAGE_PORTS = Path("kern", "lwkt_msgport.c")
"""What every copy of the userland machine's sources has."""

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
    cpus: int = 4
    userland: Path | None = None
    image: Path | None = None
    kernel: Path | None = None
    sysdir: Path | None = None
    memory: int = 1024
    accelerator: str = "auto"
    bus: Literal["ahci", "virtio"] = "ahci"
    network: bool = False
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
        if self.machines > 1 and self.name not in CLONED:
            raise TargetError(f"there is one machine {self.name}; only {' and '.join(CLONED)} can have --machines")
        kind = _kind(self.name)
        try:
            if kind == USERLAND:
                return self._userland()
            if kind == QEMU:
                return self._qemu(note)
            if kind == VAGRANT:
                return self._vagrant(note)
            return self._ssh()
        except ValueError as error:
            raise TargetError(str(error)) from error

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
            network=self.network,
            machine=self.machine_type,
            environment=self.environment,
        )
        return QemuMachine(options, self.sysdir, note=note)

    def _ssh(self) -> AbstractContextManager[Machine]:
        from msgport_vm.ssh import SshMachine

        return SshMachine(self.name, allow_panic=self.allow_panic, builder=self.builder())

    def builder(self) -> HostBuilds | None:
        """What builds modules on this host; None when the machine builds its own."""
        from msgport_vm.hostbuild import HostBuilds

        return HostBuilds(self.sysdir) if self.sysdir else None

    def _vagrant(self, note: Callable[[str], None]) -> AbstractContextManager[Machine]:
        from msgport_vm.vagrant import VagrantMachine

        return VagrantMachine(cpus=self.cpus, memory=self.memory, builder=self.builder(), log=note)


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
    parser.add_argument("--cpus", type=positive, metavar="N", help="virtual CPUs (default: 4)")
    parser.add_argument(
        "--userland", type=Path, metavar="DIR", help="a changed copy of vm/userland: try your own lwkt_msgport.c"
    )
    parser.add_argument(
        "--env",
        dest="environment",
        type=_variable,
        action="append",
        metavar="NAME=VALUE",
        help="for the kernel's environment at boot: lwkt.use_spin_port=1 (userland and qemu)",
    )
    parser.add_argument(
        "--era",
        choices=[AUTO, *map(str, Era)],
        default=AUTO,
        help="the kernel's API; userland plays any (default: what it is)",
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
    qemu.add_argument("--memory", type=positive, metavar="MB", help="also for vagrant (default: 1024)")
    qemu.add_argument("--accel", dest="accelerator", metavar="NAME", help="kvm, tcg, ... (default: what works here)")
    qemu.add_argument("--bus", choices=["ahci", "virtio"], help="how its disks are attached (default: ahci)")
    qemu.add_argument(
        "--network",
        action="store_true",
        help="a network card, for ssh from this host alone: `msgport vm ssh`, and modules where no CD can be mounted",
    )
    qemu.add_argument("--machine-type", metavar="NAME", help="QEMU's -machine (default: q35)")
    parser.add_argument("--allow-panic", action="store_true", help="over ssh: the machine may be crashed and rebooted")


def given(options: argparse.Namespace) -> Iterator[str]:
    """The options of ``add_options`` that a command line has and ``USED_BY`` lists."""
    return (option for option, (field_, _) in USED_BY.items() if getattr(options, field_))


def chosen(options: argparse.Namespace) -> Target:
    """The machine that a command line asks for, by the options of ``add_options``.

    Raises TargetError when there is no such target, it does not use an option that was given, or ``--userland`` names
    a folder that is not the userland machine's.
    """
    kind = _kind(options.target)
    fields: dict[str, Any] = {}
    for option in given(options):
        field_, users = USED_BY[option]
        if kind not in users:
            raise TargetError(
                f"{option} is for {' and '.join(users)}; --target {options.target} does not use it: "
                "leave it out, or name another target"
            )
        value = getattr(options, field_)
        fields[field_] = dict(value) if field_ == "environment" else value
    if options.userland and not (options.userland / MESSAGE_PORTS).is_file():
        raise TargetError(f"--userland {options.userland}: no copy of vm/userland, for it has no {MESSAGE_PORTS}")
    return Target(
        options.target,
        machines=getattr(options, "machines", 1),
        era=None if options.era == AUTO else Era(options.era),
        **fields,
    )


def _kind(name: str) -> str:
    """Which of TARGETS a name means. Raises TargetError."""
    if name.startswith(SSH):
        return REMOTE
    if name not in TARGETS:
        raise TargetError(f"no target {name}; there are {', '.join(TARGETS)}")
    return name


def ran_on(facts: Facts, machines: int = 1) -> str:
    """Say what machine it was, or how many of them, and what it was not."""
    several = f"{machines} machines side by side with " if machines > 1 else ""
    cpus = f"{several}{counted(facts.cpus, 'virtual CPU')} on {counted(facts.host_cores, 'host core')}"
    text = f"Target {facts.target}: {facts.kernel}, era {facts.era}, {cpus}."
    if facts.spin_builtin:
        text += " Its threads' built-in ports are spin ports."
    return text if facts.dragonfly else f"{text} A verdict here says nothing of DragonFly's own code."
