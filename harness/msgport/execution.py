"""One variant on one machine: loads of its module, one after another, until the time or the executions are used up.

A module that ends in a deadlock or a panic takes the machine with it, so the machine is brought back and the module
loaded again; each load has its own nonce and seed, and their counts add up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from msgport.check.models import Models
from msgport.check.observed import Observed, gather
from msgport.remains import Remains, remains_of
from msgport.scenario.outcome import matches
from msgport.scenario.program import Variant
from msgport.transcript import Load, Transcript, bad_end, beside_console, excerpt, lives, read, stood_in
from msgport_vm.machine import Event, EventKind, Machine, MachineError, UnloadRefusedError

LOADS = 4096
"""Loads of one variant at most, so that each variant of a run can have so many nonces to itself."""

SLOWEST = 0.005
"""Seconds that an execution may take, many CPUs on few cores and an emulator included."""

BABBLE = 60.0
"""Seconds that a machine may say other things than a load's records before it counts as hung."""

MOST_BABBLE = 4 << 20
"""Characters after which it does as well: a kernel that goes round in circles fills memory faster than time passes."""

BEAT = 1.0
"""Seconds at most between two signs of life; a machine that takes longer is being waited for, and does not babble."""

T = TypeVar("T")

CERTAIN = 3
"""Loads that are enough where the models allow one outcome only, and it is a panic, a deadlock or what is said."""


@dataclass(frozen=True)
class Limits:
    """How long to go on: ``seconds`` of wall time and ``executions``, over all loads together; 0 is no limit.

    After ``enough`` executions, unless that is 0, a variant is over as soon as it has shown every allowed outcome.
    ``silence`` is how many seconds a machine may say nothing before it counts as hung, beside those that its module
    is given to count outcomes in: once each has been told, it says nothing until the end. ``babble`` is how many it may
    say anything else than the load's records, beside those too.
    """

    seconds: float
    executions: int = 0
    enough: int = 0
    silence: float = 20.0
    babble: float = BABBLE


@dataclass(frozen=True)
class Life:
    """One load: what the console said, what its records tell, and how it ended (``detail`` when it did badly).

    Where the console lost something, ``text`` also has what the kernel's message buffer holds of the load.
    ``remains`` is what the machine's memory told of it, if it died and its memory could be read.
    """

    nonce: int
    text: str
    transcript: Transcript
    ended: EventKind
    detail: str
    remains: Remains | None = None

    @property
    def load(self) -> Load | None:
        """What the records tell of this load; None when not one of them came through."""
        return self.transcript.load(self.nonce)

    @property
    def steps(self) -> frozenset[str]:
        """The steps that a panic may have struck in, as ``T0.1``: those of the threads on the CPU that panicked."""
        panic = self.load and self.load.panic
        if self.remains is None or not panic:
            return frozenset()
        threads = self.remains.variant.threads
        moves = any(statement.op == "setcpu" for thread in threads for statement in thread.body)
        return frozenset(
            f"{thread.name}.{self.remains.standing[thread.name]}"
            for thread in threads
            if thread.name in self.remains.standing and (moves or panic.cpu in (None, thread.cpu))
        )

    @property
    def unread(self) -> Remains | None:
        """What memory told, if it died of anything but a panic that can be read: that tells enough by itself."""
        load = self.load
        read = load is not None and load.panic is not None and load.panic.name is not None and load.ended is None
        return None if read else self.remains


@dataclass
class Execution:
    """All loads of one variant."""

    variant: Variant
    lives: list[Life] = field(default_factory=list)

    def observed(self) -> Observed:
        """Add up what the loads observed. Raises StaleTranscriptError when a module was another variant's.

        What a console still held of loads before counts for nothing, least of all for a load that said nothing itself.
        """
        loads = [life.load for life in self.lives if life.load]
        steps = {life.nonce: life.steps for life in self.lives}
        traces = {life.nonce: life.remains.trace for life in self.lives if life.remains}
        observed = gather(self.variant, loads, steps, traces)
        silent = [f"load {life.nonce:08x}: none of its records came through" for life in self.lives if not life.load]
        deaths = [life.detail for life in self.lives if life.detail]
        stood = [f"load {life.nonce:08x} stood {life.unread.where}" for life in self.lives if life.unread]
        return replace(observed, problems=(*deaths, *stood, *silent, *observed.problems))

    @property
    def last_done(self) -> tuple[str, ...]:
        """What the CPUs did last, as lines for people, where a load died in a way that tells nothing else."""
        return next((life.unread.lines for life in self.lives if life.unread), ())


def execute(
    machine: Machine,
    module: Path,
    models: Models,
    limits: Limits,
    nonce: int,
    seed: int,
    hear: Callable[[str], None] = lambda _: None,
) -> Execution:
    """Load a variant's module until a limit is reached or a forbidden outcome was seen.

    The module was generated with these limits and this seed, which need not be told to its first load. Nonces and
    seeds count up from the given ones. ``hear`` is called with the console's text as it comes, at least once a second,
    with none if there is none; what it raises breaks the execution off. Raises MachineError when the machine cannot be
    brought back.
    """
    execution = Execution(models.variant)
    start = time.monotonic()
    executed = 0
    while True:
        left = limits.seconds and limits.seconds - (time.monotonic() - start)
        number = len(execution.lives)
        tunables = {"msgport.nonce": int32(nonce + number)}
        if number > 0:
            tunables["msgport.seed"] = (seed + number) % 2**31
            tunables["msgport.ms"] = max(1, round(left * 1000)) if limits.seconds else 0
            tunables["msgport.iterations"] = limits.executions - executed if limits.executions else 0
        working = max(0.0, left) if limits.seconds else SLOWEST * (limits.executions - executed)
        silence, babble = limits.silence + working, limits.babble + working
        life = live(machine, module, models.variant, tunables, silence, babble, hear)
        execution.lives.append(life)
        executed += max(1, (life.load and life.load.iterations) or 0)
        if not _goes_on(models, execution.lives):
            return execution
        if limits.executions and executed >= limits.executions:
            return execution
        if limits.seconds and time.monotonic() - start >= limits.seconds:
            return execution


def int32(number: int) -> int:
    """The same 32 bits as a signed number: a kernel's environment holds signed ones."""
    return (number + 2**31) % 2**32 - 2**31


def _goes_on(models: Models, lives: Sequence[Life]) -> bool:
    """Tell whether another load may show more: this one ended early, for a reason that the model knows."""
    life, load = lives[-1], lives[-1].load
    if load is None or life.detail:
        return False
    allowed = models.kernel.outcomes
    if life.ended is EventKind.PANICKED:
        early = any(outcome.kind in ("panic", "*") for outcome in allowed)
    else:
        early = load.ended == "deadlock" or (models.variant.says and load.ended == "iterations")
    if any(not any(matches(pattern, s.outcome) for pattern in allowed) for s in load.sightings if s.outcome.values):
        # A forbidden outcome ends it, unless what is said stands in for the values.
        early = early and models.variant.says
    return early and len(lives) < (CERTAIN if len(allowed) == 1 else LOADS)


def live(
    machine: Machine,
    module: Path,
    variant: Variant | None,
    tunables: Mapping[str, int],
    silence: float,
    babble: float = BABBLE,
    hear: Callable[[str], None] = lambda _: None,
    *,
    stays: bool = False,
) -> Life:
    """Load a module, wait until it is over, unload it; restart the machine after anything but an orderly unload.

    It counts as hung after ``silence`` seconds without a word, or ``babble`` seconds without one of this load's
    records. Without a ``variant`` nothing is known of the module's steps; ``hear`` is as for ``execute``; one that
    ``stays`` is not meant to be unloaded. Raises MachineError when the machine cannot be brought back.
    """
    nonce = tunables["msgport.nonce"] % 2**32
    text: list[str] = []

    def keep(said: str) -> None:
        text.append(said)
        hear(said)

    def listen(events: Iterable[Event]) -> Event | None:
        return _listen(events, f":{nonce:08x}:", babble, keep)

    end = listen(machine.load(module, tunables, silence)) or Event(EventKind.DIED)
    heard = _read(text).load(nonce)
    # Of a load without an end record, one that panicked for instance, nobody knows what is missing.
    if not (heard and heard.complete) and (more := excerpt(_if_readable(machine.messages, ""), nonce)):
        keep(beside_console(more))
    memory = b""
    refusal = died = ""
    if end.kind is EventKind.LOADED:
        try:
            if (stuck := listen(machine.unload(module))) is not None:
                raise MachineError(stuck.text)
        except UnloadRefusedError as refused:
            # After a deadlock threads sleep in the module's code for ever; only a new machine is free of them.
            refusal = str(refused)
            machine.restart()
        except MachineError as failed:
            died = f"the machine failed when the module was unloaded: {failed}"
            machine.restart()
    else:
        memory = _if_readable(machine.memory, b"") if end.kind is not EventKind.LOAD_FAILED else b""
        machine.restart()
    transcript = _read(text)
    load = transcript.load(nonce)
    if refusal and not stays and not (load and load.ended == "deadlock"):
        died = f"the module would not unload: {refusal}"
    if variant and end.kind is EventKind.PANICKED and not (load and load.panic):
        died = f"the machine panicked, and its console does not tell how: {end.text}"
    detail = died or _bad_end(end.kind, end.text)
    remains = remains_of(variant, memory, nonce) if variant else None
    life = Life(nonce, "", transcript, end.kind, detail, remains)
    # For whoever judges the text again: what is not on the console.
    if life.steps:
        keep(stood_in(nonce, life.steps))
    if detail or (variant and not load):
        keep(bad_end(nonce, detail or "it loaded and said nothing"))
    return replace(life, text="".join(text))


def _read(text: Sequence[str]) -> Transcript:
    return read(*lives("".join(text)))


def _if_readable(look: Callable[[], T], nothing: T) -> T:
    """Look at what a machine left; what cannot be read is not there, and the machine itself is seen to by restart()."""
    try:
        return look()
    except MachineError:
        return nothing


def _listen(events: Iterable[Event], mark: str, babble: float, hear: Callable[[str], None]) -> Event | None:
    """Hear console text to its end; give the event that ends it, HUNG when it goes on and on without the mark."""
    talked, size, before = 0.0, 0, time.monotonic()
    for event in events:
        if event.kind is not EventKind.CONSOLE:
            return event
        hear(event.text)
        now = time.monotonic()
        talked, size, before = talked + min(now - before, BEAT), size + len(event.text), now
        if mark in event.text:
            talked, size = 0.0, 0
        elif talked > babble or size > MOST_BABBLE:
            return Event(EventKind.HUNG, f"still talking after {talked:.0f} s, but not of this load")
    return None


def _bad_end(ended: EventKind, detail: str) -> str:
    """Say why a load tells nothing about the message ports; empty when it ended as loads do."""
    match ended:
        case EventKind.LOADED | EventKind.PANICKED:
            return ""
        case EventKind.LOAD_FAILED:
            return f"the module would not load: {detail.strip()}"
        case EventKind.HUNG:
            return f"the machine hung: {detail.strip() or 'it said nothing more'}"
        case _:
            return f"the machine died: {detail.strip() or 'it gave no reason'}"
