"""Reports on standard output: as wide as a terminal is, or as they are where there is none."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

UNLIMITED = 200
"""Columns of a table that goes to no terminal: a file or a pipe has no width to keep to, and is for grep, too."""


def width() -> int | None:
    """The columns that there are; None where that is no matter."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else None


GAP = "   "
"""Between two columns."""


@contextmanager
def printing() -> Iterator[Console]:
    """A console for a report, which is put on standard output at the end, without blanks at the ends of lines."""
    # What explore prints needs none of it.
    from rich.console import Console

    console = Console(highlight=False, width=width() or UNLIMITED)
    with console.capture() as capture:
        yield console
    sys.stdout.write(re.sub(r" +$", "", capture.get(), flags=re.MULTILINE))


def laid_out(rows: Sequence[Sequence[str]], limit: int | None, kept: int = 0) -> list[str]:
    """Lines of a table: columns side by side, or in blocks one under another where they do not fit into ``limit``.

    The first ``kept`` columns stand in each block.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    blocks: list[list[int]] = [[]]
    for place in range(kept, len(widths)):
        taken = [*range(kept), *blocks[-1], place]
        if blocks[-1] and limit is not None and sum(widths[each] + len(GAP) for each in taken) - len(GAP) > limit:
            blocks.append([])
        blocks[-1].append(place)
    return [
        GAP.join(row[place].ljust(widths[place]) for place in (*range(kept), *block)).rstrip()
        for block in blocks
        for row in rows
    ]
