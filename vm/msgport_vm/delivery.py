"""How module files get into a guest in QEMU: what every way is, and that on a CD which is mounted there.

The other is ``sftp.py``. Commands to the guest and all that it says stay on its serial console either way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol

from msgport_vm.disc import write_disc
from msgport_vm.machine import Event, EventKind, MachineError
from msgport_vm.qemu_network import CARDS
from msgport_vm.qemu_options import DISC_SIZE

ASK_FOR_CD = "command -v mount_cd9660 >/dev/null"
"""A shell command that succeeds in a guest that can be given a CD."""

Steps = Generator[Event, None, Event | None]
"""Work in the guest, which yields console text and returns the event that prevented it, None when it is done."""

Need = Callable[[str], Steps]
"""Runs a shell command in the guest that must succeed."""


class Delivery(Protocol):
    """A way into the guest; ``place`` is the folder there in which files are found."""

    place: str

    def offer(self, module: Path) -> None:
        """Tell of a module that will be wanted; from whichever thread built it."""

    def bring(self, files: Sequence[Path], *, ahead: bool = True) -> Steps:
        """Have files in their place; modules that will be wanted may go ``ahead`` with them. Raises MachineError."""

    def outdate(self, file: Path) -> None:
        """Let what is there of a file be of no use: its content is another one now."""

    def withdraw(self) -> Steps:
        """Leave nothing in the guest that its saved state would hold."""

    def forget(self) -> None:
        """Know of a guest that was brought back, or is gone: nothing is there as it was left."""


class Disc:
    """The CD that is the guest's ``device`` and the host's ``file``, mounted while nothing is written to it."""

    place = "/mnt"

    def __init__(self, need: Need, device: str, file: Path) -> None:
        """Nothing is written or mounted yet."""
        self._need = need
        self._device = device
        self._file = file
        self._offered: list[Path] = []
        self._offering = Lock()
        self._on_disc: list[Path] = []
        self._mounted = False

    def offer(self, module: Path) -> None:
        """See Delivery."""
        with self._offering:
            self._offered.append(module)

    def bring(self, files: Sequence[Path], *, ahead: bool = True) -> Steps:
        """See Delivery. What goes ahead saves a change of CDs each."""
        if not set(files) <= set(self._on_disc):
            if stopped := (yield from self.withdraw()):
                return stopped
            offered: list[Path] = []
            if ahead:
                with self._offering:
                    offered, self._offered = self._offered, []
            self._insert(files, [other for other in offered if other not in files])
        if not self._mounted:
            mount = f"mount_cd9660 {self._device} {self.place}"
            stopped = yield from self._need(mount)
            if stopped and stopped.kind is EventKind.LOAD_FAILED and "busy" in stopped.text.lower():
                # The guest mounts it somewhere by itself, at boot.
                stopped = (yield from self._need(f"umount {self._device}")) or (yield from self._need(mount))
            if stopped:
                return stopped
            self._mounted = True
        return None

    def _insert(self, files: Sequence[Path], others: list[Path]) -> None:
        """Put files on the CD, and others as far as there is room.

        The image is rewritten under a drive that nothing has mounted: DragonFly 5.9's ahci(4) fails every command once
        QEMU has reported a change of the medium.
        """
        while others and sum(file.stat().st_size for file in (*files, *others)) > DISC_SIZE // 2:
            self.offer(others.pop())
        # What is half-written is not there.
        self._on_disc = []
        write_disc(self._file, [*files, *others], DISC_SIZE)
        self._on_disc = [*files, *others]

    def outdate(self, file: Path) -> None:
        """See Delivery."""
        self._on_disc = [other for other in self._on_disc if other != file]

    def withdraw(self) -> Steps:
        """See Delivery."""
        if self._mounted and (stopped := (yield from self._need(f"umount {self.place}"))):
            return stopped
        self._mounted = False
        return None

    def forget(self) -> None:
        """See Delivery. The image is as it was written."""
        self._mounted = False


def no_way(bus: str, refused: MachineError | None) -> MachineError:
    """What to raise for a guest that no module gets into; ``refused`` is why not by ssh, None without a network."""
    ssh = f"ssh does not lead into it: {refused}" if refused else "it was booted without --network"
    return MachineError(
        f"modules do not get into the guest: it has no mount_cd9660 for the CD that they come on, and {ssh}\n"
        "Either way mends it. Put mount_cd9660 on the path of its root (it is in DragonFly's base, as "
        "/sbin/mount_cd9660). Or boot it with --network, with "
        f'ifconfig_{CARDS[bus][1]}="DHCP" and sshd_enable="YES" in its /etc/rc.conf and your public key in its '
        "/root/.ssh/authorized_keys",
        refused.screen if refused else "",
    )
