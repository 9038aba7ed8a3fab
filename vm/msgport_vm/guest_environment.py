"""A guest's kernel environment, set by kenv(1) or, where there is none, by a module (probe/msgport_environment.c)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path

from msgport_vm.console import LONGEST
from msgport_vm.dragonfly import failed_handler
from msgport_vm.machine import Event, EventKind

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


Command = Callable[[str, float], Generator[Event, None, tuple[int, str] | Event]]
"""Runs a shell command in the guest, with seconds of silence that it may keep: see ``QemuGuest.command``."""

Setter = Callable[[Mapping[str, int], Iterable[str], Path], Generator[Event, None, Path | Event]]
"""Brings the module that sets variables and unsets others into the guest, together with a module that is to be loaded
after it; returns where it is there, or the event that prevented it."""


class KernelEnvironment:
    """The variables that loads set in a guest's kernel; those of one are unset before the next."""

    def __init__(self, command: Command, setter: Setter) -> None:
        """Nothing is known of the guest."""
        self._command = command
        self._setter = setter
        self._set: set[str] = set()
        self._kenv: bool | None = None

    def forget(self) -> None:
        """Know of a guest that was brought back: no variable is set."""
        self._set = set()

    def prepare(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Generator[Event, None, str | Event]:
        """Set the variables for a load of ``module``; return the event that prevents it.

        Or return what is to stand before the load's own command: a line less is typed, and waited for.
        """
        gone, self._set = sorted(self._set - set(tunables)), set(tunables)
        if not gone and not tunables:
            return ""
        if self._kenv is None:
            asked = yield from self._command("command -v kenv >/dev/null", timeout)
            if isinstance(asked, Event):
                return asked
            self._kenv = asked[0] == 0
        if self._kenv:
            orders = [f"kenv -u {name}" for name in gone] + [f"kenv {name}={tunables[name]}" for name in tunables]
            order = "{ " + ";".join(orders) + ";}>/dev/null"
            if len(order) <= LONGEST // 2:
                return f"{order}&&"
        else:
            setter = yield from self._setter(tunables, gone, module)
            if isinstance(setter, Event):
                return setter
            order = f"kldload {setter}&&kldunload {setter.name}"
        ended = yield from self._command(order, timeout)
        if isinstance(ended, Event):
            return ended
        if ended[0] != 0 or failed_handler(ended[1]):
            return Event(EventKind.LOAD_FAILED, f"the guest cannot set its kernel's environment: {ended[1]}")
        return ""
