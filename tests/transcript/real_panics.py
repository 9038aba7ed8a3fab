"""The panics that a real kernel showed, one of each class: results/dragonfly-5.9/smp4/console.txt, cut into loads."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from msgport.transcript import read

CONSOLE = Path(__file__).parents[2] / "results" / "dragonfly-5.9" / "smp4" / "console.txt"


@cache
def real_panics() -> dict[str, str]:
    """What the console said of one load of each class, from its begin record to the end of its stack trace.

    Those that two CPUs tore between them, so that a part is missing, are left out.
    """
    console = CONSOLE.read_bytes().decode("utf-8", errors="surrogateescape").replace("\r", "")
    found: dict[str, str] = {}
    for piece in re.split(r"(?m)^(?=msgport:\w\w:\w{8}:0000:begin )", console)[1:]:
        text = piece.partition("db> ps")[0]
        (load,) = read(text).loads
        whole = all(each in text.partition("panic: ")[2] for each in ("cpuid = ", "Trace beginning"))
        if whole and load.panic and load.panic.name:
            found.setdefault(load.panic.name, text)
    return found
