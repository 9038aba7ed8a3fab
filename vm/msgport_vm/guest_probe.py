"""What the probe module (probe/msgport_probe.c) said of the kernel that it was loaded into."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from msgport_vm.dragonfly import era_of

SOURCE = Path(__file__).parent / "probe" / "msgport_probe.c"

_NUMBERS = re.compile(
    r"msgport-probe: osreldate=(?P<osreldate>\d+) ncpus=(?P<cpus>\d+) invariants=(?P<invariants>-?[01]) "
    r"spin=(?P<spin>[01]) at=0x(?P<at>[0-9a-f]+) messages=0x(?P<messages>[0-9a-f]+)\."
)
_KERNEL = re.compile(r"msgport-probe: kernel=([^\r\n]+)")


@dataclass(frozen=True)
class Kernel:
    """A kernel: its version line, its ``__DragonFly_version``, its CPUs, and whether it has INVARIANTS (None: unknown).

    ``spin_builtin`` tells whether threads' built-in ports are spin ports. ``modules`` is an address in the part of the
    kernel's memory that modules are loaded into, ``messages`` that of its ``struct msgbuf``.
    """

    version: str
    osreldate: int
    cpus: int
    invariants: bool | None
    spin_builtin: bool
    modules: int
    messages: int

    @property
    def era(self) -> str:
        """Which API of the message ports it has, A to E."""
        return era_of(self.osreldate)


def read_probe(text: str) -> Kernel | None:
    """Find what the probe said in console text; None when it is not there, or not whole."""
    numbers, kernel = _NUMBERS.search(text), _KERNEL.search(text)
    if numbers is None or kernel is None:
        return None
    known = {"1": True, "0": False}
    return Kernel(
        version=kernel[1].strip(),
        osreldate=int(numbers["osreldate"]),
        cpus=int(numbers["cpus"]),
        invariants=known.get(numbers["invariants"]),
        spin_builtin=numbers["spin"] == "1",
        modules=int(numbers["at"], 16),
        messages=int(numbers["messages"], 16),
    )
