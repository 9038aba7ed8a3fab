"""The ssh machine against a real sshd, whose DragonFly is a stand-in: see host.py."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from msgport_vm.connection import Address, Trust, connect
from msgport_vm.hostbuild import HostBuilds
from msgport_vm.machine import BuildError, Event, EventKind, MachineError, UnloadRefusedError, UnusableFileError
from msgport_vm.ssh import SshMachine
from msgport_vm.ssh import _sweep as sweep
from msgport_vm.userland import find_compiler
from tests.ssh.host import IMPATIENT, Host, make_key, write_module
from tests.standin.image import write_sysdir

SAYS_HELLO = 'if (type == MOD_LOAD) kprintf("hello\\n"); else kprintf("bye\\n");'
PANICS = 'if (type == MOD_LOAD) panic("lwkt_getport() illegal on port %p", &data);'.replace("&data", "mod")

MakeMachine = Callable[..., SshMachine]


@pytest.fixture
def machine_of(host: Host) -> Iterator[MakeMachine]:
    machines: list[SshMachine] = []

    def make(**options: object) -> SshMachine:
        choices: dict[str, object] = {"trust": host.trust, "patience": IMPATIENT} | options
        machines.append(SshMachine(host.url, **choices))  # type: ignore[arg-type]
        return machines[-1]

    yield make
    for machine in machines:
        machine.close()


def load(
    machine: SshMachine, module: Path, tunables: Mapping[str, int] | None = None, timeout: float = 10
) -> tuple[str, Event]:
    """All console text of a load, and how it ended."""
    *said, end = machine.load(module, tunables or {}, timeout)
    assert all(event.kind is EventKind.CONSOLE for event in said) and end.kind is not EventKind.CONSOLE
    return "".join(event.text for event in said), end


def folders(host: Host, machine: SshMachine) -> list[Path]:
    """What there is of the machine's folder on the host."""
    session = machine._session
    assert session is not None and session.folder.startswith(f"{host.state}/tmp/msgport.")
    return [Path(session.folder), Path(session.folder + ".gone")]


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait, at most ten seconds, for something that another process does."""
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def test_a_machine_tells_its_facts(host: Host, machine_of: MakeMachine) -> None:
    facts = machine_of().boot()
    assert (facts.target, facts.dragonfly, facts.era, facts.cpus) == ("ssh", True, "E", 4)
    assert facts.kernel.startswith("DragonFly 6.4-RELEASE DragonFly v6.4.2-RELEASE #1")
    assert facts.invariants is True and facts.expendable is False
    assert facts.extra["address"] == host.url


def test_invariants_are_unknown_where_nothing_tells(host: Host, machine_of: MakeMachine) -> None:
    (host.state / "sysctl" / "debug.use_malloc_pattern").unlink()
    assert machine_of().boot().invariants is None


def test_a_module_is_built_there_loaded_and_unloaded(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of()
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    assert module == tmp_path / "m" / "probe.ko" and module.read_bytes().startswith(b"\x7fELF")
    text, end = load(machine, module)
    assert (text, end.kind) == ("hello\n", EventKind.LOADED) and host.modules == {"probe"}
    assert "".join(event.text for event in machine.unload(module)) == "bye\n" and host.modules == set()


def test_tunables_reach_the_module_and_go_with_it(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of()
    machine.boot()
    body = 'int n = 0; kgetenv_int("test.n", &n); if (type == MOD_LOAD) kprintf("n is %d\\n", n);'
    module = machine.build(write_module(tmp_path / "m", body))
    assert load(machine, module, {"test.n": -7, "test.more": 1})[0] == "n is -7\n"
    list(machine.unload(module))
    assert load(machine, module, {"test.other": 1})[0] == "n is 0\n"
    assert host.tunables == {"test.other"}
    machine.close()
    assert host.tunables == set()


def test_nothing_is_left_behind(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of(allow_panic=True)
    machine.boot()
    assert host.setting("debug.debugger_on_panic") == "0" and host.setting("debug.trace_on_panic") == "1"
    load(machine, machine.build(write_module(tmp_path / "m", SAYS_HELLO)), {"test.n": 1})
    places = folders(host, machine)
    machine.close()
    machine.close()
    assert host.modules == set() and host.tunables == set() and not any(place.exists() for place in places)
    assert host.setting("debug.debugger_on_panic") == "1" and host.setting("debug.trace_on_panic") == "0"
    assert machine.left_behind == ()


def test_a_killed_harness_leaves_nothing_behind_either(host: Host, tmp_path: Path) -> None:
    source = write_module(tmp_path / "m", SAYS_HELLO)
    program = (
        "import sys; from pathlib import Path; from msgport_vm.ssh import SshMachine; "
        "from msgport_vm.connection import Trust; "
        f"m = SshMachine({host.url!r}, trust=Trust(Path({str(host.known_hosts)!r}), keys=(Path({str(host.key)!r}),))); "
        f"m.boot(); list(m.load(m.build(Path({str(source)!r})), {{'test.n': 1}}, 10)); "
        "print(m._session.folder, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as harness:
        assert harness.stdout is not None
        folder = Path(harness.stdout.readline().decode().strip())
        assert folder.is_dir() and host.modules == {"probe"} and host.tunables == {"test.n"}
        harness.send_signal(signal.SIGKILL)
    assert eventually(lambda: not folder.exists() and not host.modules and not host.tunables)


def test_an_unknown_host_key_is_refused_with_its_fingerprint(host: Host, machine_of: MakeMachine) -> None:
    host.known_hosts.unlink()
    public = host.state / "host_key.pub"
    shown = subprocess.run(["ssh-keygen", "-lf", str(public)], capture_output=True, text=True, check=True).stdout
    with pytest.raises(MachineError) as caught:
        machine_of().boot()
    assert shown.split()[1] in str(caught.value)
    command = re.search(r"^  (ssh .*) true$", str(caught.value), re.M)
    assert command and f"UserKnownHostsFile={host.known_hosts}" in command[1]
    # The command that it names, with somebody who says yes.
    accept = command[0].split()
    accept[1:1] = ["-o", "StrictHostKeyChecking=accept-new", "-i", str(host.key)]
    subprocess.run(accept, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    machine_of().boot()


def test_a_changed_host_key_is_refused(host: Host, machine_of: MakeMachine) -> None:
    other = make_key(host.folder / "other").with_suffix(".pub").read_text().split()
    host.known_hosts.write_text(f"[127.0.0.1]:{host.port} {other[0]} {other[1]}\n")
    with pytest.raises(MachineError, match=r"another host key than before(?s:.*)ssh-keygen -f \S+ -R '\[127"):
        machine_of().boot()


def test_a_revoked_host_key_is_refused_even_if_it_is_known(host: Host, machine_of: MakeMachine) -> None:
    known = host.known_hosts.read_text()
    host.known_hosts.write_text(f"{known}@revoked * {known.partition(' ')[2]}")
    with pytest.raises(MachineError, match=r"host key ssh-ed25519 SHA256:\S+ is revoked"):
        machine_of().boot()


def test_a_virtual_machines_first_key_is_pinned(host: Host, machine_of: MakeMachine) -> None:
    pins = host.folder / "pins" / "known_hosts"
    trust = Trust(pins, pin=True, keys=(host.key,))
    machine_of(trust=trust).boot()
    assert f"[127.0.0.1]:{host.port}" in pins.read_text()
    (host.state / "host_key").unlink()
    make_key(host.state / "host_key")
    host.drop_connections()
    with pytest.raises(MachineError, match="another host key"):
        machine_of(trust=trust).boot()


def test_the_first_key_is_pinned_under_an_alias_even_of_a_machine_that_lets_nobody_in(host: Host) -> None:
    pins, stranger = host.folder / "pins", make_key(host.folder / "stranger")
    address = Address(host.user, "127.0.0.1", host.port)
    with pytest.raises(MachineError, match=r"does not let(?s:.*)authorized_keys of its image"):
        connect(address, Trust(pins, pin=True, keys=(stranger,), alias="guest"))
    known = " ".join((host.state / "host_key.pub").read_text().split()[:2])
    assert pins.read_text() == f"guest {known}\n"
    trust = Trust(pins, pin=True, keys=(host.key,), alias="guest")
    connect(address, trust).close()
    pins.write_text(f"guest {stranger.with_suffix('.pub').read_text()}")
    with pytest.raises(MachineError, match=r"another host key than before(?s:.*)let go of the saved machine"):
        connect(address, trust)


def test_a_key_that_the_machine_does_not_know_is_told(host: Host, machine_of: MakeMachine) -> None:
    stranger = make_key(host.folder / "stranger")
    with pytest.raises(
        MachineError, match=rf"does not let {host.user} in \(tried {stranger} and the agent\)(?s:.*)ssh-copy-id"
    ):
        machine_of(trust=Trust(host.known_hosts, keys=(stranger,))).boot()


def test_a_wrong_user_is_told(host: Host) -> None:
    machine = SshMachine(f"ssh://nobody-here@127.0.0.1:{host.port}", trust=host.trust)
    with pytest.raises(MachineError, match="does not let nobody-here in"):
        machine.boot()


def test_a_machine_that_is_not_there_is_told(host: Host) -> None:
    host.stop()
    with pytest.raises(MachineError, match="cannot reach ssh://"):
        SshMachine(host.url, trust=host.trust).boot()


@pytest.mark.parametrize(
    "url",
    ["ssh://host", "ssh://@host", "host", "http://a@b", "ssh://a@b:0", "ssh://a@b:99999", "ssh://a@b/c", "ssh://-o@b"],
)
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ValueError, match="write ssh://user@host"):
        SshMachine(url)


@pytest.mark.parametrize("host", ["host", "host:99999", "host:many", "[host", "/host", "a@host:99999"])
def test_a_password_in_an_address_is_refused_and_not_repeated(host: str) -> None:
    with pytest.raises(ValueError, match=r"password|is no address of a machine") as caught:
        SshMachine(f"ssh://root:hush@{host}")
    assert "hush" not in str(caught.value)


def test_what_else_is_said_at_login_is_neither_taken_for_our_folder_nor_run(
    host: Host, machine_of: MakeMachine
) -> None:
    noise = "{ echo 'welcome /etc; $(touch $STATE/owned)'; echo 'msgport-folder:/x; touch $STATE/owned'; }"
    host.program("mktemp", f'{noise} >&2; exec /usr/bin/mktemp "$@"')
    machine = machine_of()
    machine.boot()
    assert len(list((host.state / "tmp").iterdir())) == 1
    machine.close()
    assert eventually(lambda: not list((host.state / "tmp").iterdir()))
    assert not (host.state / "owned").exists()


def test_another_system_than_dragonfly_is_refused(host: Host, machine_of: MakeMachine) -> None:
    host.program("uname", "echo Linux")
    with pytest.raises(MachineError, match="runs Linux, not DragonFly"):
        machine_of().boot()


def test_a_user_who_cannot_become_root_is_told(host: Host, machine_of: MakeMachine) -> None:
    host.program("id", "echo 1001")
    host.program("sudo", "echo 'sudo: a password is required' >&2; exit 1")
    host.program("doas", "exit 1")
    with pytest.raises(MachineError, match=r"neither sudo nor doas.*ssh://root@"):
        machine_of().boot()


def test_a_user_becomes_root_by_sudo(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    host.program("id", "echo 1001")
    host.program("sudo", '[ "$1" = -n ] && shift && echo "$*" >>"$STATE/sudo" && exec "$@"')
    machine = machine_of()
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    assert load(machine, module, {"test.n": 3})[1].kind is EventKind.LOADED
    list(machine.unload(module))
    machine.close()
    log = (host.state / "sudo").read_text()
    assert "kldload ./probe.ko" in log and "kldunload probe" in log and host.tunables == set()


def test_a_module_that_does_not_compile_shows_the_compilers_words(machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of()
    machine.boot()
    with pytest.raises(BuildError, match=r"probe\.c does not compile on ssh://") as caught:
        machine.build(write_module(tmp_path / "m", "no_such_function();"))
    assert "no_such_function" in caught.value.screen


@pytest.mark.parametrize(
    ("make", "lacking", "remedy"),
    [
        (None, "make", "base"),
        ('echo "sh: cc: not found"; exit 1', "a C compiler", "base"),
        (
            'echo "\\"/usr/share/mk/bsd.kmod.mk\\" line 11: can\'t find kernel source tree"; exit 1',
            "the kernel's source",
            "make src-create-shallow",
        ),
        ('echo "make: \\"Makefile\\" line 8: Could not find bsd.kmod.mk"; exit 1', "bsd.kmod.mk", "/usr/share/mk"),
    ],
)
def test_what_a_machine_lacks_for_building_is_named(
    host: Host, machine_of: MakeMachine, tmp_path: Path, make: str | None, lacking: str, remedy: str
) -> None:
    host.program("make", make or 'echo "sh: make: not found" >&2; exit 127')
    machine = machine_of()
    machine.boot()
    with pytest.raises(BuildError, match=f"lacks {lacking}, so.*{remedy}.*--sysdir"):
        machine.build(write_module(tmp_path / "m", SAYS_HELLO))


def test_a_make_that_makes_nothing_is_told(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    host.program("make", "exit 0")
    machine = machine_of()
    machine.boot()
    with pytest.raises(BuildError, match=r"made no probe\.ko"):
        machine.build(write_module(tmp_path / "m", SAYS_HELLO))


def test_modules_are_compiled_here_against_a_source_tree(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    host.program("make", "exit 1")
    cache = tmp_path / "cache"
    machine = machine_of(builder=HostBuilds(write_sysdir(tmp_path / "sysdir"), cache))
    assert machine.boot().compiler == find_compiler().version
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    assert module.read_bytes()[:4] == b"\x7fELF"
    assert len(list(cache.glob("builds/run-*"))) == 1
    machine.close()
    assert list(cache.glob("builds/run-*")) == []


def test_a_folder_that_is_no_kernels_source_is_told(machine_of: MakeMachine, tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="is not the sys folder of DragonFly's source"):
        machine_of(builder=HostBuilds(tmp_path, tmp_path / "cache")).boot()


def test_a_module_that_is_in_already_does_not_load(machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of()
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    load(machine, module)
    assert load(machine, module)[1] == Event(
        EventKind.LOAD_FAILED, "kldload: can't load ./probe.ko: module already loaded or in kernel"
    )


def test_an_unresolved_symbol_is_told_in_the_kernels_words(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of()
    machine.boot()
    host.program("kldload", 'dlfail() { echo "link_elf_obj_obj: symbol lwkt_nosuch undefined" >>"$STATE/msgbuf";'
        'echo "linker_load_file: Unsupported file type" >>"$STATE/msgbuf"; }; dlfail;'
        'echo "kldload: an error occurred while loading the module. Please check dmesg(8) for more details." >&2;'
        "exit 1")  # fmt: skip
    _, end = load(machine, machine.build(write_module(tmp_path / "m", SAYS_HELLO)))
    assert end.kind is EventKind.LOAD_FAILED and "symbol lwkt_nosuch undefined" in end.text


def test_a_load_handler_that_fails_is_noticed_though_kldload_says_nothing(
    host: Host, machine_of: MakeMachine, tmp_path: Path
) -> None:
    machine = machine_of()
    machine.boot()
    _, end = load(machine, machine.build(write_module(tmp_path / "m", "if (type == MOD_LOAD) return (6);")))
    assert end.kind is EventKind.LOAD_FAILED and "error 6" in end.text
    assert host.modules == {"probe"}, "as on DragonFly the file stays"
    machine.restart()
    assert host.modules == set()


def test_a_refused_unload_is_told(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of()
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", "if (type == MOD_UNLOAD) return (16);"))
    load(machine, module)
    with pytest.raises(UnloadRefusedError, match="can't unload file"):
        list(machine.unload(module))
    machine.restart()
    assert host.modules == {"probe"} and machine.left_behind == ("probe.ko",), "not ours to reboot"


def test_a_machine_of_ours_is_rebooted_to_be_rid_of_a_module(
    host: Host, machine_of: MakeMachine, tmp_path: Path
) -> None:
    machine = machine_of(allow_panic=True)
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", "if (type == MOD_UNLOAD) return (16);"))
    load(machine, module)
    with pytest.raises(UnloadRefusedError):
        list(machine.unload(module))
    machine.restart()
    assert host.modules == set() and machine.left_behind == ()
    assert host.setting("debug.debugger_on_panic") == "0", "set again after the reboot"
    assert load(machine, module)[1].kind is EventKind.LOADED


def test_a_module_that_is_gone_when_unloaded_is_told(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of()
    machine.boot()
    with pytest.raises(MachineError, match="can't find file probe"):
        list(machine.unload(tmp_path / "probe.ko"))


def test_a_panic_is_read_after_the_reboot(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of(allow_panic=True)
    assert machine.boot().expendable is True
    module = machine.build(write_module(tmp_path / "m", PANICS))
    text, end = load(machine, module)
    assert end.kind is EventKind.PANICKED and "lwkt_getport() illegal on port" in end.text
    assert "panic: lwkt_getport() illegal" in text and "Copyright" not in text
    machine.restart()
    good = machine.build(write_module(tmp_path / "good", SAYS_HELLO, "good"))
    assert load(machine, good) == ("hello\n", Event(EventKind.LOADED))


def test_a_panic_whose_message_buffer_is_lost_is_read_from_the_crash_dump(
    host: Host, machine_of: MakeMachine, tmp_path: Path
) -> None:
    (host.state / "cold").touch()
    crash = host.state / "crash"
    crash.mkdir()
    (crash / "bounds").write_text("4\n")
    host.program("cat", 'case $1 in /var/crash/*) exec /bin/cat "$STATE/crash/${1##*/}";; esac; exec /bin/cat "$@"')
    host.program("panic", 'echo "  Panic String: port 0xffff can\'t be true" >"$STATE/crash/info.4";'
        'echo 5 >"$STATE/crash/bounds"; exec panic.before')  # fmt: skip
    machine = machine_of(allow_panic=True)
    machine.boot()
    text, end = load(machine, machine.build(write_module(tmp_path / "m", PANICS)))
    assert end == Event(EventKind.PANICKED, "panic: port 0xffff can't be true") and end.text in text


def test_last_words_that_were_read_before_the_connection_was_lost_count(
    host: Host, machine_of: MakeMachine, tmp_path: Path
) -> None:
    machine = machine_of(allow_panic=True)
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    (host.state / "cold").touch()  # The message buffer does not survive.
    host.program(
        "dmesg",
        '[ ! -e "$STATE/once" ] || : >"$STATE/twice"; '
        'if grep -q "^panic" "$STATE/msgbuf"; then : >"$STATE/once"; fi; exec cat "$STATE/msgbuf"',
    )
    host.program(
        "kldload",
        'printf "panic: read at once\\nUptime: 1m\\n" >>"$STATE/msgbuf"; '
        'while [ ! -e "$STATE/twice" ]; do sleep 0.05; done; exec reboot',
    )
    text, end = load(machine, module)
    assert (text, end) == ("panic: read at once\n", Event(EventKind.PANICKED, "panic: read at once"))


def test_a_reboot_without_a_word_is_a_death(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    host.program("kldload", "exec reboot")
    machine = machine_of(allow_panic=True)
    machine.boot()
    text, end = load(machine, machine.build(write_module(tmp_path / "m", SAYS_HELLO)))
    assert end.kind is EventKind.DIED and "rebooted and left no reason" in end.text and "Copyright" not in text


def test_a_machine_that_stays_in_its_debugger_is_given_up_with_advice(
    host: Host, machine_of: MakeMachine, tmp_path: Path
) -> None:
    from dataclasses import replace

    machine = machine_of(patience=replace(IMPATIENT, comeback=1.0))
    machine.boot()
    _, end = load(machine, machine.build(write_module(tmp_path / "m", PANICS)))
    assert end.kind is EventKind.DIED and "did not come back within 1 s" in end.text and "debugger" in end.text
    with pytest.raises(MachineError, match="did not come back"):
        machine.restart()


def test_last_words_on_a_console_count_without_waiting_for_a_reboot(
    host: Host, machine_of: MakeMachine, tmp_path: Path
) -> None:
    read = [0]

    def console() -> str:
        text = (host.state / "msgbuf").read_text()
        start, read[0] = read[0], len(text)
        return text[start:]

    machine = machine_of(console=console)  # The debugger keeps it, so it never comes back.
    machine.boot()
    text, end = load(machine, machine.build(write_module(tmp_path / "m", PANICS)))
    assert end.kind is EventKind.PANICKED and "Stopped at" in text


def test_a_dying_machine_that_pauses_is_heard_to_its_end(host: Host, machine_of: MakeMachine) -> None:
    says = iter(["panic: in two\n", "", "Trace beginning at frame 0x1\n", "Stopped at Debugger\ndb> "])
    text = machine_of()._last_words(lambda: next(says, ""))
    assert text == "panic: in two\nTrace beginning at frame 0x1\nStopped at Debugger\ndb> "


def test_a_machine_that_another_is_tidying_up_is_waited_for(tmp_path: Path) -> None:
    """The watcher of a connection that was cut may still take settings back when a new one is made."""
    folder, bin = tmp_path / "msgport", tmp_path / "bin"
    (tmp_path / "msgport.gone").mkdir()
    bin.mkdir()
    (bin / "sleep").write_text(f"#!/bin/sh\nrmdir {folder}.gone\necho waited\n")
    (bin / "sleep").chmod(0o755)
    environment = {"PATH": f"{bin}:/usr/bin:/bin"}
    for said in ("waited\n", ""):
        done = subprocess.run(["sh", "-c", sweep(str(folder))], env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, said)


def test_what_one_that_died_began_to_tidy_up_is_gone_on_with(tmp_path: Path) -> None:
    left = tmp_path / "msgport.gone"
    left.mkdir()
    with subprocess.Popen(["true"]) as dead:
        (left / "sweeper").write_text(f"{dead.pid}\n")
    done = subprocess.run(["sh", "-c", sweep(str(tmp_path / "msgport"))], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and not left.exists()


def test_a_dropped_connection_is_a_death_with_its_reason_and_the_run_goes_on(
    host: Host, machine_of: MakeMachine, tmp_path: Path
) -> None:
    machine = machine_of()
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    host.program(
        "kldload",
        'exec >/dev/null 2>&1; echo before >>"$STATE/msgbuf"; cut-connections; echo after >>"$STATE/msgbuf"; '
        "mv $0.before $0; exec start-sshd",
    )
    text, end = load(machine, module)
    assert end.kind is EventKind.DIED and "connection was lost" in end.text and "stayed up" in end.text
    assert text == "before\nafter\n"
    machine.restart()
    assert load(machine, module) == ("hello\n", Event(EventKind.LOADED))


def test_a_connection_lost_between_loads_is_a_death_and_not_an_error(
    host: Host, machine_of: MakeMachine, tmp_path: Path
) -> None:
    machine = machine_of()
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    host.drop_connections()
    assert load(machine, module)[1].kind is EventKind.DIED
    machine.restart()
    assert load(machine, module)[1].kind is EventKind.LOADED


def test_a_build_outlives_a_reboot(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of()
    machine.boot()
    gate = host.state / "building"
    host.program("make", f"if [ ! -e {gate} ]; then : >{gate}; sleep 60; fi; exec make.before")
    built: list[Path] = []
    building = threading.Thread(target=lambda: built.append(machine.build(write_module(tmp_path / "m", SAYS_HELLO))))
    building.start()
    assert eventually(gate.exists)
    host.drop_connections()
    building.join(30)
    assert built and load(machine, built[0])[0] == "hello\n"


def test_silence_is_a_hang_and_says_that_the_machine_answers(
    host: Host, machine_of: MakeMachine, tmp_path: Path
) -> None:
    machine = machine_of()
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    host.program("kldload", 'echo working >>"$STATE/msgbuf"; exec sleep 30')
    text, end = load(machine, module, timeout=4.0)
    assert text == "working\n" and end.kind is EventKind.HUNG and "still answers" in end.text
    machine.restart()
    assert machine.left_behind == ("probe.ko",)


def test_a_machine_that_no_longer_answers_hangs(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    from dataclasses import replace

    machine = machine_of()
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    machine._patience = replace(IMPATIENT, answer=1.0)
    host.program("kldload", 'mv "$0/../dmesg" "$0/../x" 2>/dev/null; touch "$STATE/stuck"; exec sleep 30')
    host.program("dmesg", 'if [ -e "$STATE/stuck" ]; then rm "$STATE/stuck"; exec sleep 30; fi; exec dmesg.before')
    _, end = load(machine, module)
    assert end.kind is EventKind.HUNG and "gave no answer within 1 s" in end.text and "stayed up" in end.text


def test_text_of_others_before_a_load_is_not_its_own(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    machine = machine_of()
    machine.boot()
    module = machine.build(write_module(tmp_path / "m", SAYS_HELLO))
    host.says("vtnet0: link state changed to UP\n")
    assert load(machine, module)[0] == "hello\n"


def test_a_host_without_sftp_is_told(host: Host, machine_of: MakeMachine, tmp_path: Path) -> None:
    config = host.state / "sshd_config"
    config.write_text(re.sub(r"^Subsystem.*\n", "", config.read_text(), flags=re.M))
    host.drop_connections()
    machine = machine_of()
    machine.boot()
    with pytest.raises(MachineError, match="offers no sftp"):
        machine.build(write_module(tmp_path / "m", SAYS_HELLO))


def test_a_host_without_room_is_told(host: Host, machine_of: MakeMachine) -> None:
    host.program("mktemp", "echo 'mktemp: No space left on device' >&2; exit 1")
    with pytest.raises(MachineError, match="no room for our files: mktemp: No space left on device"):
        machine_of().boot()


def test_a_machine_must_be_booted_first(machine_of: MakeMachine, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"boot\(\) it first"):
        next(iter(machine_of().load(tmp_path / "x.ko", {}, 1)))


def test_the_path_of_the_stand_in_is_the_one_in_force(host: Host, machine_of: MakeMachine) -> None:
    """Nothing here may ever reach the real reboot or sysctl."""
    machine = machine_of()
    machine.boot()
    session = machine._session
    assert session is not None
    for program in host.bin.iterdir():
        assert session.link.run(f"command -v {program.name}", 5).output.strip() == str(program)
