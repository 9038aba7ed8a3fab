"""The ``qemu`` machine: DragonFly in a QEMU of its own, over its serial console and QEMU's control channel.

It is started from power-on once; then it is saved at its prompt, and from there it starts and is brought back.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgport_vm.boot_dialogue import reach_shell
from msgport_vm.console import Console
from msgport_vm.delivery import ASK_FOR_CD, Delivery, Disc, no_way
from msgport_vm.direct_boot import STUB, assemble, pack
from msgport_vm.disc import write_disc
from msgport_vm.dragonfly import failed_handler
from msgport_vm.guest_build import SCRIPT, GuestBuilder, Tools, require_era
from msgport_vm.guest_environment import SOURCE as ENVIRONMENT
from msgport_vm.guest_environment import KernelEnvironment, with_settings
from msgport_vm.guest_messages import read_messages
from msgport_vm.guest_probe import SOURCE, Kernel, read_probe
from msgport_vm.hostbuild import HostBuilder
from msgport_vm.kept import LOG, Keeper, Kept
from msgport_vm.machine import BuildError, Event, EventKind, Facts, MachineError, UnloadRefusedError, UnusableFileError
from msgport_vm.memory_window import read_modules, read_window
from msgport_vm.qemu_accelerator import Accelerator, choose
from msgport_vm.qemu_guest import COMMAND_TIMEOUT, QemuGuest
from msgport_vm.qemu_network import KNOWN_HOSTS, forwarded_port
from msgport_vm.qemu_options import (
    BOOT,
    DISC,
    DISC_OVERLAY,
    DISC_SIZE,
    ROOT,
    STATE,
    Files,
    QemuOptions,
    lay_out,
    read_files,
)
from msgport_vm.qemu_process import BY_SIGNAL, Program, QemuProcess, create_overlay, host_cores, image_files, image_size
from msgport_vm.qemu_states import SavedStates, key_of
from msgport_vm.qmp import RefusedError
from msgport_vm.scratch import Scratch
from msgport_vm.turn import Turn
from msgport_vm.userland import default_cache, find_compiler

SNAPSHOT = "prompt"
STATE_FORMAT = 3

AS_A_PC = ("-action", "reboot=reset,shutdown=poweroff")
"""What a person expects of a machine that reboots or powers off."""

T = TypeVar("T")


class QemuCrashedError(MachineError):
    """QEMU was brought down by a signal while the machine booted."""


class QemuMachine:
    """DragonFly in QEMU as a Machine: see ``machine.Machine`` for the protocol.

    ``sysdir`` is the ``sys`` folder of the kernel's source tree, whose headers modules are compiled against on the
    host; without it they are compiled in the guest, while it runs nothing else. ``compiler`` overrides the host's
    ``CC``; ``cache`` is another folder for saved machines. ``note`` is told in a sentence what takes long or is not as
    expected.
    """

    def __init__(
        self,
        options: QemuOptions,
        sysdir: Path | None = None,
        *,
        compiler: str | None = None,
        cache: Path | None = None,
        note: Callable[[str], None] = lambda _: None,
        unload_timeout: float = 30.0,
    ) -> None:
        """Keep the choices; nothing is built or started before boot()."""
        self.options = options
        self.unload_timeout = unload_timeout
        self._sysdir = sysdir
        self._wanted = compiler
        self._cache = (cache or default_cache()) / "qemu"
        self._states = SavedStates(self._cache / "states")
        self._note = note
        self._scratch: Scratch | None = None
        self._started: QemuGuest | None = None
        self._ended = 0.0
        self._builder: HostBuilder | GuestBuilder | None = None
        self._tools: Tools | None = None
        self._compiler = ""
        self._kernel: Kernel | None = None
        self._program: Program | None = None
        self._key = ""
        self._boot_seconds = 0.0
        self.left_behind: tuple[str, ...] = ()
        self._delivery: Delivery | None = None
        self._environment = KernelEnvironment(self._command, self._bring_setter)
        self._turn = Turn()

    def __enter__(self) -> QemuMachine:
        """Nothing to do: boot() starts it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    # Coming up

    def boot(self) -> Facts:
        """Start it: from its saved state, or from power-on, and save it then.

        Raises UnusableFileError for what the user gave, MachineError when it does not come up.
        """
        self._program = program = Program(self.options.program)
        files = self._look(program)
        self._scratch = Scratch(self._cache / "runs")
        modules = self._cache / "modules"
        if self._sysdir is not None:
            toolchain = find_compiler(self._wanted)
            self._compiler = toolchain.version
            self._builder = HostBuilder(self._sysdir, toolchain, self._scratch.path, modules)
        accelerator = choose(program, self.options.accelerator, self._cache, self._note)
        if accelerator.note:
            self._note(f"accelerator {accelerator.name}: {accelerator.note}")
        self._layout = layout = lay_out(self.options, files, accelerator)
        shape = {**layout.shape, "qemu": program.version, "path": program.path, "format": STATE_FORMAT}
        sources = {file.name: file.read_text(encoding="utf-8") for file in (SOURCE, STUB)}
        self._key = key_of({**shape, "sources": sources})
        if self._builder is None:
            identity = (layout.shape.get("image"), layout.shape.get("kernel"))
            self._builder = GuestBuilder(self._in_guest, self._scratch.path, identity, modules)
        self._delivery = Disc(self._need, layout.disc_device, self._folder / DISC)
        start = time.monotonic()
        warm = self._wake()
        if warm:
            # Without a network there was no other way when it was saved.
            if self.options.network:
                self._find_delivery(first=False)
            self._find_tools()
        else:
            self._power_on(start)
        kernel = self._kernel
        assert kernel is not None
        if isinstance(self._builder, HostBuilder):
            self._builder.require(kernel.version, kernel.osreldate)
        elif self._tools is not None:
            require_era(kernel.version, kernel.osreldate, self._tools)
        return self._facts(kernel, accelerator, "saved state" if warm else "power-on")

    def _look(self, program: Program) -> Files:
        """Look at what the user named, before anything takes time. Raises UnusableFileError."""
        options = self.options
        if options.machine.partition(",")[0] not in program.machines:
            raise UnusableFileError(
                f"{program.path} has no machine {options.machine!r}: see --machine-type; `{program.path} -machine help`"
            )
        files = read_files(options)
        if options.image is not None and files.medium == "qcow2":
            files = dataclasses.replace(files, image=image_files(program, options.image, files.medium))
        return files

    def _find_delivery(self, *, first: bool) -> None:
        """See how modules get into the guest: by sftp, if it cannot mount a CD. Raises MachineError if neither way.

        At the ``first`` prompt its host key is pinned as well.
        """
        ended, said = _ended(self._command(ASK_FOR_CD, COMMAND_TIMEOUT))
        if isinstance(ended, Event):
            raise MachineError(f"the guest's shell does not tell what it has: {ended.text}", said)
        takes_cd = ended[0] == 0
        if not self.options.network:
            if not takes_cd:
                raise no_way(self.options.bus, None)
            return
        # Not before a network is asked for: paramiko costs a fifth of a second.
        from msgport_vm.connection import CONNECT_TIMEOUT
        from msgport_vm.sftp import CONTACT, Sftp

        guest = Sftp(self._need, lambda: forwarded_port(self._guest.monitor), self._folder / KNOWN_HOSTS)
        try:
            if first or not takes_cd:
                guest.connect(CONTACT if takes_cd else CONNECT_TIMEOUT)
        except MachineError as error:
            if takes_cd:
                self._note(f"nobody can log in over the guest's network yet: {error}")
            elif first:
                raise no_way(self.options.bus, error) from error
            else:
                raise
        if takes_cd:
            guest.forget()
        else:
            self._delivery = guest

    def _find_tools(self) -> None:
        """See what a guest that is to build has for it. Raises MachineError when something is missing."""
        if isinstance(self._builder, GuestBuilder):
            self._tools = self._builder.tools()
            self._compiler = f"{self._tools.compiler}, in the guest"

    def _facts(self, kernel: Kernel, accelerator: Accelerator, start: str) -> Facts:
        assert self._program is not None
        extra = {"qemu": self._program.version, "memory": f"{self.options.memory} MB", "start": start}
        extra["osreldate"] = str(kernel.osreldate)
        if accelerator.note:
            extra["accelerator"] = accelerator.note
        if not isinstance(self._delivery, Disc):
            extra["modules"] = "by sftp"
        if self._boot_seconds:
            extra["boot"] = f"{self._boot_seconds:.1f} s"
        if self.options.image is not None:
            extra["image"] = self.options.image.name
        if self.options.kernel is not None:
            extra["kernel_file"] = self.options.kernel.name
            extra["kernel_sha256"] = self._layout.shape["kernel"]
        return Facts(
            target="qemu",
            kernel=kernel.version,
            dragonfly=kernel.version.startswith("DragonFly"),
            era=kernel.era,
            invariants=kernel.invariants,
            spin_builtin=kernel.spin_builtin,
            cpus=kernel.cpus,
            host_cores=host_cores(),
            accelerator=accelerator.argument.replace(",", ", "),
            compiler=self._compiler,
            extra=extra,
        )

    def _wake(self) -> bool:
        """Start from the saved state; false when there is none, or none that answers."""
        state = self._states.fetch(self._key, self._folder)
        if state is None:
            return False
        try:
            self._kernel = Kernel(**state["kernel"])
            self._start(["-loadvm", SNAPSHOT])
            self._guest.expect_answer()
        except (MachineError, KeyError, TypeError) as error:
            # It stays until another takes its place: on a busy host it may only have been slow.
            self._note(f"the saved machine is of no use ({error})")
            self._end()
            return False
        return True

    def _power_on(self, start: float) -> None:
        """Boot, find out what kernel it is, save it, and go on from what was saved."""
        self._note("the machine is started from power-on, once; from then on its saved state is used")
        if self._layout.kernel is not None:
            stub = assemble(find_compiler(self._wanted).command, self._folder)
            image = pack(self._layout.kernel, self._layout.environment, stub)
            (self._folder / BOOT).write_bytes(image)
        switched_on = self._switch_on()
        # On the host, while it boots.
        probe = self._compiled(SOURCE) if isinstance(self._builder, HostBuilder) else None
        try:
            said = self._await_shell()
        except QemuCrashedError as crash:
            # QEMU's own fault, and a rare one: now and then emulation of several CPUs brings it down.
            self._note(f"{crash}; it is started once more")
            switched_on = self._switch_on()
            said = self._await_shell()
        self._boot_seconds = time.monotonic() - switched_on
        self._find_delivery(first=True)
        self._find_tools()
        self._kernel = kernel = self._ask_kernel(probe or self._compiled(SOURCE))
        saving = time.monotonic()
        try:
            self._guest.monitor.human(f"savevm {SNAPSHOT}")
        except RefusedError as error:
            free = shutil.disk_usage(self._folder).free >> 20
            raise MachineError(
                f"the machine cannot be saved in {self._folder / STATE}, whose disk has {free} MiB free: {error}; "
                "MSGPORT_CACHE names another folder"
            ) from error
        # It goes on from where it stands; its files are copied while nothing is written to them.
        self._guest.monitor.execute("stop")
        self._states.keep(
            self._key,
            [self._folder / name for name in self._layout.files],
            {"kernel": dataclasses.asdict(kernel), "booted": round(saving - start, 1), "said": said},
        )
        self._guest.monitor.execute("cont")
        saved = time.monotonic() - switched_on
        self._note(f"it was at its prompt {self._boot_seconds:.1f} s after power-on, and saved after {saved:.1f} s")

    def _switch_on(self) -> float:
        """Start it from power-on, and tell when that was (monotonic)."""
        self._make_overlays()
        switched_on = time.monotonic()
        self._start([])
        return switched_on

    def _await_shell(self) -> str:
        """Have it come up to its shell, and give what it said. Raises MachineError."""
        guest, options = self._guest, self.options
        try:
            return reach_shell(
                guest.console, guest.stopped, self._layout.environment, options.boot_patience, options.boot_limit
            )
        except MachineError as error:
            if guest.running:
                raise
            how = guest.departed().text
            kind = QemuCrashedError if BY_SIGNAL in how.partition("\n")[0] else MachineError
            raise kind(f"the machine does not boot: {how}", error.screen) from error

    def _make_overlays(self) -> None:
        """Make the files that the machine writes to. A QEMU without a machine does it."""
        assert self._program is not None
        layout, folder = self._layout, self._folder
        maker = QemuProcess(self._program, ["-machine", "none"])
        try:
            create_overlay(maker.control, folder / STATE, None, "", 1 << 20)
            if layout.overlay is not None:
                size = image_size(maker.control, layout.overlay, layout.overlay_format)
                create_overlay(maker.control, folder / ROOT, layout.overlay, layout.overlay_format, size)
            if layout.network:
                (folder / KNOWN_HOSTS).write_bytes(b"")
            if layout.disc_overlay:
                write_disc(folder / DISC, [], DISC_SIZE)
                create_overlay(maker.control, folder / DISC_OVERLAY, Path(DISC), "raw", DISC_SIZE)
        finally:
            maker.end()

    def _start(self, arguments: list[str]) -> None:
        assert self._program is not None
        if not (self._folder / DISC).exists():
            write_disc(self._folder / DISC, [], DISC_SIZE)
        self._started = QemuGuest(QemuProcess(self._program, [*self._layout.arguments, *arguments], self._folder))
        self._fresh()

    def _fresh(self) -> None:
        """The guest knows nothing of what was done since it stood at its first prompt."""
        self._way.forget()
        self._environment.forget()

    @property
    def _way(self) -> Delivery:
        """How files get into the guest."""
        assert self._delivery is not None
        return self._delivery

    @property
    def _folder(self) -> Path:
        if self._scratch is None:
            raise MachineError("the machine is not running: boot() it first")
        return self._scratch.path

    @property
    def _guest(self) -> QemuGuest:
        """What runs. Raises MachineError when nothing does."""
        if self._started is None or self._started.gone:
            raise MachineError("the machine is not running: boot() or restart() it first")
        return self._started

    @property
    def console(self) -> Console:
        """The serial console. Raises MachineError when the machine is not running."""
        return self._guest.console

    def _command(self, command: str, timeout: float) -> Generator[Event, None, tuple[int, str] | Event]:
        return self._guest.command(command, timeout)

    def _need(self, command: str) -> Generator[Event, None, Event | None]:
        return self._guest.need(command)

    def _ask_kernel(self, probe: Path) -> Kernel:
        """Load the probe module. Raises MachineError when the guest cannot load modules."""
        ended, said = _ended(self._load(probe, {}, COMMAND_TIMEOUT))
        kernel = read_probe(said)
        if ended.kind is not EventKind.LOADED or kernel is None:
            why = ended.text.strip() or "it did not say what kernel it is"
            raise MachineError(f"the guest does not load modules: {why}", said)
        for work in (self._need(f"kldunload {probe.name}"), self._way.withdraw()):
            if stopped := _ended(work)[0]:
                raise MachineError(
                    f"the guest does not let go of what it was given: {stopped.text}", self.console.screen
                )
        return kernel

    def _compiled(self, source: Path) -> Path:
        """Compile a module of ours. Raises MachineError."""
        folder = self._folder / source.stem
        folder.mkdir(exist_ok=True)
        shutil.copy(source, folder)
        assert self._builder is not None
        return self._builder.build(folder, invariants=False)

    def leave_up(self, keeper: Keeper, facts: Facts) -> Kept:
        """End it, and start one like it from the same saved state, which stays up. Raises MachineError.

        ``facts`` are what boot() said. Its console's log begins with what was said when it was started from power-on.
        """
        self._end()
        assert self._program is not None
        scratch = Scratch(keeper.place)
        try:
            state = self._states.fetch(self._key, scratch.path)
            if state is None:
                raise MachineError("the saved machine has gone; boot it again")
            (scratch.path / LOG).write_text(state["said"], encoding="utf-8", newline="")
            write_disc(scratch.path / DISC, [], DISC_SIZE)
            about = {"kernel": facts.kernel, "cpus": str(facts.cpus), **facts.extra}
            arguments = [*self._layout.arguments, *AS_A_PC, "-loadvm", SNAPSHOT]
            return keeper.start(scratch, self._program, arguments, about, network=self.options.network)
        except BaseException:
            scratch.remove()
            raise

    # Building and loading

    def build(self, source: Path) -> Path:
        """Compile ``source/NAME.c`` to ``source/NAME.ko``, on the host or in the guest. Raises BuildError.

        In the guest it waits for a load or an unload to be over, and for a machine that died of one to be back.
        """
        builder, kernel = self._builder, self._kernel
        if builder is None or kernel is None:
            raise MachineError("the machine is not running: boot() it first")
        invariants = bool(kernel.invariants)
        if isinstance(builder, HostBuilder):
            module = builder.build(source, invariants)
        else:
            module = builder.kept(source, invariants) or self._build_in_guest(builder, source, invariants)
        self._way.offer(module)
        return module

    def _build_in_guest(self, builder: GuestBuilder, source: Path, invariants: bool) -> Path:
        with self._turn.for_build(source, self._last_used):
            try:
                return builder.build(source, invariants)
            except BuildError:
                raise
            except MachineError as error:
                self._bring_back()
                raise BuildError(f"{source} was not compiled: {error}", error.screen) from error

    def _last_used(self) -> float:
        guest = self._started
        return guest.used if guest is not None else self._ended

    def _in_guest(self, files: Sequence[Path], order: str, timeout: float) -> tuple[int, str]:
        """Run the building script on files: see ``guest_build.Shell``."""

        def work() -> Generator[Event, None, tuple[int, str] | Event]:
            stopped = yield from self._deliver(files, ahead=False)
            return stopped or (yield from self._command(f"sh {self._way.place}/{SCRIPT.name} {order}", timeout))

        ended, said = _ended(work())
        if isinstance(ended, Event):
            raise MachineError(f"the guest cannot compile ({ended.kind.name.lower()}): {ended.text}", said)
        return ended[0], ended[1].replace("\r", "")

    def load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Iterator[Event]:
        """Load ``module``: see ``machine.Machine``. What the debugger tells of a panic or a hang is console text."""
        self._turn.take()
        try:
            ended = yield from self._load(module, tunables, timeout)
        except (KeyboardInterrupt, GeneratorExit):
            self._turn.break_off()
            raise
        if ended.kind in (EventKind.LOADED, EventKind.LOAD_FAILED):
            self._turn.give_back()
        yield ended

    def _load(self, module: Path, tunables: Mapping[str, int], timeout: float) -> Generator[Event, None, Event]:
        """Load a module; return the event that ends it."""
        setting = yield from self._environment.prepare(module, tunables, timeout)
        if isinstance(setting, Event):
            return setting
        if stopped := (yield from self._deliver([module])):
            return stopped
        ended = yield from self._command(f"{setting}kldload {self._way.place}/{module.name}", timeout)
        if isinstance(ended, Event):
            return ended
        status, said = ended
        failed = failed_handler(said)
        if status != 0 or failed:
            return Event(EventKind.LOAD_FAILED, failed or said)
        return Event(EventKind.LOADED)

    def _bring_setter(
        self, tunables: Mapping[str, int], gone: Iterable[str], module: Path
    ) -> Generator[Event, None, Path | Event]:
        """See ``guest_environment.Setter``."""
        setter = self._folder / ENVIRONMENT.with_suffix(".ko").name
        setter.write_bytes(with_settings(self._compiled(ENVIRONMENT).read_bytes(), tunables, gone))
        self._way.outdate(setter)
        stopped = yield from self._deliver([setter, module])
        return stopped or Path(self._way.place) / setter.name

    def unload(self, module: Path) -> Iterator[Event]:
        """Unload ``module``: see ``machine.Machine``. Raises MachineError too when the machine dies of it."""
        said: list[str] = []
        self._turn.take()
        order = self._command(f"kldunload {module.name}", self.unload_timeout)
        while True:
            try:
                event = next(order)
            except StopIteration as stop:
                ended: tuple[int, str] | Event = stop.value
                break
            said.append(event.text)
            yield event
        if isinstance(ended, Event):
            raise MachineError(
                f"the machine {ended.kind.name.lower()} while {module.name} was unloaded: {ended.text}", "".join(said)
            )
        self._turn.give_back()
        status, text = ended
        if status != 0 and "busy" in text:
            raise UnloadRefusedError(f"{module.name} stays: {text.strip()}", "".join(said))
        if status != 0:
            raise MachineError(f"{module.name} cannot be unloaded: {text.strip()}", "".join(said))

    def _deliver(self, files: Sequence[Path], *, ahead: bool = True) -> Generator[Event, None, Event | None]:
        """Have files in the guest; return the event that came in between, None when they are there."""
        try:
            return (yield from self._way.bring(files, ahead=ahead))
        except MachineError:
            # Of a QEMU that died this is only the first sign.
            guest = self._started
            if guest is not None and not guest.gone and guest.stopped():
                return guest.departed()
            raise

    # After it died

    def memory(self) -> bytes:
        """The part of the kernel's memory that modules are loaded into, read without the guest's help."""
        guest, kernel = self._started, self._kernel
        if guest is None or kernel is None or not guest.running:
            return b""
        # In one that has stopped nothing more will show.
        read = read_window if guest.stopped() else read_modules
        return read(guest.monitor, self._folder / "memory", kernel.modules)

    def messages(self) -> str:
        """The kernel's message buffer, read without the guest's help: see ``machine.Machine``."""
        guest, kernel = self._started, self._kernel
        if guest is None or kernel is None or not guest.running:
            return ""
        # After a load that ended well the guest may be building something, and be brought back meanwhile.
        with self._turn.borrowed():
            return read_messages(guest.monitor, self._folder / "memory", kernel.messages)

    def restart(self) -> None:
        """Bring it back to its first prompt, whatever became of it: from power-on, if need be. Raises MachineError."""
        self._turn.take()
        try:
            self._bring_back()
        finally:
            # One that does not come back keeps nobody waiting.
            self._turn.give_back()

    def _bring_back(self) -> None:
        guest = self._started
        if guest is not None and guest.running:
            try:
                guest.return_to(SNAPSHOT)
                self._fresh()
                guest.expect_answer()
                return
            except MachineError as error:
                self._note(f"the machine is started anew: {error}")
        self._end()
        if not self._wake():
            self._power_on(time.monotonic())

    def _end(self) -> None:
        self._ended = time.monotonic()
        guest, self._started = self._started, None
        if guest is not None:
            guest.end()

    def close(self) -> None:
        """End it and remove what it left; its saved state stays in the cache. Safe to call twice."""
        if self._delivery is not None:
            self._delivery.forget()
        self._end()
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None


def _ended(work: Generator[Event, None, T]) -> tuple[T, str]:
    """Do work in the guest to its end; give what it returns, and the console's text meanwhile."""
    said: list[str] = []
    while True:
        try:
            said.append(next(work).text)
        except StopIteration as stop:
            result: T = stop.value
            return result, "".join(said)
