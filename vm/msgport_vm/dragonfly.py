"""What a DragonFly system says of itself, in its commands' own words: eras, failed loads, failed builds. Pure."""

from __future__ import annotations

import re

FIRST_VERSIONS = {"A": 300000, "B": 300200, "C": 300400, "D": 300600, "E": 400000}
"""The ``__DragonFly_version`` of the first release of each era of the message-port API; of A, of 3.0, its last."""

_HANDLER_FAILED = re.compile(r"module_register_init: MOD_LOAD \([^)]*\) error \d+")
# A serial console ends its lines with \r\n.
_LINKER = re.compile(r"^(?:link_elf|linker_load_file)[^\r\n]*", re.M)

_MISSING = (
    (re.compile(r"\bmake: (?:command )?not found", re.I), "make", "it is in DragonFly's base: install the base again"),
    (re.compile(r"\bcc: (?:command )?not found|exec\(cc\)|cc: no such file", re.I), "a C compiler",
     "it is in DragonFly's base (world): install the base again"),
    (re.compile(r"can't find kernel source tree|fatal error: sys/\S+: no such file", re.I),
     "the kernel's source", "cd /usr && make src-create-shallow; or, from release media, tar -C / -xjf "
     "/usr/src-sys.tar.bz2"),
    # It is also bsd.kmod.mk that says that there is no source.
    (re.compile(r"bsd\.kmod\.mk", re.I), "bsd.kmod.mk", "it is in DragonFly's base: look in /usr/share/mk"),
)  # fmt: skip


def era_of(osreldate: int) -> str:
    """The API era of a kernel by ``kern.osreldate``, which is its ``__DragonFly_version``."""
    return max((era for era, first in FIRST_VERSIONS.items() if first <= osreldate), default="A")


def failed_handler(console: str) -> str:
    """What the kernel said when a module's load handler returned an error, which kldload keeps silent about."""
    match = _HANDLER_FAILED.search(console)
    return match[0] if match else ""


def linker_complaints(console: str) -> str:
    """Why the kernel's linker did not take a module: its lines."""
    return "\n".join(match[0] for match in _LINKER.finditer(console))


def missing_for_build(output: str) -> tuple[str, str] | None:
    """What a failed build of a module lacked on its machine, and what to do there; None when it lacked nothing."""
    return next(((what, remedy) for sign, what, remedy in _MISSING if sign.search(output)), None)
