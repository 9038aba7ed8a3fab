"""Whole transcripts: which loads they hold, each machine's life and each channel taken into account."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from msgport.transcript import records
from msgport.transcript.load import Load, Panic, assemble
from msgport.transcript.records import Found

_BOOT = re.compile(r"^.*Copyright \(c\) .*The DragonFly Project\.", re.MULTILINE)


@dataclass(frozen=True)
class Segment:
    """The text of one machine's life, from boot to death: its console, and its message buffer if that was read."""

    console: str
    buffer: str = ""


@dataclass(frozen=True)
class Transcript:
    """The loads in the order in which they appear, and panics that struck when none of them had begun."""

    loads: tuple[Load, ...]
    panics: tuple[Panic, ...]


def lives(text: str) -> list[Segment]:
    """Cut saved console text at each boot of the kernel, so that a nonce used again after it means another load."""
    starts = [match.start() for match in _BOOT.finditer(text)]
    cuts = [0, *(start for start in starts if start > 0), len(text)]
    return [Segment(text[a:b]) for a, b in pairwise(cuts) if text[a:b].strip()]


def read(*segments: Segment | str) -> Transcript:
    """Read a transcript; one segment for each life of a machine, or a string when only its console is known.

    The channels of a life are united: a record that both hold counts once, and is lost only if neither holds it.
    """
    loads: list[Load] = []
    strays: list[Panic] = []
    for life, segment in enumerate(segments):
        found, died, stray = _life(segment if isinstance(segment, Segment) else Segment(segment))
        loads += [
            assemble(nonce, life, (each.record for each in theirs), died.get(nonce)) for nonce, theirs in found.items()
        ]
        strays += stray
    return Transcript(tuple(loads), tuple(strays))


def _life(segment: Segment) -> tuple[dict[int, list[Found]], dict[int, Panic], list[Panic]]:
    """One life's records by nonce, the panic that struck each load, and the panics that struck none."""
    # How a kernel dies only matters to who reads a transcript.
    from msgport.transcript import panics

    found: dict[int, list[Found]] = defaultdict(list)
    died: dict[int, Panic] = {}
    strays: list[Panic] = []
    for channel in (segment.console, segment.buffer):
        text = records.plain(channel)
        here = records.find(text)
        for each in here:
            found[each.record.nonce].append(each)
        # A panic belongs to the load whose record began last before it: it may strike in the middle of one.
        begins = [0, *(each.start for each in here), len(text)]
        for place, (start, end) in enumerate(pairwise(begins)):
            panic = panics.find(text, start, end)
            if panic and place:
                died.setdefault(here[place - 1].record.nonce, panic)
            elif panic:
                strays.append(panic)
    return found, died, strays
