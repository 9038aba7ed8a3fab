"""A guest's network: one card, in a QEMU user-mode network that leads nowhere, with a forward to its ssh server.

The forward listens on this host's loopback. QEMU has the system choose its port, so that machines side by side never
ask for the same one; the port is asked of QEMU when it runs, and is no part of what a machine is made of.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgport_vm.machine import MachineError
from msgport_vm.qmp import Monitor

HOST = "127.0.0.1"
KNOWN_HOSTS = "known_hosts"
"""The file with the guest's host key, beside its disks: it comes and goes with what the key itself is kept in."""

ALIAS = "msgport-guest"
"""The guest's name in that file, whatever its port is."""

CARDS = {"ahci": ("e1000", "em0"), "virtio": ("virtio-net-pci", "vtnet0")}
"""QEMU's name of the card that goes with a bus, and DragonFly's: em(4) is in every GENERIC kernel."""

_FORWARD = re.compile(rf"^\s*TCP\[HOST_FORWARD\]\s+\d+\s+{re.escape(HOST)}\s+(\d+)\s+\S+\s+22\s", re.M)


def network_arguments(bus: str) -> tuple[str, ...]:
    """QEMU's arguments for the network of a machine with this bus (a key of CARDS)."""
    net = f"user,id=network,restrict=on,ipv6=off,hostfwd=tcp:{HOST}:0-:22"
    # Nothing is booted from it: no ROM.
    return ("-netdev", net, "-device", f"{CARDS[bus][0]},netdev=network,romfile=")


def forwarded_port(monitor: Monitor) -> int:
    """The port of HOST that leads to the guest's ssh server. Raises MachineError when QEMU tells of none."""
    said = str(monitor.execute("human-monitor-command", command_line="info usernet"))
    if (forward := _FORWARD.search(said)) is None:
        raise MachineError("QEMU does not tell which port it forwards to the guest's ssh server", said)
    return int(forward[1])


def ssh_command(port: int, known_hosts: Path) -> list[str]:
    """The command that logs in as root with the user's own ssh client, which pins the key that it sees first."""
    # ssh splits the option's value into words, and expands % in it.
    file = str(known_hosts).replace("%", "%%")
    options = ("StrictHostKeyChecking=accept-new", f'UserKnownHostsFile="{file}"', f"HostKeyAlias={ALIAS}")
    return ["ssh", "-p", str(port), *(word for option in options for word in ("-o", option)), f"root@{HOST}"]
