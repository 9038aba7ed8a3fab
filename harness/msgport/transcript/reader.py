"""Whole transcripts: which loads they hold, each machine's life and each channel taken into account."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from msgport.transcript import records
from msgport.transcript.load import Load, Panic, assemble
from msgport.transcript.records import Found

_BOOT = re.compile(r"^.*Copyright \(c\) .*The DragonFly Project\.", re.MULTILINE)
_BUFFER, _CONSOLE = "[the kernel's message buffer, out of its memory]", "[its console again]"
_EXCERPT = re.compile(rf"\r*\n{re.escape(_BUFFER)}\r*\n(.*?){re.escape(_CONSOLE)}(?:\r*\n|\Z)", re.DOTALL)
_NOTE = re.compile(r"(?:^|\r*\n)\[load ([0-9a-f]{8}) (came to a bad end|stood in): ([^\r\n]*)(?:\r*\n|\Z)")


@dataclass(frozen=True)
class Segment:
    """The text of one machine's life, from boot to death.

    ``console`` is what it said there, ``buffers`` what was read of its message buffer, once or several times;
    ``bad_ends`` has, by nonce, what became of loads otherwise than their records tell; ``steps`` those that a panic
    may have struck in, as the machine's memory told them.
    """

    console: str
    buffers: tuple[str, ...] = ()
    bad_ends: Mapping[int, str] = field(default_factory=dict)
    steps: Mapping[int, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Transcript:
    """The loads in the order in which they appear, and panics that struck when none of them had begun."""

    loads: tuple[Load, ...]
    panics: tuple[Panic, ...]

    def load(self, nonce: int) -> Load | None:
        """The first load with that nonce; None when not one of its records is there."""
        return next((load for load in self.loads if load.nonce == nonce), None)


def excerpt(buffer: str, nonce: int) -> str:
    """What a kernel's message buffer has from a load's first record on; empty if it has none of it."""
    first = buffer.find(f":{nonce:08x}:")
    return buffer[buffer.rfind("\n", 0, first) + 1 :] if first >= 0 else ""


def beside_console(buffer: str) -> str:
    """Text from the message buffer, as it stands in saved console text: marked off from it."""
    return f"\n{_BUFFER}\n{buffer}{'' if buffer.endswith(chr(10)) else chr(10)}{_CONSOLE}\n"


def bad_end(nonce: int, detail: str) -> str:
    """A line of saved text: what became of a load otherwise than its records tell, for whoever judges them again."""
    return f"\n[load {nonce:08x} came to a bad end: {' '.join(detail.split())}]\n"


def stood_in(nonce: int, steps: Iterable[str]) -> str:
    """A line of saved text: the steps that a load's panic may have struck in."""
    return f"\n[load {nonce:08x} stood in: {' '.join(sorted(steps))}]\n"


def lives(text: str) -> list[Segment]:
    """Cut saved text at each boot of the kernel, so that a nonce used again after it means another load.

    What was saved of the message buffer beside the console becomes channels of their own.
    """
    starts = [match.start() for match in _BOOT.finditer(text)]
    cuts = [0, *(start for start in starts if start > 0), len(text)]
    return [_segment(part) for part in (text[a:b] for a, b in pairwise(cuts)) if part.strip()]


def _segment(text: str) -> Segment:
    console, buffers = _EXCERPT.sub("", text), tuple(_EXCERPT.findall(text))
    notes: dict[str, dict[int, str]] = defaultdict(dict)
    for nonce, what, said in _NOTE.findall(console):
        notes[what][int(nonce, 16)] = said.removesuffix("]")
    steps = {nonce: frozenset(said.split()) for nonce, said in notes["stood in"].items()}
    return Segment(_NOTE.sub("", console), buffers, notes["came to a bad end"], steps)


def read(*segments: Segment | str) -> Transcript:
    """Read a transcript; one segment for each life of a machine, or a string when only its console is known.

    The channels of a life are united: a record that both hold counts once, and is lost only if neither holds it. Of a
    panic that is torn on the console the message buffer may still tell which it was.
    """
    loads: list[Load] = []
    strays: list[Panic] = []
    for life, segment in enumerate(segments):
        segment = segment if isinstance(segment, Segment) else Segment(segment)
        found, died, stray = _life(segment)
        for nonce, theirs in found.items():
            each_once = (each.record for each in theirs)
            load = assemble(nonce, life, each_once, died.get(nonce), segment.bad_ends.get(nonce))
            loads.append(replace(load, steps=segment.steps.get(nonce, frozenset())))
        # A load of which nothing came through may have been any variant's.
        loads += [
            Load(nonce, life, problems=(detail, "none of its records came through"))
            for nonce, detail in segment.bad_ends.items()
            if nonce not in found
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
    for channel in (segment.console, *segment.buffers):
        text = records.plain(channel)
        here = records.find(text)
        first: dict[int, Panic] = {}
        for each in here:
            found[each.record.nonce].append(each)
        # A panic belongs to the load whose record began last before it: it may strike in the middle of one.
        begins = [0, *(each.start for each in here), len(text)]
        for place, (start, end) in enumerate(pairwise(begins)):
            panic = panics.find(text, start, end)
            if panic and place:
                nonce = here[place - 1].record.nonce
                before = first.setdefault(nonce, panic)
                if before.name != panic.name:
                    # Two loads with one nonce, or a death told twice and spoilt once.
                    first[nonce] = Panic(None, before.text, before.cpu)
            elif panic:
                strays.append(panic)
        for nonce, panic in first.items():
            died[nonce] = panics.better(died.get(nonce), panic)
    return found, died, strays
