"""How a machine's death is read from what it printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from msgport.transcript import Load, read
from msgport_vm.deaths import death
from tests.transcript.writer import Writer, two_outcomes

SHARED = Path(__file__).parents[3] / "shared" / "transcripts" / "dragonfly-5.9"
needs_transcripts = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/transcripts beside the repository")
GETPORT = "panic: lwkt_getport() illegal on port 0xffffffff81c000e0"
AFTER = 'cpuid = 1\r\nTrace beginning at frame 0xfffff80076a187d8\r\nDebugger("panic")\r\ndb> '


def load_with(death: str) -> Load:
    (load,) = read("\n".join(two_outcomes().lines[:4]) + "\r\n" + death).loads
    return load


def test_a_panic_belongs_to_the_load_before_it() -> None:
    one, two = two_outcomes(1), "\n".join(two_outcomes(2).lines[:4])
    first, second = read(one.text + two + f"\r\n{GETPORT}\r\n{AFTER}").loads
    assert first.panic is None
    assert second.panic
    assert (second.panic.name, second.panic.text) == ("getport-illegal", GETPORT.removeprefix("panic: "))
    assert second.problems == ()


def test_a_panic_in_the_middle_of_a_record_is_seen() -> None:
    lines = two_outcomes().lines
    text = "\n".join(lines[:3]) + "\n" + lines[3][:30] + GETPORT + "\r\n" + lines[3][30:] + "\n" + AFTER
    (load,) = read(text).loads
    assert load.panic
    assert load.panic.name == "getport-illegal"
    assert len(load.sightings) == 2


def test_a_panic_after_the_end_is_a_problem() -> None:
    (load,) = read(two_outcomes().text + GETPORT + "\r\n" + AFTER).loads
    assert "panicked after the load was over" in load.problems[0]


def test_a_panic_before_any_load_is_kept_apart() -> None:
    transcript = read(GETPORT + "\n" + two_outcomes().text)
    assert [panic.name for panic in transcript.panics] == ["getport-illegal"]
    assert transcript.loads[0].complete


def test_records_lost_before_a_panic_are_named_all_the_same() -> None:
    lines = two_outcomes().lines
    (load,) = read("\n".join([lines[0], lines[2]]) + "\n" + GETPORT + "\n" + AFTER).loads
    assert load.problems == ("lost 1 record of 3 or more: 1",)


TORN = "SECONDARY PANIC ON CPU panic: 1 THREAD port 0xff msg 0xfe ca0nnot be waited onxfffff8006b7e5b80\r\n\r\n"
TRACE = (
    "cpuid = 0\r\nTrace beginning at frame 0xfffff8005b7bea50\r\n"
    "lwkt_panic_waitmsg() at lwkt_panic_waitmsg+0x19 0xffffffff803de489 \r\n"
    'mpt_main() at mpt_main+0x84 0xffffffff81e00cd8 \r\nDebugger("panic")\r\ndb> '
)


def test_two_panics_that_tear_each_other_apart_are_told_by_the_trace() -> None:
    panic = load_with(TORN + TRACE).panic
    assert panic
    assert (panic.name, panic.cpu) == ("waitmsg-illegal", 0)


def test_a_digit_that_fell_into_the_cpu_leaves_it_unknown() -> None:
    stops = "\r\nCPU1 stopping CPUs: 0x0000000d\r\n"
    for after, cpu in ((AFTER + stops, 1), (AFTER.replace("cpuid = 1", "cpuid = 01x") + stops, 1), (AFTER, 1)):
        panic = load_with(f"{GETPORT}\r\n{after}").panic
        assert panic and panic.cpu == cpu
    panic = load_with(f"{GETPORT}\r\n{AFTER.replace('cpuid = 1', 'cpuid = 10')}{stops}").panic
    assert panic and panic.cpu is None


def test_two_panics_that_tear_each_other_apart_say_nothing_without_a_trace_that_tells() -> None:
    panic = load_with(TORN + TRACE.replace("lwkt_panic_waitmsg", "lwkt_domsg")).panic
    assert panic
    assert panic.name is None


def test_a_panic_whose_text_was_lost_is_told_by_the_trace() -> None:
    panic = load_with(TRACE).panic
    assert panic
    assert (panic.name, panic.text) == ("waitmsg-illegal", "a panic whose text was lost")


def test_a_wrapped_panic_text_is_joined() -> None:
    panic = load_with(f"panic: lwkt_getport() ill\r\negal on port 0xff\r\n{AFTER}").panic
    assert panic
    assert panic.name == "getport-illegal"


def test_spinlocks_held_and_secondary_panics_do_not_hide_the_first() -> None:
    text = f"panic with 1 spinlocks held\r\n{GETPORT}\r\n{AFTER}\r\nSECONDARY PANIC ON CPU 2 THREAD 0xff\r\n"
    panic = load_with(text).panic
    assert panic
    assert (panic.name, panic.text) == ("getport-illegal", GETPORT.removeprefix("panic: "))


@pytest.mark.parametrize(
    "death",
    [
        "pacpuid = 1\r\nnic: lwkt_getport()\r\n" + AFTER,
        "panic: lwkcpuid = 0\r\n" + AFTER,
        "panic: lwkt_getp\r\nCPU2 is here and goes on\r\n",
        "Fatal trap 12: page fault while in kernel mode\r\ncpuid = 1; lapic id = 1\r\n",
        "DOUBLE FAULT - KERNEL STACK GUARD HIT!\r\nFatal double fault\r\npanic: double fault\r\n" + AFTER,
    ],
)
def test_a_panic_that_cannot_be_read_and_a_trap_have_no_name(death: str) -> None:
    panic = load_with(death).panic
    assert panic
    assert panic.name is None


def test_a_panic_of_another_part_of_the_kernel_is_other() -> None:
    panic = load_with('panic: assertion "one == 0" failed in ev at mods/kkpanic.c:5\r\n' + AFTER).panic
    assert panic
    assert panic.name == "other"


@needs_transcripts
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("panic-dropmsg-on-putonly-port", "dropmsg-illegal"),
        ("panic-getport-not-owner", "not-owner"),
        ("panic-getport-on-panic-port", "getport-illegal"),
        ("panic-kkassert-in-module", "other"),
        ("panic-replymsg-on-putonly-port", "replymsg-illegal"),
        ("panic-send-twice", "send-not-idle"),
        ("panic-sendmsg-to-panic-port", "putport-illegal"),
        ("panic-waitmsg-on-panic-port", "waitmsg-illegal"),
        ("panic-waitport-not-owner", "not-owner"),
        ("panic-waitport-on-replyonly-port", "waitport-illegal"),
        ("panic-without-debugger-smp1", "other"),
        ("trap-null-pointer", None),
    ],
)
def test_real_deaths_are_named(file: str, name: str | None) -> None:
    console = (SHARED / f"{file}.txt").read_bytes().decode(errors="replace")
    (panic,) = read(console).panics
    assert panic.name == name
    # The same death right after records of ours belongs to their load.
    (load,) = read(Writer().begin().text + console).loads
    assert load.panic
    assert (load.panic.name, load.panic.text) == (panic.name, panic.text)


@needs_transcripts
@pytest.mark.parametrize(
    "file", ["boot-smp2", "examples-smp1", "examples-smp4", "facts-smp4", "iso-loader-boot", "kldload-good-and-bad"]
)
def test_real_consoles_of_machines_that_live_hold_no_death(file: str) -> None:
    transcript = read((SHARED / f"{file}.txt").read_bytes().decode(errors="replace"))
    assert transcript.loads == ()
    assert transcript.panics == ()


ALL = sorted(SHARED.glob("*.txt"))


@needs_transcripts
@pytest.mark.parametrize("file", ALL, ids=lambda file: file.stem)
def test_machines_and_transcripts_agree_on_who_died(file: Path) -> None:
    console = file.read_bytes().decode(errors="replace")
    died = file.stem.startswith(("panic-", "trap-"))
    assert (death(console) != "", read(console).panics != ()) == (died, died)


@pytest.mark.parametrize(
    "line",
    [
        GETPORT,
        "lab# " + GETPORT,
        "panic: assertion: one == 0 in ev",
        "Fatal trap 12: page fault while in kernel mode",
        "Fatal double fault",
        "DOUBLE FAULT - KERNEL STACK GUARD HIT!",
        "SECONDARY PANIC ON CPU 1 THREAD 0xfffff8006b7e5b80",
        "panic with 2 spinlocks held",
        'Debugger("panic")',
        "Automatic reboot in 15 seconds - press a key on the console to abort",
    ],
)
def test_a_line_of_a_dying_kernel_is_known_to_machines_and_transcripts(line: str) -> None:
    assert death(f"ahci0: port 1\r\n{line}\r\ncpuid = 0\r\n") == line.removeprefix("lab# ")
    assert load_with(line + "\r\n").panic


@pytest.mark.parametrize(
    "line",
    [
        "my_panic: hello",
        "debug.debugger_on_panic: 1",
        "kldload: can't load ./panic.ko: No such file or directory",
        "savecore: reboot after " + GETPORT,
        "cpuid = 1",
        "Trace beginning at frame 0xfffff80076a187d8",
        "db> ",
        "don't panic",
    ],
)
def test_a_line_that_only_looks_like_it_is_no_death(line: str) -> None:
    assert death(f"{line}\r\n") == ""
    assert load_with(line + "\r\n").panic is None


def test_the_reason_of_a_death_comes_before_its_other_signs() -> None:
    assert death(f"panic with 1 spinlocks held\r\n{GETPORT}\r\n{AFTER}") == GETPORT
