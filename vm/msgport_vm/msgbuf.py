"""The kernel's message buffer as a console: what is new in it since it was last read.

The buffer is a ring, and `dmesg` shows all of it each time. What was overwritten before it could be read is lost here
without a trace; records carry numbers, so that whoever reads them notices.
"""

from __future__ import annotations

KEPT = 1 << 20
"""Characters remembered of what was read: more than any message buffer's usual size."""

_BANNER = "\nCopyright (c) 2003-"
"""How a booting DragonFly kernel introduces itself; a buffer can survive a warm reboot and then holds two boots."""


class MessageBuffer:
    """What has been read of one machine's message buffer."""

    def __init__(self) -> None:
        """Nothing has been read."""
        self._seen = ""

    def news(self, shown: str, *, flush: bool) -> str:
        """What ``shown``, the whole buffer as `dmesg` prints it now, has beyond what was read before.

        Without ``flush`` the last line is held back until another follows: it may be half a line, which dmesg ends
        with a line feed of its own.
        """
        new = shown[self._known(shown) :]
        if not flush:
            new = new[: new.rfind("\n", 0, max(len(new) - 1, 0)) + 1]
        self._seen = (self._seen + new)[-KEPT:]
        return new

    def _known(self, shown: str) -> int:
        """How many characters of ``shown``, from its start, were read before."""
        known = _overlap(self._seen, shown)
        if known == 0 and self._seen:
            # The last line may have been half a line when it was flushed.
            whole = self._seen[: self._seen.rfind("\n", 0, len(self._seen) - 1) + 1]
            known = _overlap(whole, shown)
        return known


def _overlap(old: str, new: str) -> int:
    """Length of the longest end of ``old`` that ``new`` begins with."""
    if new.startswith(old):
        return len(old)
    last_line = old[old.rfind("\n", 0, max(len(old) - 1, 0)) + 1 :]
    end = len(new)
    while last_line:
        at = new.rfind(last_line, 0, end)
        if at < 0:
            break
        length = at + len(last_line)
        if old.endswith(new[:length]):
            return length
        end = length - 1
    return 0


def before_reboot(text: str) -> str:
    """What the kernel before the last boot said, of a buffer's text that may go on with that boot; else empty."""
    return text[: text.rfind(_BANNER) + 1]
