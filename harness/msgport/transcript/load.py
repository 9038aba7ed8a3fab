"""One load of a module, put together from its records: what was observed, and whether anything is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from urllib.parse import unquote

from msgport.manual.api import show_flags
from msgport.scenario.outcome import Outcome
from msgport.transcript.records import Record

# A generated module breaks the values off only where they would overrun a record, with room left for the widest
# numbers: fewer than this many bytes were not broken off.
_ROOM_NEW = 55
_ROOM_MORE = 70

_PLACES = {"begin": 0, "env": 1, "builtin": 2}
"""Where in a load the records stand that have a place of their own."""

ENDS = ("time", "iterations", "enough", "frozen", "deadlock")
"""Why a load may have ended."""


@dataclass(frozen=True)
class Panic:
    """How a machine died.

    ``name`` is a class from ``manual.panics``, or None when neither the text nor the stack trace tells it, or the text
    announces a trap: then nothing follows from it about the message ports. ``text`` is what the kernel said; ``cpu``
    which CPU panicked, None when the lines that tell it are torn or disagree.
    """

    name: str | None
    text: str
    cpu: int | None = None


@dataclass(frozen=True)
class Sighting:
    """An outcome that a load showed.

    ``count`` is how often, ``exact`` whether that is known; else it is the least. ``first`` is the iteration of its
    first sighting. Without ``whole`` records that may have held the rest of its values are missing.
    """

    number: int
    outcome: Outcome
    count: int
    exact: bool
    first: int
    whole: bool = True


@dataclass(frozen=True)
class Said:
    """A line that a scenario said, and the thread that said it."""

    thread: str
    line: str


@dataclass(frozen=True)
class RingEntry:
    """One step of the trace: CPU, time stamp counter, thread, statement (from 1), result and flags as text."""

    cpu: int
    tsc: int
    thread: str
    statement: int
    result: str
    flags: str


@dataclass(frozen=True)
class Load:
    """All that the records of one load tell.

    ``nonce`` and ``life`` (the machine's life that it happened in, from 0) tell loads apart. ``hash`` and ``scenario``
    are empty when the begin record is lost. ``environment`` is the env record as it stands. ``spin_builtin`` tells
    whether threads' built-in ports were spin ports. ``iterations`` and
    ``ended`` are None without an end record. ``frozen`` is the number of the outcome that froze the rings. ``stuck``
    maps threads to the statement they sleep in. ``overflow`` counts outcomes that the module had no room for.
    ``headless`` tells that a record of those that say what is loaded on what is lost. ``steps`` are those that the
    panic may have struck in, where memory told them.
    ``problems`` says, one sentence each, what is lost or contradicts itself: while there is one, nothing is known of
    what the load did beside the sightings that are whole.
    """

    nonce: int
    life: int
    hash: str = ""
    scenario: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    spin_builtin: bool = False
    sightings: tuple[Sighting, ...] = ()
    said: tuple[Said, ...] = ()
    trace: tuple[RingEntry, ...] = ()
    frozen: int | None = None
    stuck: Mapping[str, int] = field(default_factory=dict)
    overflow: int = 0
    iterations: int | None = None
    ended: str | None = None
    panic: Panic | None = None
    problems: tuple[str, ...] = ()
    headless: bool = False
    steps: frozenset[str] = frozenset()

    @property
    def complete(self) -> bool:
        """Whether the end record is there and nothing before it is missing."""
        return self.ended is not None and not self.problems


def assemble(nonce: int, life: int, records: Iterable[Record], panic: Panic | None, bad_end: str | None = None) -> Load:
    """Put one load together; ``records`` in any order, repeats included, from all channels of one machine's life.

    ``bad_end`` is what became of it otherwise than its records tell.
    """
    numbered: dict[int, Record] = {}
    conflicts: list[str] = []
    for record in records:
        if numbered.setdefault(record.sequence, record) != record:
            conflicts.append(
                f"two different records have nonce {nonce:08x} and number {record.sequence}: two loads with one nonce, "
                "or a transcript put together from several"
            )
    reading = _Reading(numbered)
    for sequence in sorted(numbered):
        reading.take(numbered[sequence])
    sightings = tuple(reading.sightings())
    lost = tuple(_loss(numbered, panic))
    problems = [
        *([bad_end] if bad_end else []),
        *conflicts,
        *lost,
        *reading.problems,
        *(() if lost else reading.contradictions()),
    ]
    if reading.overflow:
        problems.append(f"the module's table had no room for {_count(reading.overflow, 'execution')}")
    return Load(
        nonce,
        life,
        reading.hash,
        reading.scenario,
        reading.environment,
        reading.spin_builtin,
        sightings,
        tuple(reading.said),
        tuple(reading.trace),
        reading.frozen,
        reading.stuck,
        reading.overflow,
        reading.iterations,
        reading.ended,
        panic,
        tuple(dict.fromkeys(problems)),
        any(place not in numbered and place < max(numbered) for place in _PLACES.values()),
    )


class _Reading:
    """What the records say, taken in order; ``problems`` what makes no sense in them."""

    def __init__(self, numbered: Mapping[int, Record]) -> None:
        self.hash = self.scenario = ""
        self.environment: Mapping[str, str] = {}
        self.spin_builtin = False
        self.said: list[Said] = []
        self.trace: list[RingEntry] = []
        self.frozen: int | None = None
        self.stuck: dict[str, int] = {}
        self.overflow = 0
        self.iterations: int | None = None
        self.ended: str | None = None
        self.problems: list[str] = []
        self._numbered = numbered
        self._new: dict[int, Record] = {}
        self._counts: dict[int, int] = {}

    def take(self, record: Record) -> None:
        """Take the next record."""
        try:
            self._take(record)
        except (KeyError, ValueError):
            self.problems.append(f"record {record.sequence} ({record.kind}) does not hold what its kind should")

    def _take(self, record: Record) -> None:
        get = record.field
        if _PLACES.get(record.kind, record.sequence) != record.sequence:
            raise ValueError
        match record.kind:
            case "begin":
                self.hash, self.scenario = get("h"), get("s")
            case "env":
                self.environment = dict(record.fields)
            case "builtin":
                if get("kind") != "spin":
                    raise ValueError
                self.spin_builtin = True
            case "new":
                outcome = _number(get("k"))
                _number(get("i")), get("v"), get("e")
                if outcome in self._new:
                    self.problems.append(f"outcome {outcome} is new twice")
                self._new.setdefault(outcome, record)
            case "more":
                _number(get("k")), get("v")
            case "say":
                self.said.append(Said(get("t"), unquote(get("x"), errors="replace")))
            case "frozen":
                self.frozen = _number(get("k"))
            case "ring":
                entry = RingEntry(int(get("c")), int(get("t")), get("w"), int(get("s")), get("r"), _flags(get("f")))
                self.trace.append(entry)
            case "stuck":
                self.stuck[get("t")] = int(get("s"))
            case "out":
                outcome, count = _number(get("k")), _number(get("n"))
                if count == 0:
                    raise ValueError
                if outcome in self._counts:
                    self.problems.append(f"outcome {outcome} is counted twice")
                self._counts[outcome] = count
            case "overflow":
                self.overflow = _number(get("n"))
            case "end":
                if _number(get("n")) != record.sequence or get("why") not in ENDS:
                    raise ValueError
                self.iterations, self.ended = _number(get("i")), get("why")
            case _:
                self.problems.append(f"record {record.sequence} is of a kind that is not known: {record.kind}")

    def sightings(self) -> Iterator[Sighting]:
        """Every outcome, in the order of their numbers; notes counts that do not fit the sightings."""
        for number, record in sorted(self._new.items()):
            values, whole = self._values(number, record)
            count = self._counts.get(number)
            if count is None and self.ended is not None:
                self.problems.append(f"outcome {number} has no final count")
            outcome = Outcome(record.field("e"), tuple(values.split(",")) if values else ())
            yield Sighting(number, outcome, count or 1, count is not None, int(record.field("i")), whole)
        for number in sorted(set(self._counts) - set(self._new)):
            self.problems.append(f"outcome {number} has a final count, {self._counts[number]}, and was never told")
        total = sum(self._counts.values()) + self.overflow
        if self.iterations is not None and total != self.iterations:
            self.problems.append(f"the counts add up to {total}, the executions to {self.iterations}")

    def contradictions(self) -> Iterator[str]:
        """What does not fit together although no record is missing; not asked when one is."""
        for kind in ("begin", "env"):
            at = self._numbered.get(_PLACES[kind])
            if at is not None and at.kind != kind:
                yield f"record {at.sequence} is of kind {at.kind} where {kind} should be"
        if self.ended is None:
            return
        # The module of a page's example has no limit, and ends after one.
        if self.ended == "iterations" and self.environment.get("iter", "0") not in ("0", str(self.iterations)):
            limit = self.environment["iter"]
            yield f"it ended after {self.iterations} executions, as if that were its limit, which is {limit}"
        if self.ended == "frozen" and self.frozen is None:
            yield "it ended because an outcome froze it, and none did"
        if self.frozen is not None and self.ended not in ("frozen", "deadlock"):
            yield f"outcome {self.frozen} froze it, and it did not end there"
        deadlocked = any(record.field("e").startswith("deadlock") for record in self._new.values())
        if deadlocked != (self.ended == "deadlock") and not self.overflow:
            yield "it tells of a deadlock in its end or in its outcomes, not in both"

    def _values(self, number: int, new: Record) -> tuple[str, bool]:
        """The values of an outcome as they stand, and whether none of them can be missing."""
        values = new.field("v")
        full = len(values) + len(new.field("e")) >= _ROOM_NEW
        sequence = new.sequence + 1
        while (record := self._numbered.get(sequence)) and record.kind == "more" and record.field("k") == str(number):
            values += record.field("v")
            full = len(record.field("v")) >= _ROOM_MORE
            sequence += 1
        return values, record is not None or not full


def _loss(numbered: Mapping[int, Record], panic: Panic | None) -> Iterator[str]:
    """What is missing, a sentence each."""
    ends = [sequence for sequence, record in numbered.items() if record.kind == "end"]
    # Every load begins with two.
    last = min(ends, default=max(*numbered, 1))
    if max(numbered) > last:
        yield f"records follow the end record {last}: up to {max(numbered)}"
    missing = sorted(set(range(last if ends else last + 1)) - set(numbered))
    if missing:
        yield f"lost {_count(len(missing), 'record')} of {last + 1}{'' if ends else ' or more'}: {_ranges(missing)}"
    if not ends and panic is None:
        yield "no end record: the load was not over when the transcript stops, or its end was lost"
    if ends and panic is not None:
        yield f"the machine panicked after the load was over: {panic.text}"


def _number(text: str) -> int:
    """What ``%u`` printed. Raises ValueError: a sign, which a count that ran over may have, is none of it."""
    if not text.isdecimal():
        raise ValueError
    return int(text)


def _flags(text: str) -> str:
    """The flags of a ring record as an outcome shows them, or ``-``. Raises ValueError."""
    return text if text == "-" else show_flags(int(text, 16))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers, as ``3, 5-9``."""
    groups = groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    runs = [[number for _, number in group] for _, group in groups]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
