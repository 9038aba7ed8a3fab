"""Module files by sftp into a folder of a guest in QEMU: see ``delivery.py``. It takes paramiko, which takes time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgport_vm.connection import (
    CONNECT_TIMEOUT,
    Address,
    Connection,
    ConnectionLostError,
    NoAnswerError,
    Trust,
    connect,
)
from msgport_vm.delivery import Need, Steps
from msgport_vm.machine import Event, EventKind
from msgport_vm.qemu_network import ALIAS, HOST

CONTACT = 20.0
"""Seconds that a guest at its first prompt has to show its host key, where that is all that is wanted of its ssh."""

RETRY = 0.5


class Sftp:
    """A folder in the guest, written to as root over ssh; ``port`` tells the port of HOST that leads there.

    The guest's host key is pinned in ``known_hosts`` when it is first seen.
    """

    place = "/tmp/msgport"

    def __init__(self, need: Need, port: Callable[[], int], known_hosts: Path) -> None:
        """Nothing is connected yet."""
        self._need = need
        self._port = port
        self._trust = Trust(known_hosts, pin=True, alias=ALIAS)
        self._link: Connection | None = None
        self._there: set[Path] = set()

    def connect(self, patience: float) -> Connection:
        """Log in; the guest has ``patience`` seconds to say what it is. Raises MachineError with what to do."""
        self._hang_up()
        address = Address("root", HOST, self._port())
        deadline = time.monotonic() + patience
        while True:
            try:
                self._link = connect(address, self._trust, max(RETRY, deadline - time.monotonic()))
                return self._link
            except ConnectionLostError:
                # QEMU takes a connection for a guest that does not: it is lost at once while nobody listens there.
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY)

    def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def offer(self, module: Path) -> None:
        """See Delivery. It goes when it is wanted: nothing is saved by sending it sooner."""

    def bring(self, files: Sequence[Path], *, ahead: bool = True) -> Steps:
        """See Delivery. What was there before makes room."""
        if not set(files) <= self._there:
            self._there = set()
            if stopped := (yield from self._need(f"rm -rf {self.place}&&mkdir -m 700 {self.place}")):
                return stopped
            try:
                for file in files:
                    self._put(file)
            except (ConnectionLostError, NoAnswerError) as error:
                # A return to the saved state has the ssh server back as well.
                return Event(EventKind.DIED, f"its ssh server took no module: {error}")
            self._there = set(files)
        return None

    def _put(self, file: Path) -> None:
        remote = f"{self.place}/{file.name}"
        if self._link is not None:
            try:
                self._link.put(file, remote)
                return
            except ConnectionLostError:
                # One that was idle may have been cut.
                self._hang_up()
        self.connect(CONNECT_TIMEOUT).put(file, remote)

    def outdate(self, file: Path) -> None:
        """See Delivery."""
        self._there.discard(file)

    def withdraw(self) -> Steps:
        """See Delivery. A connection that a saved machine holds would lead to nobody."""
        self._hang_up()
        self._there = set()
        return (yield from self._need(f"rm -rf {self.place}"))

    def forget(self) -> None:
        """See Delivery. The guest knows nothing of the connection that there was."""
        self._hang_up()
        self._there = set()
