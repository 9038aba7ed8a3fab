"""The ``userland`` machine: LWKT on pthreads, in one process, built here with the host's C compiler.

The process takes commands line by line on its standard input and answers each with one line on a channel of its own;
its standard output is the console and nothing else. When its standard input ends, for whatever reason, so does it.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import selectors
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from types import MappingProxyType
from typing import IO, Self

import platformdirs

from msgport_vm.bounded import run
from msgport_vm.compiled import CompiledModules, unwritable
from msgport_vm.dragonfly import FIRST_VERSIONS
from msgport_vm.machine import BuildError, Event, EventKind, Facts, MachineError, UnloadRefusedError
from msgport_vm.scratch import Scratch

COMPILERS = ("cc", "gcc", "clang")
WARNINGS = ("-Wall", "-Wextra", "-Werror")
KERNEL_FLAGS = ("-std=gnu11", "-fPIC", "-ffreestanding", "-nostdinc", "-D_KERNEL", "-DINVARIANTS")
HOST_FLAGS = ("-std=gnu11", "-fPIC", "-D_GNU_SOURCE")
# A run compiles each variant's module, which takes longer than to run it: nothing in it that a run does not need.
LEAN = ("-O0", "-fno-asynchronous-unwind-tables", "-shared", "-nostdlib")
MODULE_FLAGS = (*KERNEL_FLAGS, "-DKLD_MODULE", "-fno-common", "-Wall", "-Werror", *LEAN)
SANITIZERS = {"": (), "address,undefined": ("-fno-sanitize-recover=all",), "thread": ()}
MACHINES = "machines"
"""The folder of the cache for what belongs to a machine that runs or is built."""

MAX_CPUS = 256  # as in host/main.c
ANSWER_TIMEOUT = 60.0
"""Seconds for a compiler to say its version."""

COMPILE_TIMEOUT = 300.0
"""Seconds for one file, which takes one or two where nothing is wrong."""

BOOT_TIMEOUT = 20.0
END_TIMEOUT = 5.0
SLICE = 0.5
"""Seconds after which a machine that says nothing is heard of all the same."""


def default_sources() -> Path:
    """Give the folder of the machine's C sources: in a wheel beside this file, in a checkout beside its package."""
    packaged = Path(__file__).parent / "userland_src"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "userland"


def default_cache() -> Path:
    """Give the folder for built machines: ``MSGPORT_CACHE``, else the user's cache folder."""
    override = os.environ.get("MSGPORT_CACHE")
    return Path(override) if override else platformdirs.user_cache_path("msgport")


class CpusError(MachineError, ValueError):
    """So many CPUs are out of range: the mistake is the caller's, so it is a ValueError as well."""


@dataclass(frozen=True)
class Toolchain:
    """A C compiler that is there: the words that call it, and the first line of what it says of itself."""

    command: tuple[str, ...]
    version: str


def find_compiler(wanted: str | None = None) -> Toolchain:
    """Find a C compiler: ``wanted``, else the environment's ``CC``, else cc, gcc or clang on the path.

    ``wanted`` and ``CC`` are words of a shell, so that there may be options, or a compiler cache before the compiler.
    Raises MachineError when there is none, or none that works; it says what each one found said, and what to do.
    """
    asked = (wanted or os.environ.get("CC", "")).strip()
    try:
        candidates = [shlex.split(asked)] if asked else [[name] for name in COMPILERS]
    except ValueError as error:
        raise MachineError(f"CC={asked} does not name a C compiler: {error}") from error
    broken: list[str] = []
    for name, *options in candidates:
        path = shutil.which(name)
        if path is None:
            continue
        command = (path, *options)
        shown = shlex.join(command)
        try:
            said = run([*command, "--version"], ANSWER_TIMEOUT)
        except OSError as error:
            broken.append(f"{shown} does not run: {error.strerror}")
            continue
        except subprocess.TimeoutExpired:
            broken.append(f"{shown} --version does not end within {ANSWER_TIMEOUT:g} s")
            continue
        if said.returncode == 0 and said.stdout.strip():
            return Toolchain(command, said.stdout.strip().splitlines()[0])
        lines = (said.stderr + said.stdout).strip().splitlines()
        broken.append(
            f"{shown} --version ended with status {said.returncode} and said {lines[0] if lines else 'nothing'!r}"
        )
    if broken:
        found = f"a C compiler was found but does not work: {'; '.join(broken)}"
    else:
        found = f"no C compiler found (tried {asked or ', '.join(COMPILERS)})"
    raise MachineError(
        f"{found}. Install one (Debian: apt install gcc libc6-dev; BSD: it is in base or pkg install llvm), or name "
        "yours in the environment variable CC."
    )


@dataclass(frozen=True)
class Runtime:
    """A built machine: its program, its sources' include folder, its headers' digest, the key it is cached under."""

    program: Path
    include: Path
    headers: str
    key: str


def sanitize_flags(sanitize: str) -> tuple[str, ...]:
    """What makes the compiler and the linker put in a sanitizer, one of SANITIZERS."""
    return ("-g", f"-fsanitize={sanitize}", "-fno-omit-frame-pointer", *SANITIZERS[sanitize]) if sanitize else ()


def era_flags(era: str) -> tuple[str, ...]:
    """What makes the headers show an era; they show E by themselves."""
    return () if era == "E" else (f"-D__DragonFly_version={FIRST_VERSIONS[era]}",)


def compile_with(command: list[str], folder: Path | None, what: str) -> None:
    """Run a compiler.

    Raises BuildError when the source is at fault or the compiler does not end, OSError when there is no room on the
    disk.
    """
    try:
        done = run(command, COMPILE_TIMEOUT, folder, {**os.environ, "LC_ALL": "C"})
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{what} was not compiled: {command[0]} does not end within {COMPILE_TIMEOUT:g} s") from error
    except OSError as error:
        raise BuildError(f"{what} could not be compiled: {error}") from error
    said = done.stdout + done.stderr
    for line in said.splitlines() if done.returncode else ():
        for number in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(number) in line:
                raise OSError(number, line)
    if done.returncode != 0:
        raise BuildError(f"{what} does not compile (exit status {done.returncode})", said)


def _object(source: Path, command: list[str], toolchain: Toolchain, headers: bytes, objects: Path, aside: Path) -> Path:
    """Compile one file, or find it compiled: a copy of the sources with one file changed compiles that file alone.

    The paths of the folders for headers do not count, what is in them does.
    """
    flags = [word for word in command if not Path(word).is_dir()]
    digest = hashlib.sha256(repr((toolchain.version, flags, source.name)).encode())
    digest.update(headers)
    digest.update(source.read_bytes())
    compiled = objects / f"{digest.hexdigest()[:32]}.o"
    if not compiled.exists():
        fresh = aside / f"{source.stem}.o"
        compile_with([*command, "-c", "-o", str(fresh), str(source)], None, f"the userland machine's {source.name}")
        fresh.replace(compiled)
    return compiled


Rules = Mapping[str, Sequence[str]]
"""How to compile a program: files of the sources, as patterns relative to them, and the compiler's flags for each.

The first pattern that fits a file counts; what none fits is no part of the program.
"""


def build_program(
    name: str, sources: Path, toolchain: Toolchain, rules: Rules, link: Sequence[str], cache: Path
) -> Runtime:
    """Build one of the machine's programs, or find it in ``cache``, where it is keyed by all that shapes it.

    Two processes may do this at once: each builds aside, and the first to finish puts its own in place.
    Raises BuildError, or MachineError when the sources are not there or the cache cannot be written.
    """
    sources = sources.resolve()
    files = sorted(path for path in sources.rglob("*") if path.suffix in (".c", ".h"))
    if not files:
        raise MachineError(f"no sources of the userland machine in {sources}")
    digest = hashlib.sha256(repr((name, toolchain.command, toolchain.version, rules, link)).encode())
    for path in files:
        digest.update(f"\0{path.relative_to(sources)}\0".encode())
        digest.update(path.read_bytes())
    key = digest.hexdigest()[:16]
    place = cache / f"userland-{key}"
    headers = b"".join(path.read_bytes() for path in files if path.suffix == ".h")
    runtime = Runtime(place / name, sources / "include", hashlib.sha256(headers).hexdigest(), key)
    if runtime.program.exists():
        return runtime
    folders = ["-iquote", str(sources / "include"), "-iquote", str(sources / "kern")]
    # Where every machine that boots removes what dead processes left.
    scratch = Scratch(cache / MACHINES)
    try:
        aside = scratch.path / "built"
        aside.mkdir()
        (cache / "objects").mkdir(exist_ok=True)
        objects = []
        for path in files:
            relative = path.relative_to(sources)
            flags = next((flags for pattern, flags in rules.items() if fnmatch(str(relative), pattern)), None)
            if path.suffix != ".c" or flags is None:
                continue
            # The kernel half sees the machine's headers alone, the host half the host's.
            search = ["-I", str(sources / "include")] if "-D_KERNEL" in flags else []
            command = [*toolchain.command, *flags, *search, *folders]
            objects.append(str(_object(path, command, toolchain, headers, cache / "objects", aside)))
        libraries = ("-lpthread", "-ldl") if os.uname().sysname == "Linux" else ("-lpthread", "-lexecinfo")
        command = [*toolchain.command, *link, "-rdynamic", "-o", name, *objects, *libraries]
        compile_with(command, aside, f"the userland machine's program {name}")
        try:
            aside.rename(place)
        except OSError:
            if not runtime.program.exists():
                raise
    except OSError as error:
        raise unwritable(cache, error) from error
    finally:
        scratch.remove()
    return runtime


def build_runtime(sources: Path, toolchain: Toolchain, sanitize: str, cache: Path, era: str = "E") -> Runtime:
    """Build the machine's program from ``sources``: see ``build_program``."""
    flags = (*sanitize_flags(sanitize), "-O2", "-g", *WARNINGS)
    rules = {"kern/*": (*KERNEL_FLAGS, *era_flags(era), *flags), "host/*": (*HOST_FLAGS, *flags)}
    return build_program("lwkt", sources, toolchain, rules, sanitize_flags(sanitize), cache)


class _Process:
    """One life of the machine: its process, and the pipes to it."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        read, write = os.pipe()
        try:
            self.popen = subprocess.Popen(
                [*command, "--control", str(write)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(write,),
                env=environment,
                bufsize=0,
            )
        except OSError as error:
            os.close(read)
            raise MachineError(f"the userland machine does not start: {error}") from error
        finally:
            os.close(write)
        stdin, stdout, stderr = self.popen.stdin, self.popen.stdout, self.popen.stderr
        assert stdin is not None and stdout is not None and stderr is not None
        self.stdin: IO[bytes] = stdin
        self.stdout: IO[bytes] = stdout
        self.stderr: IO[bytes] = stderr
        self.control = read
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.partial = b""
        self.replies: list[str] = []
        self.unanswered = 1  # that it is ready it says unasked
        self.complaints = b""
        self.selector = selectors.DefaultSelector()
        for descriptor in (self.stdout.fileno(), self.stderr.fileno(), self.control):
            os.set_blocking(descriptor, False)
            self.selector.register(descriptor, selectors.EVENT_READ)

    def command(self, line: str) -> None:
        """Send one command; a process that is gone is found out by the missing reply."""
        self.unanswered += 1
        try:
            self.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            return

    def _read(self, descriptor: int) -> bytes:
        """Read all that a pipe holds now; a pipe that ended is forgotten."""
        pieces: list[bytes] = []
        while True:
            try:
                piece = os.read(descriptor, 65536)
            except BlockingIOError:
                break
            if not piece:
                if descriptor in self.selector.get_map():
                    self.selector.unregister(descriptor)
                break
            pieces.append(piece)
        return b"".join(pieces)

    def step(self, timeout: float) -> str:
        """Wait for something at most ``timeout`` seconds, take it in, and give the console text among it."""
        ready = {key.fd for key, _ in self.selector.select(max(timeout, 0))}
        if self.control in ready:
            self.partial += self._read(self.control)
            *lines, self.partial = self.partial.split(b"\n")
            self.replies += [line.decode("utf-8", "replace") for line in lines]
            self.unanswered -= len(lines)
        if self.stderr.fileno() in ready:
            self.complaints += self._read(self.stderr.fileno())
        # What was printed before a reply is in the pipe by now.
        return self.decoder.decode(self._read(self.stdout.fileno()))

    @property
    def ended(self) -> bool:
        """Tell whether its control channel has ended, which only its death does."""
        return self.control not in self.selector.get_map()

    def close(self, patience: float) -> int:
        """End it, kindly for ``patience`` seconds, and give its exit status."""
        if self.popen.poll() is None:
            self.stdin.close()
            try:
                self.popen.wait(patience)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        status = self.popen.wait()
        self.selector.close()
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()
        os.close(self.control)
        return status


class UserlandMachine:
    """LWKT in user space as a Machine: see ``machine.Machine`` for the protocol.

    ``cpus`` virtual CPUs (1 to 256) share the host's cores. ``era``, A to E, is whose message ports it has: as modules
    see them, in API and behaviour (docs/eras.md). ``sanitize`` is ``""``, ``"address,undefined"`` or
    ``"thread"``; a report ends the machine with DIED and the report as text. ``compiler`` overrides ``CC``.
    ``sources`` takes an altered copy of the machine's sources, ``cache`` another folder for what is built.
    ``environment`` is the kernel's when it boots, as a loader sets it (``lwkt.use_spin_port``).
    """

    def __init__(
        self,
        cpus: int = 4,
        *,
        era: str = "E",
        sanitize: str = "",
        compiler: str | None = None,
        sources: Path | None = None,
        cache: Path | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
        unload_timeout: float = 30.0,
    ) -> None:
        """Keep the choices; nothing is built or started before boot().

        Raises CpusError, a MachineError, for ``cpus`` out of range, ValueError for an unknown era or sanitizer.
        """
        if not 1 <= cpus <= MAX_CPUS:
            raise CpusError(f"a userland machine has 1 to {MAX_CPUS} CPUs, not {cpus}")
        if era not in FIRST_VERSIONS:
            raise ValueError(f"unknown era {era!r}; known: {', '.join(FIRST_VERSIONS)}")
        if sanitize not in SANITIZERS:
            raise ValueError(f"unknown sanitizer {sanitize!r}; known: {', '.join(map(repr, SANITIZERS))}")
        self.cpus = cpus
        self.era = era
        self.sanitize = sanitize
        self.environment = environment
        self.unload_timeout = unload_timeout
        self._wanted = compiler
        self._sources = sources or default_sources()
        self._cache = cache or default_cache()
        self._toolchain: Toolchain | None = None
        self._runtime: Runtime | None = None
        self._compiled: CompiledModules | None = None
        self._process: _Process | None = None
        self._scratch: Scratch | None = None
        self.left_behind: tuple[str, ...] = ()
        self._memory = b""
        self._tunables: set[str] = set()

    def __enter__(self) -> Self:
        """Nothing to do: boot() starts it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _tools(self) -> tuple[Toolchain, Runtime, CompiledModules]:
        if self._toolchain is None or self._runtime is None or self._compiled is None:
            self._toolchain = find_compiler(self._wanted)
            self._runtime = build_runtime(self._sources, self._toolchain, self.sanitize, self._cache, self.era)
            self._compiled = CompiledModules(self._cache / "modules")
        return self._toolchain, self._runtime, self._compiled

    @property
    def _vmcore(self) -> Path:
        if self._scratch is None:
            self._scratch = Scratch(self._cache / MACHINES)
        return self._scratch.path / "vmcore"

    def boot(self) -> Facts:
        """Build the machine if need be and start it. Raises MachineError when it does not come up."""
        toolchain, runtime, _ = self._tools()
        self._start(runtime)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return Facts(
            target="userland",
            kernel="LWKT in user space (not DragonFly)",
            dragonfly=False,
            era=self.era,
            invariants=True,
            cpus=self.cpus,
            host_cores=cores,
            accelerator="none: pthreads",
            compiler=toolchain.version,
            spin_builtin=self.environment.get("lwkt.use_spin_port", "0") != "0",
            extra={"sanitize": self.sanitize or "none", "runtime": runtime.key},
        )

    def _start(self, runtime: Runtime) -> None:
        self._tunables = set()
        self._vmcore.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=0",
            "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        command = [str(runtime.program), "--cpus", str(self.cpus), "--vmcore", str(self._vmcore)]
        for name, value in self.environment.items():
            command += ["--kenv", f"{name}={value}"]
        if self.sanitize:
            command.append("--no-traps")  # the sanitizers tell more of a bad access
        self._process = process = _Process(command, environment)
        screen = "".join(event.text for event in self._until_reply(process, BOOT_TIMEOUT))
        if not process.replies or not process.replies.pop(0).startswith("ready"):
            status = self._bury()
            raise MachineError(f"the userland machine does not come up ({status})", screen)

    def _until_reply(self, process: _Process, timeout: float) -> Iterator[Event]:
        """Yield console text until a reply is there, the process has ended, or nothing came for ``timeout`` seconds."""
        silent_since = time.monotonic()
        while True:
            text = process.step(min(SLICE, silent_since + timeout - time.monotonic()))
            if text:
                silent_since = time.monotonic()
            yield Event(EventKind.CONSOLE, text)
            if process.replies or process.ended:
                return
            if time.monotonic() >= silent_since + timeout:
                return

    def _bury(self, patience: float = END_TIMEOUT) -> str:
        """End the process, keep its memory image, and tell how it ended."""
        process, self._process = self._process, None
        assert process is not None
        status = process.close(patience)
        self._memory = self._vmcore.read_bytes() if self._vmcore.exists() else b""
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        complaints = process.complaints.decode("utf-8", "replace").strip()
        return f"{how}\n{complaints}" if complaints else how

    def _drain(self, process: _Process) -> Iterator[Event]:
        """Yield what a dying process printed last: everything up to the end of its console and its complaints."""
        deadline = time.monotonic() + END_TIMEOUT
        while process.selector.get_map() and time.monotonic() < deadline:
            if text := process.step(deadline - time.monotonic()):
                yield Event(EventKind.CONSOLE, text)

    def _order(self, line: str, timeout: float) -> Generator[Event, None, tuple[str, str] | Event]:
        """Give a command; yield console text; return its reply (word, text), or the event that ended the machine."""
        process = self._process
        if process is None:
            raise MachineError("the userland machine is not running: boot() or restart() it first")
        process.command(line)
        yield from self._until_reply(process, timeout)
        if process.replies:
            word, _, text = process.replies.pop(0).partition(" ")
            if word != "panicked":
                return word, text
            yield from self._drain(process)
            self._bury()
            return Event(EventKind.PANICKED, text)
        if process.ended:
            yield from self._drain(process)
            return Event(EventKind.DIED, self._bury())
        process.command("vmcore")
        yield from self._until_reply(process, END_TIMEOUT)
        self._bury(patience=0)
        return Event(EventKind.HUNG, f"nothing on the console for {timeout:g} s")

    def build(self, source: Path) -> Path:
        """Compile ``source/NAME.c``, NAME being the folder's only C file, to ``source/NAME.ko``.

        What was compiled before, of the same text with the same headers, compiler and flags, is not compiled again.
        Raises BuildError, MachineError when the cache cannot be written.
        """
        toolchain, runtime, compiled = self._tools()
        candidates = sorted(source.glob("*.c"))
        if len(candidates) != 1:
            raise BuildError(f"{source} holds {len(candidates)} C files; a module is exactly one, beside its Makefile")
        file, module = candidates[0], candidates[0].with_suffix(".ko")
        command = [*toolchain.command, *MODULE_FLAGS, *era_flags(self.era), *sanitize_flags(self.sanitize)]
        shape = hashlib.sha256(repr((toolchain.version, command, runtime.headers)).encode() + file.read_bytes())
        key = shape.hexdigest()[:32]
        try:
            if not compiled.copy(key, module):
                with tempfile.TemporaryDirectory(prefix=".building-", dir=source) as aside:
                    whole = Path(Path(aside).name, module.name)
                    # Beside the source: an assertion has the name that it is given by in its text.
                    command += ["-I", str(runtime.include), "-o", str(whole), file.name]
                    compile_with(command, source, str(file))
                    (source / whole).replace(module)
                compiled.keep(key, module)
        except OSError as error:
            raise BuildError(f"{module} cannot be written: {error}") from error
        return module

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        """Load ``module``: see ``machine.Machine``. A module whose MOD_LOAD fails stays in, as on DragonFly."""
        orders = [f"kenv {name}=" for name in sorted(self._tunables - set(tunables))]
        orders += [f"kenv {name}={value}" for name, value in tunables.items()]
        self._tunables = set(tunables)
        for order in (*orders, f"kldload {module.resolve()}"):
            outcome = yield from self._order(order, timeout)
            if isinstance(outcome, Event):
                yield outcome
                return
            word, text = outcome
            if word not in ("ok", "loaded"):
                yield Event(EventKind.LOAD_FAILED, text)
                return
        yield Event(EventKind.LOADED)

    def unload(self, module: Path) -> Iterator[Event]:
        """Unload ``module``: see ``machine.Machine``. Raises MachineError too when the machine dies of it."""
        said: list[str] = []
        order = self._order(f"kldunload {module.stem}", self.unload_timeout)
        while True:
            try:
                event = next(order)
            except StopIteration as stop:
                outcome: tuple[str, str] | Event = stop.value
                break
            said.append(event.text)
            yield event
        if isinstance(outcome, Event):
            raise MachineError(
                f"the machine {outcome.kind.name.lower()} while {module.name} was unloaded: {outcome.text}",
                "".join(said),
            )
        if outcome[0] == "refused":
            raise UnloadRefusedError(outcome[1], "".join(said))
        if outcome[0] != "unloaded":
            raise MachineError(outcome[1], "".join(said))

    def memory(self) -> bytes:
        """The writable data of the modules that were loaded when the machine panicked or hung; else empty."""
        process = self._process
        if process is not None and process.unanswered:
            # Nobody waits for its load any more: it is all the same as hung.
            process.command("vmcore")
            deadline = time.monotonic() + END_TIMEOUT
            while not (process.replies or process.ended) and (left := deadline - time.monotonic()) > 0:
                process.step(left)
            self._bury(patience=0)
        return self._memory

    def messages(self) -> str:
        """Nothing. There is none: its console is a pipe, which loses nothing."""
        return ""

    def restart(self) -> None:
        """Start it anew, whatever became of it."""
        if self._process is not None:
            self._bury(patience=0)
        self._memory = b""
        self._start(self._tools()[1])

    def close(self) -> None:
        """End it and remove what it left; what was built stays in the cache. Safe to call twice."""
        if self._process is not None:
            self._bury()
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None
