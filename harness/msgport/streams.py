"""Standard output and standard error as a command needs them: a report that is lost is told, a lost remark is not.

They are made anew once, where the process begins, so that nothing that prints has to think of full disks and of readers
that go away.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Report(io.FileIO):
    """Standard output: once its reader went away or its disk is full, all is let go, and ``trouble`` says why."""

    trouble: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        if self.trouble is None:
            try:
                return super().write(data)
            except OSError as error:
                self.trouble = error
        return memoryview(data).nbytes


class _Remarks(io.FileIO):
    """Standard error: how a command is getting on. That it cannot be told changes nothing of how it went."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            written = super().write(data)
        except OSError:
            written = None
        return memoryview(data).nbytes if written is None else written


def prepare() -> None:
    """Open on /dev/null what the process was started without; make ``sys.stdout`` and ``sys.stderr`` anew."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Opening takes the lowest that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = _like(sys.stdout, _Report(1, "wb", closefd=False))
    sys.stderr = _like(sys.stderr, _Remarks(2, "wb", closefd=False))


def lost() -> str:
    """Write out what is still to be written of the report; say why it is lost, empty when it is not."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return f"cannot write the report: {raw.trouble.strerror}" if isinstance(raw, _Report) and raw.trouble else ""


def _like(old: TextIO | None, raw: io.FileIO) -> TextIO:
    """A text stream like the one that Python made, over another file."""
    if not isinstance(old, io.TextIOWrapper):
        return io.TextIOWrapper(io.BufferedWriter(raw))
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=old.encoding,
        errors=old.errors,
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )
