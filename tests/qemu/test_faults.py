"""Whatever a kernel does to a load has a name of its own, and none is taken for a success."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from msgport_vm import qemu_guest
from msgport_vm.delivery import Disc
from msgport_vm.machine import Event, EventKind, MachineError, UnloadRefusedError
from msgport_vm.qemu import QemuMachine
from msgport_vm.qemu_guest import QemuGuest
from msgport_vm.qemu_options import Layout, QemuOptions
from msgport_vm.qemu_process import QemuProcess
from msgport_vm.qmp import EVENTS, Events
from tests.qemu.guest import TRANSCRIPTS, Guest

MODULE = Path("mp_test.ko")
ENDED = "mp-0001:{0}\r\nmp-0001:{0}\r\nmsgport# "
ECHO = "kldload /mnt/mp_test.ko;mp 0001\r\n"
TRACE = ("trace\r", "trace\r\npanic() at panic+0x257\r\ndb> ")
PS = ("ps\r", "ps\r\ncpu 0\r\ndb> ")


@dataclass
class Control:
    """QEMU's monitor."""

    events: Events = field(default_factory=Events)
    asked: list[str] = field(default_factory=list)

    def execute(self, command: str, **_: object) -> None:
        self.asked.append(command)


@dataclass
class Process:
    """A QEMU that runs."""

    console: socket.socket
    control: Control = field(default_factory=Control)
    running: bool = True

    def end(self) -> str:
        return "killed by signal 9"


@dataclass
class Rig:
    """A machine that stands at its prompt with a module on its CD."""

    machine: QemuMachine
    process: Process


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[[Guest], Rig]]:
    here, there = socket.socketpair()
    threads = []

    def start(guest: Guest) -> Rig:
        machine = QemuMachine(QemuOptions(image=tmp_path / "image"), tmp_path, cache=tmp_path, unload_timeout=1.0)
        process = Process(here)
        machine._started = QemuGuest(cast(QemuProcess, process))
        machine._delivery = disc = Disc(machine._need, "/dev/cd1", tmp_path / "modules.iso")
        disc._on_disc, disc._mounted = [MODULE], True
        threads.append(threading.Thread(target=guest.play, args=(there,)))
        threads[0].start()
        return Rig(machine, process)

    yield start
    here.close()
    there.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()
    there.close()


def load(rig: Rig, timeout: float = 5.0) -> tuple[str, Event]:
    *console, last = rig.machine.load(MODULE, {}, timeout)
    assert all(event.kind is EventKind.CONSOLE for event in console)
    return "".join(event.text for event in console), last


def test_a_module_that_loads(play: Callable[[Guest], Rig]) -> None:
    text, last = load(play(Guest([("\r", ECHO + "hello\r\n" + ENDED.format(0))])))
    assert last.kind is EventKind.LOADED
    assert "hello\r\n" in text and text.endswith("msgport# ")


def test_kldload_that_fails_is_told_in_the_guests_words(play: Callable[[Guest], Rig]) -> None:
    said = "link_elf_obj_obj: symbol nonesuch undefined\r\nkldload: an error occurred\r\n"
    _, last = load(play(Guest([("\r", ECHO + said + ENDED.format(1))])))
    assert last == Event(EventKind.LOAD_FAILED, said)


def test_a_load_handler_that_fails_is_noticed_though_kldload_is_content(play: Callable[[Guest], Rig]) -> None:
    said = "module_register_init: MOD_LOAD (mp_test, ffffffff81c00000, 0) error 6\r\n"
    _, last = load(play(Guest([("\r", ECHO + said + ENDED.format(0))])))
    assert last.kind is EventKind.LOAD_FAILED and last.text.endswith("error 6")


def test_a_panic_is_told_and_the_debugger_asked(play: Callable[[Guest], Rig]) -> None:
    died = "panic: lwkt_getport() illegal on port 0x1\r\ncpuid = 0\r\nStopped at Debugger\r\ndb> "
    text, last = load(play(Guest([("\r", ECHO + died), TRACE, PS])))
    assert last == Event(EventKind.PANICKED, "panic: lwkt_getport() illegal on port 0x1")
    assert text.endswith("ps\r\ncpu 0\r\ndb> ") and "panic() at panic+0x257" in text


def test_every_panic_that_was_recorded_is_recognised(play: Callable[[Guest], Rig]) -> None:
    recorded = TRANSCRIPTS / "trap-null-pointer.txt"
    if not recorded.exists():
        pytest.skip("needs ../shared/transcripts beside the repository")
    died = recorded.read_text(errors="replace")
    died = died[died.index("Fatal trap") : died.index("db> ")] + "db> "
    _, last = load(play(Guest([("\r", ECHO + died), TRACE, PS])))
    assert last.kind is EventKind.PANICKED and last.text.startswith("Fatal trap 12")


def test_a_panic_without_a_debugger_is_told_too(play: Callable[[Guest], Rig]) -> None:
    died = "panic: gone\r\nUptime: 9s\r\nAutomatic reboot in 15 seconds - press a key"
    _, last = load(play(Guest([("\r", ECHO + died)])))
    assert last == Event(EventKind.PANICKED, "panic: gone")


def test_a_debugger_that_was_entered_without_a_panic_is_no_success(play: Callable[[Guest], Rig]) -> None:
    _, last = load(play(Guest([("\r", ECHO + "Stopped at Debugger\r\ndb> "), TRACE, PS])))
    assert last == Event(EventKind.PANICKED, "the kernel fell into its debugger")


def test_silence_is_a_hang_and_a_way_into_the_debugger_is_tried(
    play: Callable[[Guest], Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu_guest, "DEBUGGER_COMES", 0.05)
    rig = play(Guest([("\r", ECHO + "half a line")]))
    text, last = load(rig, 0.1)
    assert last.kind is EventKind.HUNG
    assert text.count("half a line") == 1
    assert "inject-nmi" in rig.process.control.asked


def test_a_qemu_that_goes_while_a_way_into_the_debugger_is_tried_is_told(
    play: Callable[[Guest], Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = play(Guest([("\r", ECHO)]))

    def goes(command: str, **_: object) -> None:
        rig.process.console.shutdown(socket.SHUT_RD)
        raise MachineError(f"QEMU does not answer {command}")

    monkeypatch.setattr(rig.process.control, "execute", goes)
    _, last = load(rig, 0.1)
    assert last == Event(EventKind.DIED, "QEMU ended: killed by signal 9")


def test_a_reboot_is_told(play: Callable[[Guest], Rig]) -> None:
    rig = play(Guest([("\r", ECHO)]))
    rig.process.control.events.note({"event": "SHUTDOWN", "data": {"reason": "guest-reset"}})
    _, last = load(rig)
    assert last == Event(EventKind.DIED, "it rebooted")


def test_what_qemu_tells_while_it_is_looked_at_does_no_harm_and_does_not_pile_up() -> None:
    events = Events()
    seen = []
    for number in range(EVENTS):
        events.note({"event": str(number)})
    for event in events.recent():
        events.note({"event": "late"})
        seen.append(event["event"])
    assert seen == [str(number) for number in range(EVENTS)]
    assert [event["event"] for event in events.recent()] == ["late"] * EVENTS


def test_a_host_without_room_for_what_the_guest_writes_is_told(play: Callable[[Guest], Rig]) -> None:
    rig = play(Guest([("\r", ECHO)]))
    data = {"device": "root", "operation": "write", "action": "stop", "nospace": True, "reason": "No space left"}
    rig.process.control.events.note({"event": "BLOCK_IO_ERROR", "data": data})
    _, last = load(rig)
    assert last == Event(EventKind.DIED, "QEMU could not write for it: No space left (is the host's disk full?)")


def test_a_qemu_that_dies_is_told_and_its_last_words_kept(play: Callable[[Guest], Rig]) -> None:
    rig = play(Guest([("\r", ECHO + "last wor")], hangs_up=True))
    text, last = load(rig)
    assert last == Event(EventKind.DIED, "QEMU ended: killed by signal 9")
    assert text.endswith("last wor")
    with pytest.raises(MachineError, match="restart"):
        load(rig)


@pytest.mark.parametrize(
    ("how", "starts"), [("killed by signal 11", 2), ("exit status 1\nout of memory", 1)], ids=["crash", "exit"]
)
def test_a_qemu_that_crashes_at_boot_is_started_once_more_and_one_that_gives_up_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, starts: int
) -> None:
    notes: list[str] = []
    machine = QemuMachine(QemuOptions(image=tmp_path / "image"), tmp_path, cache=tmp_path, note=notes.append)
    monkeypatch.setattr(machine, "_make_overlays", lambda: None)
    machine._layout = Layout(
        (), {}, None, "", "/dev/cd1", disc_overlay=False, environment={}, kernel=None, network=False
    )
    started: list[Process] = []
    ends: list[socket.socket] = []

    def start(_arguments: list[str]) -> None:
        here, there = socket.socketpair()
        there.close()
        process = Process(here, running=False)
        monkeypatch.setattr(process, "end", lambda: how)
        started.append(process)
        ends.append(here)
        machine._started = QemuGuest(cast(QemuProcess, process))

    monkeypatch.setattr(machine, "_start", start)
    with pytest.raises(MachineError, match=rf"the machine does not boot: QEMU ended: {how}"):
        machine._power_on(0.0)
    for end in ends:
        end.close()
    assert len(started) == starts
    assert [note for note in notes if "once more" in note] == [
        "the machine does not boot: QEMU ended: killed by signal 11; it is started once more"
    ] * (starts - 1)


def test_a_module_that_stays_is_told_from_one_that_is_not_there(play: Callable[[Guest], Rig]) -> None:
    busy = ECHO + "kldunload: can't unload file: Device busy\r\n" + ENDED.format(1)
    missing = ECHO + "kldunload: can't find file\r\n" + ENDED.format(1).replace("0001", "0002")
    rig = play(Guest([("\r", busy), ("\r", missing)]))
    with pytest.raises(UnloadRefusedError, match="Device busy"):
        list(rig.machine.unload(MODULE))
    with pytest.raises(MachineError, match="can't find file"):
        list(rig.machine.unload(MODULE))


def test_a_panic_at_unload_is_no_orderly_end(play: Callable[[Guest], Rig]) -> None:
    rig = play(Guest([("\r", ECHO + "panic: at unload\r\ndb> "), TRACE, PS]))
    with pytest.raises(MachineError, match=r"panicked while mp_test\.ko was unloaded: panic: at unload"):
        list(rig.machine.unload(MODULE))


def test_a_guest_that_cannot_unmount_is_told_at_boot_and_not_saved(play: Callable[[Guest], Rig]) -> None:
    probe = (
        "msgport-probe: osreldate=500901 ncpus=2 invariants=1 spin=0 at=0xffffffff81c00000 "
        "messages=0xffffffff81d00000.\r\n"
        "msgport-probe: kernel=DragonFly 5.9\r\n"
    )
    fine, missing = ENDED.format(0).replace("0001", "0002"), ENDED.format(127).replace("0001", "0003")
    says = [
        ("\r", ECHO + probe + ENDED.format(0)),
        ("\r", ECHO + fine),
        ("\r", ECHO + "umount: not found\r\n" + missing),
    ]
    rig = play(Guest(says))
    with pytest.raises(MachineError, match=r"not let go of what it was given: the guest cannot umount /mnt: umount"):
        rig.machine._ask_kernel(MODULE)
