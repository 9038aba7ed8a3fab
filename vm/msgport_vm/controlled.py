"""The userland machine under a scheduler's control: one process whose every step is chosen, see docs/schedules.md.

It is the same message ports, compiled so that each access to memory is seen, on virtual CPUs of which one runs at a
time. The program obeys commands line by line; vm/userland/control/host/main.c says which.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from msgport_vm.compiled import CompiledModules, unwritable
from msgport_vm.machine import Facts, MachineError
from msgport_vm.userland import (
    HOST_FLAGS,
    KERNEL_FLAGS,
    MODULE_FLAGS,
    WARNINGS,
    Runtime,
    Toolchain,
    build_program,
    compile_with,
    default_cache,
    default_sources,
    find_compiler,
    sanitize_flags,
)

LOOKED_AT = ("-DUL_CONTROL", "-fsanitize=thread")
"""Flags for code whose accesses to memory are seen: the compiler's instrumentation, without the sanitizer behind it."""

MODULE = (*MODULE_FLAGS, *LOOKED_AT, "-nostdlib")
BATCH = 2000
"""Executions between two looks at whether the program is still there."""

SILENCE = 60.0
"""Seconds that a batch may take."""


@dataclass(frozen=True)
class Found:
    """An outcome as the program tells it.

    ``first`` is the execution that showed it first, from 0. ``ending`` is done, deadlock, panic, trap (a bad access to
    memory), endless (too many steps), or astray (a directive of a replay could not be obeyed: ``text`` is which, from
    0). ``process`` ran last, standing in ``statement`` (from 1; 0 when it is no thread, or has finished). ``row`` are
    the module's values when it ended as done or deadlock.
    """

    first: int
    ending: str
    process: str
    statement: int
    row: tuple[int, ...]
    schedule: tuple[str, ...]
    text: str
    count: int = 0


@dataclass(frozen=True)
class Segment:
    """What a process did between two choices begins here: in a statement of a thread, inside a function or at none."""

    process: str
    statement: int
    where: str


@dataclass(frozen=True)
class Explored:
    """What came of some executions: ``abandoned`` ones could show nothing new. ``complete``: there are no others."""

    found: tuple[Found, ...]
    executions: int
    abandoned: int
    steps: int
    complete: bool


class ControlledMachine:
    """LWKT in user space under control. A context manager; nothing is built or started before boot().

    ``sanitize`` is as for ``UserlandMachine``, for the machine itself and not ``"thread"``: what is looked at is
    instrumented already. ``compiler`` overrides ``CC``, ``sources`` takes an altered copy of the machine's sources,
    ``cache`` another folder for what is built.
    """

    def __init__(
        self,
        *,
        sanitize: str = "",
        compiler: str | None = None,
        sources: Path | None = None,
        cache: Path | None = None,
    ) -> None:
        """Keep the choices."""
        self._sanitize = sanitize_flags(sanitize)
        self._wanted = compiler
        self._sources = sources or default_sources()
        self._cache = cache or default_cache()
        self._tools: tuple[Toolchain, Runtime] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._compiled: CompiledModules | None = None
        self._module: Path | None = None
        self._unread = b""
        self.left_behind: tuple[str, ...] = ()

    def __enter__(self) -> ControlledMachine:
        """Nothing to do: boot() starts it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def boot(self) -> Facts:
        """Build the machine if need be and start it. Raises MachineError when it does not come up."""
        toolchain, runtime = self._built()
        self._start()
        return Facts(
            target="userland",
            kernel="LWKT in user space (not DragonFly), one step at a time",
            dragonfly=False,
            era="E",
            invariants=True,
            cpus=8,
            host_cores=os.cpu_count() or 1,
            accelerator="none: one step at a time",
            compiler=toolchain.version,
            extra={"runtime": runtime.key},
        )

    def _built(self) -> tuple[Toolchain, Runtime]:
        if self._tools is None:
            toolchain = find_compiler(self._wanted)
            looked_at = (*KERNEL_FLAGS, "-DUL_CONTROL", "-O2", "-g", *WARNINGS, *LOOKED_AT)
            kernel = (*KERNEL_FLAGS, "-DUL_CONTROL", *self._sanitize, "-O2", "-g", *WARNINGS)
            rules = {
                "kern/lwkt_msgport.c": looked_at,
                "kern/kern_synch.c": kernel,
                "kern/kern_support.c": kernel,
                "kern/subr_prf.c": kernel,
                "control/kern/*": kernel,
                # It defines what the compiler knows as the sanitizers' own.
                "control/host/access.c": (*HOST_FLAGS, "-O2", "-g", *WARNINGS),
                "control/host/*": (*HOST_FLAGS, *self._sanitize, "-O2", "-g", *WARNINGS),
            }
            self._tools = (
                toolchain,
                build_program("controlled", self._sources, toolchain, rules, self._sanitize, self._cache),
            )
        return self._tools

    def _start(self) -> None:
        _, runtime = self._built()
        try:
            self._process = subprocess.Popen(
                [str(runtime.program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise MachineError(f"the controlled machine does not start: {error}") from error
        self._unread = b""

    def build(self, source: str) -> Path:
        """Compile a module for controlled schedules, or find it compiled; give its file.

        May be called from another thread while the machine runs something else. Raises BuildError, MachineError when
        the cache cannot be written.
        """
        toolchain, runtime = self._built()
        digest = hashlib.sha256(repr((toolchain.command, toolchain.version, MODULE)).encode())
        for path in sorted(runtime.include.rglob("*.h")):
            digest.update(path.read_bytes())
        digest.update(source.encode())
        place = self._cache / "modules" / f"{digest.hexdigest()[:32]}.ko"
        if place.exists():
            return place
        if self._compiled is None:
            self._compiled = CompiledModules(place.parent)
        try:
            with self._compiled.aside() as folder:
                text, fresh = folder / "module.c", folder / "module.ko"
                text.write_text(source, encoding="utf-8")
                command = [*toolchain.command, *MODULE, "-I", str(runtime.include), "-o", str(fresh), str(text)]
                compile_with(command, None, "a module for controlled schedules")
                fresh.replace(place)
        except OSError as error:
            raise unwritable(self._cache, error) from error
        return place

    def load(self, module: Path) -> None:
        """Load a module in place of the one before. Raises MachineError."""
        if self._process is None:
            self._start()
        self._module = module
        self._ask(f"load {module.resolve()}")

    def explore(self, policy: str, executions: int) -> Iterator[Explored]:
        """Make up to so many executions of the loaded module; yield what came of them so far, again and again.

        ``policy`` is ``exhaustive GRAIN``, ``all GRAIN`` (without reduction), ``random GRAIN SEED`` or
        ``pct GRAIN SEED DEPTH``. Raises MachineError when the program dies or says nothing for too long.
        """
        self._ask(policy)
        explored = Explored((), 0, 0, 0, False)
        while not explored.complete and (left := executions - explored.executions - explored.abandoned) > 0:
            explored = _read(self._ask(f"go {min(left, BATCH)}"), explored)
            yield explored

    def replay(self, grain: str, directives: str) -> tuple[Found, tuple[Segment, ...]]:
        """Make the one execution that the directives say; what they leave open goes the simplest way."""
        lines = self._ask(f"replay {grain} {directives}")
        steps = [line.split()[1:] for line in lines if line.startswith("step ")]
        segments = tuple(
            Segment(process, int(statement), "" if where == "-" else where) for process, statement, where in steps
        )
        return _read(lines, Explored((), 0, 0, 0, False)).found[0], segments

    def _ask(self, command: str) -> list[str]:
        process = self._process
        if process is None:
            raise MachineError("the controlled machine is not running: boot() it first")
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(command.encode() + b"\n")
            lines = list(self._answer(process.stdout))
        except BrokenPipeError:
            lines = []
        last = lines[-1] if lines else ""
        if not _is_last(last):
            status = self._bury()
            raise MachineError(f"the controlled machine died of `{command}` ({status})", "\n".join(lines))
        if last != "ok":
            if last.startswith("ended"):
                self._bury()
            raise MachineError(f"the controlled machine: {last}", "\n".join(lines))
        return lines[:-1]

    def _answer(self, pipe: IO[bytes]) -> Iterator[str]:
        """Yield the lines of an answer, the last one included; nothing more when the program has ended."""
        deadline = time.monotonic() + SILENCE
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                while b"\n" in self._unread:
                    line, _, self._unread = self._unread.partition(b"\n")
                    text = line.decode("utf-8", "replace")
                    yield text
                    if _is_last(text):
                        return
                if not selector.select(deadline - time.monotonic()):
                    self._bury()
                    raise MachineError(f"the controlled machine said nothing for {SILENCE:g} s: it hangs")
                read = os.read(pipe.fileno(), 1 << 16)
                if not read:
                    return
                self._unread += read

    def _bury(self) -> str:
        process, self._process = self._process, None
        if process is None:
            return "it was not running"
        process.kill()
        status = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        return f"signal {-status}" if status < 0 else f"exit status {status}"

    def close(self) -> None:
        """End it; what was built stays in the cache. Safe to call twice."""
        self._bury()


def _is_last(line: str) -> bool:
    """Tell whether a line ends an answer; without one the program has died in the middle of it."""
    return line == "ok" or line.startswith(("failed", "ended"))


def _read(lines: list[str], before: Explored) -> Explored:
    found = list(before.found)
    for line in lines:
        word, _, rest = line.partition(" ")
        match word:
            case "new":
                found.append(_found(rest))
            case "count":
                place, count = map(int, rest.split())
                found[place] = replace(found[place], count=count)
            case "sum":
                executions, abandoned, steps, complete = map(int, rest.split())
                return Explored(tuple(found), executions, abandoned, steps, bool(complete))
    raise MachineError("the controlled machine answered without a sum", "\n".join(lines))


def _found(text: str) -> Found:
    head, row, schedule, said = text.split(" :", 3)
    _, first, ending, process, statement = head.split()
    return Found(
        int(first), ending, process, int(statement), tuple(map(int, row.split())), tuple(schedule.split()), said.strip()
    )
