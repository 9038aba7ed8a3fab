"""Which machine a command line asks for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from msgport_vm.machine import Machine

SSH = "ssh://"
TARGETS = ("userland", "qemu", "vagrant", SSH + "user@host")

USERLAND_SECONDS = 0.5
GUEST_SECONDS = 0.25
"""Seconds a variant runs when the user does not say."""


class TargetError(Exception):
    """A target that there is not, or that lacks something; the message says what."""


@dataclass(frozen=True)
class Target:
    """A machine as the command line describes it. ``name`` is one of TARGETS; the rest as ``msgport run -h`` says."""

    name: str
    cpus: int
    userland: Path | None = None
    image: Path | None = None
    kernel: Path | None = None
    sysdir: Path | None = None
    memory: int = 1024
    accelerator: str = "auto"
    bus: Literal["ahci", "virtio"] = "ahci"
    allow_panic: bool = False

    @property
    def seconds(self) -> float:
        """How long a variant runs when the user does not say."""
        return USERLAND_SECONDS if self.name == "userland" else GUEST_SECONDS

    def machine(self, note: Callable[[str], None]) -> AbstractContextManager[Machine]:
        """Make the machine; nothing is started before its boot(). ``note`` is told what takes long.

        Raises TargetError when the target is unknown or something it needs is not given, and ImportError when a Python
        package that only this target needs is not installed.
        """
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

    def _userland(self) -> AbstractContextManager[Machine]:
        from msgport_vm.userland import UserlandMachine

        return UserlandMachine(cpus=self.cpus, sources=self.userland)

    def _qemu(self, note: Callable[[str], None]) -> AbstractContextManager[Machine]:
        from msgport_vm.qemu import QemuMachine
        from msgport_vm.qemu_options import QemuOptions

        if self.sysdir is None:
            raise TargetError(
                "the target qemu compiles modules here, against a kernel's headers: name its sys folder with --sysdir"
            )
        options = QemuOptions(
            image=self.image,
            kernel=self.kernel,
            cpus=self.cpus,
            memory=self.memory,
            accelerator=self.accelerator,
            bus=self.bus,
        )
        return QemuMachine(options, self.sysdir, note=note)

    def _ssh(self) -> AbstractContextManager[Machine]:
        from msgport_vm.ssh import SshMachine

        return SshMachine(self.name, allow_panic=self.allow_panic)

    def _vagrant(self, note: Callable[[str], None]) -> AbstractContextManager[Machine]:
        from msgport_vm.vagrant import VagrantMachine

        return VagrantMachine(cpus=self.cpus, memory=self.memory, log=note)
