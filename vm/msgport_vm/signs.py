"""What a DragonFly kernel says when it is about to stop, as data: see panic(9) and ddb(4)."""

from __future__ import annotations

import re

DEBUGGER = r"db> \Z"
MORE = r"--More--[\r\x08 ]*\Z"
REBOOT = r"Automatic reboot in \d+ seconds"

DEATHS = (
    r"panic: .*",
    r"panic with \d+ spinlocks held",
    r"Fatal trap \d+.*",
    r"Fatal double fault.*",
    r"DOUBLE FAULT - KERNEL STACK GUARD HIT!",
    r"SECONDARY PANIC ON CPU.*",
)

# A load handler that fails does not make kldload fail: only the kernel tells.
LOAD_HANDLER_FAILED = re.compile(r"module_register_init: MOD_LOAD \((?P<module>[^,]+), .*\) error \d+")

_DEATH = re.compile("|".join(DEATHS))


def death(text: str) -> str:
    """Give the text of the first panic or trap in ``text``; empty when there is none."""
    found = _DEATH.search(text)
    return found[0].strip() if found else ""
