"""The ``ssh`` machine: a DragonFly that is up somewhere, real hardware perhaps, and perhaps not ours to crash.

ssh has no console, so console text is the kernel's message buffer, read again and again while a module runs. Whatever
becomes of this process, the machine is left as it was: a watcher there waits for its own standard input to end, which
a lost connection or a killed harness does too, then unloads our modules, takes our settings back and removes our files.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from msgport_vm.connection import (
    CONNECT_TIMEOUT,
    Address,
    Answer,
    Command,
    Connection,
    ConnectionLostError,
    NoAnswerError,
    Trust,
    configured,
    connect,
)
from msgport_vm.deaths import LINES, death
from msgport_vm.dragonfly import era_of, failed_handler, linker_complaints, missing_for_build
from msgport_vm.hostbuild import HostBuilds
from msgport_vm.machine import BuildError, Event, EventKind, Facts, MachineError, UnloadRefusedError
from msgport_vm.msgbuf import MessageBuffer, before_reboot

POLL = 0.2
"""Seconds between two looks at the message buffer while a module runs."""

RETRY = 0.5
QUIET = 3.0
"""Seconds of silence after which a dying machine has said all, if it did not say that it stops."""

FIRST_TRY = 5.0
"""Seconds that a machine has to answer when it is tried again; twice as many each time. It answers at once if it can:
a longer wait may be for a machine that it is no more."""

LAST = (LINES["reboot"], LINES["stopped"])
"""With one of these a dying machine has told its trace."""

DRAGONFLY = "DragonFly"
SAME_BOOT = 3
"""Seconds by which a clock that is being disciplined may move the time of boot; no machine reboots faster."""

_ABOUT = """\
echo system=$(uname -s); echo release=$(uname -r); echo version=$(uname -v); echo uid=$(id -u); \
echo osreldate=$(sysctl -n kern.osreldate); echo ncpu=$(sysctl -n hw.ncpu); \
echo boottime=$(sysctl -n kern.boottime); echo guest=$(sysctl -n kern.vmm_guest 2>/dev/null); \
echo pattern=$(sysctl -n debug.use_malloc_pattern 2>/dev/null); echo crash=$(cat /var/crash/bounds 2>/dev/null); \
echo kenv=$(command -v kenv); echo spin=$(kenv lwkt.use_spin_port 2>/dev/null); \
echo cc=$(cc --version 2>/dev/null | head -n 1); \
for e in sudo doas; do if $e -n true 2>/dev/null; then echo elevate=$e; break; fi; done"""

_PANIC_SETTINGS = (("debug.debugger_on_panic", 0), ("debug.trace_on_panic", 1))
"""So that a panic prints its trace and reboots, instead of waiting in a debugger that nobody sees."""

_SETTLE = """\
case ${TMPDIR:=/tmp} in [!/]*|*[!A-Za-z0-9_./-]*) TMPDIR=/tmp;; esac; \
d=$(mktemp -d "$TMPDIR/msgport.XXXXXXXXXX") && mkdir "$d/build" && echo "msgport-folder:$d\""""
_FOLDER = re.compile(r"^msgport-folder:(/[\w./-]+)$", re.ASCII | re.MULTILINE)
"""The user's login shell may say anything before, and no word of the machine's gets to a shell there as it is."""

_SWEEP = """\
d={}; if ! mv "$d" "$d.gone" 2>/dev/null; then n=0; \
while [ -e "$d.gone" ] && kill -0 "$(cat "$d.gone/sweeper" 2>/dev/null || echo 0)" 2>/dev/null; do \
[ $n -lt 20 ] || exit 0; sleep 1; n=$((n + 1)); done; [ -e "$d.gone" ] || exit 0; fi; d=$d.gone; \
echo $$ >"$d/sweeper"; \
for f in "$d"/loaded/*; do m=${f##*/}; kldstat -n "$m" >/dev/null 2>&1 || continue; \
kldunload "${m%.ko}" || echo "left $m"; done; \
for f in "$d"/tunables/*; do [ -e "$f" ] && kenv -u "${f##*/}" >/dev/null 2>&1; done; \
for f in "$d"/sysctl/*; do [ -e "$f" ] && sysctl "${f##*/}=$(cat "$f")" >/dev/null; done; \
rm -rf "$d\""""
"""Leave nothing behind. Whoever moves the folder first does it; another waits for 20 s at most until that is done, or
goes on with it when whoever began it is dead (the machine rebooted meanwhile)."""


def _sweep(folder: str) -> str:
    return _SWEEP.replace("{}", shlex.quote(folder), 1)


@dataclass(frozen=True)
class Patience:
    """How long to wait for what, in seconds."""

    answer: float = 15.0
    build: float = 600.0
    unload: float = 60.0
    comeback: float = 300.0
    last_words: float = 60.0


@dataclass
class _Session:
    """One connection, what the machine said of itself over it, and our folder there."""

    link: Connection
    about: dict[str, str]
    folder: str = ""
    watcher: Command | None = None

    @property
    def boottime(self) -> int:
        """Seconds since 1970 at which it booted; sysctl prints ``{ sec = N, usec = N } date``."""
        words = self.about["boottime"].replace(",", " ").split()
        try:
            return int(words[words.index("sec") + 2])
        except (ValueError, IndexError):
            raise MachineError(f"sysctl kern.boottime says {self.about['boottime']!r}, which is no time") from None

    def as_root(self, script: str) -> str:
        """The line of sh that runs ``script`` as root."""
        if self.about["uid"] == "0":
            return script
        return f'{self.about["elevate"]} -n env PATH="$PATH" sh -c {shlex.quote(script)}'

    def root(self, script: str, timeout: float, what: str = "", meanwhile: Callable[[], None] = lambda: None) -> Answer:
        """Run a line of sh as root; ``meanwhile`` as for ``Command.answer``."""
        return self.link.run(self.as_root(script), timeout, what or script, meanwhile)


class SshMachine:
    """A running DragonFly reached over ssh as a Machine: see ``machine.Machine`` for the protocol.

    ``url`` is ``ssh://user@host[:port]``; the user is root, or may become root by sudo or doas without a password.
    Without ``trust`` the user's own ssh configuration, known hosts, keys and agent are used.
    With ``allow_panic`` the machine may be crashed and rebooted (``Facts.expendable``). ``builder`` compiles modules
    here instead of there, and is closed with the machine. ``console`` gives what came since its last call on a true
    console of the machine, where its death shows at once. ``system`` is what its ``uname -s`` has to say.
    ``left_behind`` names the modules that could not be removed. Raises ValueError for a bad ``url``.
    """

    def __init__(
        self,
        url: str,
        *,
        trust: Trust | None = None,
        allow_panic: bool = False,
        builder: HostBuilds | None = None,
        console: Callable[[], str] | None = None,
        patience: Patience | None = None,
        target: str = "ssh",
        system: str = DRAGONFLY,
    ) -> None:
        """Keep the choices; nothing is connected before boot()."""
        self.address = Address.parse(url)
        self.left_behind: tuple[str, ...] = ()
        self._given = (self.address, trust)
        self._trust = trust or Trust.users()
        self._expendable = allow_panic
        self._builder = builder
        self._console = console
        self._patience = patience or Patience()
        self._target = target
        self._system = system
        self._overheard = ""
        self._buffer = MessageBuffer()
        self._session: _Session | None = None
        self._changing = threading.Lock()
        self._closed = threading.Event()
        self._loaded: set[str] = set()
        self._tunables: set[str] = set()
        self._running: Command | None = None

    def __enter__(self) -> SshMachine:
        """Nothing to do: boot() connects."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def boot(self) -> Facts:
        """Connect to it and see what it is. Raises MachineError when it cannot be used, and says why."""
        self._closed.clear()
        compiler = self._builder.start() if self._builder else ""
        named, trust = self._given
        self.address, self._trust = (named, trust) if trust else configured(named)
        self._session = session = self._settle(connect(self.address, self._trust), "")
        about = session.about
        virtual = about["guest"] not in ("", "none")
        extra = {"address": str(self.address), "release": about["release"], "guest of": about["guest"] or "unknown"}
        if not about["kenv"]:
            extra["tunables"] = "compiled in: the machine has no kenv"
        return Facts(
            target=self._target,
            kernel=f"{about['system']} {about['release']} {about['version']}",
            dragonfly=about["system"] == DRAGONFLY,
            era=era_of(int(about["osreldate"])),
            # A kernel has this sysctl only with INVARIANTS; that one lacks it proves nothing of other releases.
            invariants=True if about["pattern"] else None,
            cpus=int(about["ncpu"]),
            host_cores=int(about["ncpu"]),
            accelerator=f"unknown: a guest of {about['guest']}" if virtual else "none: reached over ssh",
            compiler=compiler or about["cc"] or "none",
            extra=extra,
            expendable=self._expendable,
            spin_builtin=about["spin"] not in ("", "0"),
        )

    def _about(self, link: Connection) -> dict[str, str]:
        answer = link.run(_ABOUT, self._patience.answer, "asking what the machine is")
        about = {"elevate": ""} | dict(line.split("=", 1) for line in answer.output.splitlines() if "=" in line)
        if about.get("system") != self._system:
            raise MachineError(
                f"{self.address} runs {about.get('system') or 'no Unix'}, not {self._system}", screen=answer.output
            )
        for name in ("osreldate", "ncpu"):
            if not about.get(name, "").isdecimal():
                raise MachineError(f"{self.address} does not tell its {name}", screen=answer.output)
        if about["uid"] != "0" and about["elevate"] not in ("sudo", "doas"):
            raise MachineError(
                f"loading modules takes root, and {self.address.user} may use neither sudo nor doas without a "
                f"password there; try ssh://root@{self.address.host}, or let sudo ask nothing (NOPASSWD)"
            )
        return about

    def _settle(self, link: Connection, old_folder: str, ended: int | None = None) -> _Session:
        """Make our folder there and start its watcher; sweep what an earlier connection left.

        Raises ConnectionLostError when it is still the boot that began at ``ended``.
        """
        try:
            session = _Session(link, self._about(link))
            if ended is not None and abs(session.boottime - ended) <= SAME_BOOT:
                raise ConnectionLostError("it goes on as before")
            if old_folder:
                self._note_left(session.root(_sweep(old_folder), self._patience.unload, "sweeping").output)
                self._tunables = set()
            # Made by the user and closed to others; root's part of it is made below.
            made = link.run(_SETTLE, self._patience.answer, "making our folder")
            named = _FOLDER.search(made.output.replace("\r", ""))
            if made.status != 0 or named is None:
                raise MachineError(f"{self.address} has no room for our files: {made.output.strip()}")
            session.folder = folder = named[1]
            session.watcher = link.start(
                session.as_root(f"trap '' HUP PIPE; cat >/dev/null; {_sweep(folder)}"), "watching"
            )
            script = f"cd {shlex.quote(folder)} && mkdir loaded tunables sysctl"
            if self._expendable:
                for name, value in _PANIC_SETTINGS:
                    # A kernel without the debugger lacks the setting, and needs none.
                    script += f"; sysctl -n {name} >sysctl/{name} 2>/dev/null && sysctl {name}={value} >/dev/null"
                    script += f" || rm -f sysctl/{name}"
            answer = link.run(session.as_root(f"{script}; [ -d sysctl ]"), 60, script)
            if answer.status != 0:
                raise MachineError(f"{self.address}: our folder could not be set up: {answer.output.strip()}")
        except BaseException:
            link.close()
            raise
        return session

    def _note_left(self, sweeping: str) -> None:
        names = [line.removeprefix("left ") for line in sweeping.splitlines() if line.startswith("left ")]
        self.left_behind = tuple(dict.fromkeys((*self.left_behind, *names)))

    def _here(self) -> _Session:
        if self._session is None:
            raise MachineError("the ssh machine is not connected: boot() it first")
        return self._session

    def _recover(self, lost: _Session, rebooting: bool = False) -> _Session:
        """Connect anew after ``lost`` was lost; from whichever thread saw it first. Raises MachineError.

        A machine that is ``rebooting`` is another boot when it is back.
        """
        with self._changing:
            if self._session is not lost:
                return self._here()
            lost.link.close()
            deadline = time.monotonic() + self._patience.comeback
            timeout = FIRST_TRY
            while True:
                try:
                    link = connect(self.address, self._trust, timeout)
                    self._session = self._settle(link, lost.folder, lost.boottime if rebooting else None)
                    return self._session
                except MachineError as error:
                    # While it goes down it may answer anything.
                    passing = rebooting or isinstance(error, (ConnectionLostError, NoAnswerError))
                    if not passing:
                        raise
                    if time.monotonic() >= deadline or self._closed.wait(RETRY):
                        raise MachineError(
                            f"{self.address} did not come back within {self._patience.comeback:g} s ({error}); it may "
                            "stand in its kernel debugger: look at its console, or power it off and on"
                        ) from error
                    timeout = min(2 * timeout, CONNECT_TIMEOUT)

    def build(self, source: Path) -> Path:
        """Compile a module there, in our folder, with make and bsd.kmod.mk; give its copy ``source/NAME.ko``.

        Raises BuildError, which names what the machine lacks. A machine that a running module crashes meanwhile is
        waited for.
        """
        if self._builder is not None:
            return self._builder.build(source, bool(self._here().about["pattern"]))
        candidates = sorted(source.glob("*.c"))
        if len(candidates) != 1 or not (source / "Makefile").is_file():
            raise BuildError(f"{source} holds {len(candidates)} C files; a module is one, beside its Makefile")
        session = self._here()
        for _ in range(3):
            try:
                return self._build_on(session, candidates[0])
            except (ConnectionLostError, NoAnswerError) as error:
                gone = error
                session = self._recover(session)
        raise BuildError(f"{candidates[0].name} was not built: {gone}")

    def _build_on(self, session: _Session, source: Path) -> Path:
        place = f"{session.folder}/build/{source.stem}"
        quoted = shlex.quote(place)
        made = session.link.run(f"rm -rf {quoted} && mkdir {quoted}", self._patience.answer)
        if made.status != 0:
            raise BuildError(f"{self.address} has no room to build in: {made.output.strip()}", made.output)
        for file in (source, source.parent / "Makefile"):
            session.link.put(file, f"{place}/{file.name}")
        answer = session.link.run(f"cd {quoted} && make", self._patience.build, "make")
        if answer.status != 0:
            lacking = missing_for_build(answer.output)
            if lacking:
                raise BuildError(
                    f"{self.address} lacks {lacking[0]}, so modules cannot be built there. On it: {lacking[1]}. "
                    "Or build here, against a kernel's source: --sysdir DIR",
                    answer.output,
                )
            raise BuildError(f"{source} does not compile on {self.address}:\n{answer.output}", answer.output)
        module = source.with_suffix(".ko")
        try:
            session.link.get(f"{place}/{module.name}", module)
        except (ConnectionLostError, NoAnswerError):
            raise
        except MachineError as error:
            raise BuildError(f"make made no {module.name} on {self.address}: {error}", answer.output) from error
        return module

    def _news(self, session: _Session, *, flush: bool) -> str:
        answer = session.root("dmesg", self._patience.answer, meanwhile=self._overhear)
        if answer.status != 0:
            raise MachineError(f"{self.address} does not show its message buffer: {answer.output.strip()}")
        return self._buffer.news(answer.output, flush=flush)

    def _overhear(self) -> None:
        """Gather what a true console says. Raises ConnectionLostError when it tells of the machine's death."""
        if self._console is not None:
            self._overheard += self._console()
            if said := death(self._overheard):
                raise ConnectionLostError(f"its console tells of its death: {said}")

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        """Load a module: see ``machine.Machine``. A module whose MOD_LOAD fails stays in, as DragonFly has it."""
        session = self._here()
        said: list[str] = []
        try:
            if self._console is not None:
                self._console()
            self._overheard = ""
            self._news(session, flush=True)
            place = f"{session.folder}/{module.name}"
            session.link.put(module, place)
            self._loaded.add(module.name)
            self._running = session.link.start(
                session.as_root(self._loading(session, module.name, tunables)), f"kldload {module.name}"
            )
            self._tunables = set(tunables)
            silent_since = time.monotonic()
            over = False
            while not over:
                over = self._running.wait(POLL)
                self._overhear()
                if text := self._news(session, flush=over):
                    silent_since = time.monotonic()
                    said.append(text)
                yield Event(EventKind.CONSOLE, text)
                if not over and time.monotonic() >= silent_since + timeout:
                    if text := self._news(session, flush=True):
                        yield Event(EventKind.CONSOLE, text)
                    yield Event(
                        EventKind.HUNG, f"nothing in the message buffer for {timeout:g} s; it still answers over ssh"
                    )
                    return
            answer = self._running.answer(self._patience.answer)
        except (ConnectionLostError, NoAnswerError) as gone:
            yield from self._aftermath(session, gone, "".join(said))
            return
        self._running = None
        console = "".join(said)
        if answer.status == 0:
            failed = failed_handler(console)
            yield Event(EventKind.LOAD_FAILED, failed) if failed else Event(EventKind.LOADED)
            return
        text = "\n".join(filter(None, (answer.output.strip(), linker_complaints(console))))
        yield Event(EventKind.LOAD_FAILED, text or f"kldload ended with status {answer.status} and said nothing")

    def _loading(self, session: _Session, name: str, tunables: Mapping[str, int]) -> str:
        """The line that sets the tunables and loads a module, each noted first for the sweep."""
        steps = [f"cd {shlex.quote(session.folder)}"]
        if session.about["kenv"]:
            steps += [f"kenv -u {shlex.quote(gone)} >/dev/null" for gone in sorted(self._tunables - set(tunables))]
            for tunable, value in tunables.items():
                quoted = shlex.quote(tunable)
                steps.append(f": >tunables/{quoted} && kenv {quoted}={value} >/dev/null")
        quoted = shlex.quote(name)
        return " && ".join([*steps, f": >loaded/{quoted}", f"kldload ./{quoted}"])

    def _aftermath(self, lost: _Session, gone: MachineError, heard: str) -> Iterator[Event]:
        """The machine fell silent while a module ran: find out what became of it.

        ``heard`` is what it said until then, which may have been its last words already.
        """
        if self._console is not None:
            text = self._last_words(self._console)
            if text:
                yield Event(EventKind.CONSOLE, text)
            if said := death(text):
                lost.link.close()
                yield Event(EventKind.PANICKED, said)
                return
        ended = EventKind.HUNG if isinstance(gone, NoAnswerError) else EventKind.DIED
        try:
            back = self._recover(lost)
            news = self._news(back, flush=True)
            if abs(back.boottime - lost.boottime) <= SAME_BOOT:
                if news:
                    yield Event(EventKind.CONSOLE, news)
                yield Event(ended, f"{gone}; the machine stayed up")
                return
            text = before_reboot(news) or self._dumped(lost, back)
        except MachineError as error:
            yield Event(ended, f"{gone}; {error}")
            return
        self._loaded.clear()
        self._running = None
        if text:
            yield Event(EventKind.CONSOLE, text)
        if said := death(heard + text):
            yield Event(EventKind.PANICKED, said)
        else:
            yield Event(
                EventKind.DIED,
                f"{gone}; it rebooted and left no reason, neither in its message buffer nor in /var/crash",
            )

    def _last_words(self, console: Callable[[], str]) -> str:
        """What a true console says until the machine's death is on it, and it stops, or is quiet for a while."""
        text, self._overheard = self._overheard + console(), ""
        heard = time.monotonic()
        deadline = heard + self._patience.last_words
        while time.monotonic() < deadline and not self._closed.wait(RETRY):
            more = console()
            text += more
            if more:
                heard = time.monotonic()
            elif death(text) and (any(line.pattern.search(text) for line in LAST) or time.monotonic() > heard + QUIET):
                break
        return text

    def _dumped(self, lost: _Session, back: _Session) -> str:
        """The panic as the crash dump tells it, if the machine took one since; savecore keeps its header as text."""
        number = back.about["crash"]
        if not number.isdecimal() or number == lost.about["crash"]:
            return ""
        info = f"/var/crash/info.{int(number) - 1}"
        answer = back.root(f"cat {info}", self._patience.answer)
        for line in answer.output.splitlines():
            if line.strip().startswith("Panic String: ") and answer.status == 0:
                return f"panic: {line.split(': ', 1)[1]}\n"
        return ""

    def unload(self, module: Path) -> Iterator[Event]:
        """Unload a module: see ``machine.Machine``."""
        session = self._here()
        name = shlex.quote(module.name)
        try:
            self._overheard = ""
            answer = session.root(
                f"kldunload {shlex.quote(module.stem)}", self._patience.unload, meanwhile=self._overhear
            )
            text = self._news(session, flush=True)
            if text:
                yield Event(EventKind.CONSOLE, text)
            there = session.root(f"kldstat -n {name}", self._patience.answer).status == 0
        except (ConnectionLostError, NoAnswerError) as gone:
            raise MachineError(f"the machine was lost while {module.name} was unloaded: {gone}") from gone
        if there:
            raise UnloadRefusedError(answer.output.strip() or f"{module.name} stays in", text)
        self._loaded.discard(module.name)
        if answer.status != 0:
            raise MachineError(f"{module.name} could not be unloaded: {answer.output.strip()}", text)

    def memory(self) -> bytes:
        """Nothing: a remote machine's memory is out of reach."""
        return b""

    def messages(self) -> str:
        """Nothing. It is the console already."""
        return ""

    def restart(self) -> None:
        """Bring it back: connect anew, unload what is ours; reboot it if that fails and it is ours to reboot.

        Modules that stay on a machine that is not ours are told in ``left_behind``; they sleep, and others can be
        loaded beside them.
        """
        session = self._here()
        try:
            session.link.run("true", self._patience.answer)
        except (ConnectionLostError, NoAnswerError):
            session = self._recover(session)
        stuck = self._stuck(session)
        self._running = None
        self._loaded.clear()
        if stuck and self._expendable:
            self._reboot(session, stuck)
        elif stuck:
            self._note_left("".join(f"left {name}\n" for name in stuck))

    def _stuck(self, session: _Session) -> list[str]:
        """Unload whatever of ours is in; give what stays."""
        try:
            running = self._running is not None and not self._running.wait(0)
        except ConnectionLostError:
            running = False
        if running:
            return sorted(self._loaded)
        stuck: list[str] = []
        for name in sorted(self._loaded):
            unload = (
                f"kldstat -n {shlex.quote(name)} >/dev/null 2>&1 || exit 0; kldunload {shlex.quote(Path(name).stem)}"
            )
            try:
                if session.root(f"({unload})", self._patience.unload).status != 0:
                    stuck.append(name)
            except NoAnswerError:
                stuck.append(name)
        return stuck

    def _reboot(self, session: _Session, stuck: list[str]) -> None:
        # One that is lost or deaf may be on its way already; else it is found to be the same boot.
        with contextlib.suppress(ConnectionLostError, NoAnswerError):
            session.link.start(session.as_root("reboot"), "reboot")
        try:
            self._recover(session, rebooting=True)
        except MachineError as error:
            raise MachineError(f"it was told to reboot, for {', '.join(stuck)} cannot be unloaded: {error}") from error

    def forget(self) -> None:
        """Hang up without a word to the machine: whoever owns it is about to change it under us."""
        self._closed.set()
        with self._changing:
            session, self._session = self._session, None
        self._loaded.clear()
        self._tunables = set()
        self._running = None
        if session is not None:
            session.link.close()

    def close(self) -> None:
        """Leave it as it was and hang up; safe to call twice. What could not be removed is in ``left_behind``."""
        self._closed.set()
        with self._changing:
            session, self._session = self._session, None
        if self._builder is not None:
            self._builder.close()
        if session is None:
            return
        assert session.watcher is not None
        try:
            session.watcher.end_input()
            self._note_left(session.watcher.answer(self._patience.unload).output)
        except ConnectionLostError:
            pass  # The watcher has seen it too, and does its work alone.
        except NoAnswerError:
            self._note_left("".join(f"left {name}\n" for name in sorted(self._loaded)))
        finally:
            session.link.close()
