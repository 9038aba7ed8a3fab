"""A module that sets a guest's kernel environment (probe/msgport_environment.c), for guests without kenv(1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

SOURCE = Path(__file__).parent / "probe" / "msgport_environment.c"

ROOM = 2048
_PLACE = b"@msgport-environment@\n".ljust(ROOM, b"\0")


def with_settings(module: bytes, settings: Mapping[str, int], gone: Iterable[str] = ()) -> bytes:
    """Give the compiled module's file with the variables that it is to set, and those that it is to unset, in it.

    Raises ValueError when it is not that module's file, or there are more variables than it has room for.
    """
    lines = [*gone, *(f"{name}={value}" for name, value in settings.items())]
    text = "".join(f"{line}\n" for line in lines).encode()
    if module.count(_PLACE) != 1:
        raise ValueError("this is not the module that sets a kernel's environment, as it was compiled")
    if len(text) >= ROOM:
        raise ValueError(f"{len(lines)} variables of the kernel's environment take {len(text)} bytes, not {ROOM - 1}")
    return module.replace(_PLACE, text.ljust(ROOM, b"\0"))
