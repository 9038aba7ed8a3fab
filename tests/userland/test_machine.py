"""The userland machine as a Machine: what loading, unloading, dying and ending look like from outside."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from msgport_vm.machine import BuildError, Event, EventKind, Machine, MachineError, UnloadRefusedError
from msgport_vm.userland import (
    MODULE_FLAGS,
    UserlandMachine,
    build_runtime,
    default_cache,
    default_sources,
    find_compiler,
)
from tests.processes import is_gone

from .conftest import collect, collect_text

MACHINES_OF_ITS_OWN = "machines-of-a-harness-that-is-killed"

MODULE = """
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>

%s

static int
event(module_t mod, int type, void *arg)
{
	int value = 1;

	kgetenv_int("test.value", &value);
	switch (type) {
	case MOD_LOAD:
		%s
		break;
	case MOD_UNLOAD:
		%s
		break;
	}
	return (0);
}

static moduledata_t data = { "sample", event, NULL };
DECLARE_MODULE(sample, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
"""


@pytest.fixture
def machine() -> Iterator[UserlandMachine]:
    with UserlandMachine(cpus=2) as machine:
        machine.boot()
        yield machine


def build(
    machine: Machine,
    folder: Path,
    load: str,
    unload: str = 'kprintf("bye\\n");',
    before: str = "",
    name: str = "sample",
) -> Path:
    source = folder / name
    source.mkdir(exist_ok=True)
    (source / f"{name}.c").write_text(MODULE % (before, load, unload))
    return machine.build(source)


def load(machine: Machine, module: Path, timeout: float = 20.0, **tunables: int) -> tuple[str, Event]:
    return collect(machine.load(module, {f"test.{name}": value for name, value in tunables.items()}, timeout))


def test_facts_say_what_it_is() -> None:
    with UserlandMachine(cpus=3) as other:
        facts = other.boot()
    assert (facts.target, facts.dragonfly, facts.era, facts.invariants, facts.cpus) == ("userland", False, "E", True, 3)
    assert facts.host_cores >= 1
    assert facts.compiler


def test_load_and_unload_print_on_the_console(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, 'kprintf("hello\\n");')
    assert load(machine, module) == ("hello\n", Event(EventKind.LOADED))
    assert collect_text(machine.unload(module)) == "bye\n"
    assert load(machine, module) == ("hello\n", Event(EventKind.LOADED))


def test_a_module_loaded_again_starts_afresh_even_if_the_host_keeps_it(
    machine: UserlandMachine, tmp_path: Path
) -> None:
    """Some hosts' ``dlclose`` unmaps nothing; here one module is linked so that this host's does not either."""
    count = 'kprintf("load %d, unload %d\\n", ++loads, unloads);'
    module = build(machine, tmp_path, count, unload="++unloads;", before="static int loads = 0, unloads = 0;")
    include = default_sources() / "include"
    command = [*find_compiler().command, *MODULE_FLAGS, "-Wl,-z,nodelete", "-I", str(include), "-o", str(module)]
    subprocess.run([*command, str(module.with_suffix(".c"))], check=True)
    for _ in range(3):
        assert load(machine, module) == ("load 1, unload 0\n", Event(EventKind.LOADED))
        assert collect_text(machine.unload(module)) == ""
    assert sorted(each.name for each in module.parent.iterdir()) == ["sample.c", "sample.ko"]


def test_tunables_hold_for_one_load(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, 'kprintf("value %d\\n", value);')
    seen = []
    for tunables in ({"value": -7}, {"value": 2147483647}, {}):
        seen.append(load(machine, module, **tunables)[0])
        collect_text(machine.unload(module))
    assert seen == ["value -7\n", "value 2147483647\n", "value 1\n"]


def test_all_console_text_comes_before_the_end_of_the_load(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, 'int n; for (n = 0; n < 20000; ++n) kprintf("line %d\\n", n);')
    text, last = load(machine, module)
    assert last.kind is EventKind.LOADED
    assert text == "".join(f"line {n}\n" for n in range(20000))


def test_loading_twice_fails_in_the_kernels_words(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, "")
    load(machine, module)
    assert load(machine, module) == (
        "",
        Event(EventKind.LOAD_FAILED, f"kldload: can't load {module}: module already loaded or in kernel"),
    )


def test_loading_a_missing_file_fails_in_the_kernels_words(machine: UserlandMachine, tmp_path: Path) -> None:
    missing = tmp_path / "none.ko"
    assert load(machine, missing) == (
        "",
        Event(EventKind.LOAD_FAILED, f"kldload: can't load {missing}: No such file or directory"),
    )


def test_an_undefined_symbol_is_named(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, "no_such_function();", before="void no_such_function(void);")
    text, last = load(machine, module)
    assert text == ("link_elf_obj_obj: symbol no_such_function undefined\nlinker_load_file: Unsupported file type\n")
    assert last.kind is EventKind.LOAD_FAILED
    assert last.text.startswith("kldload: an error occurred while loading the module.")


def test_a_file_that_is_no_module_fails_to_load(machine: UserlandMachine, tmp_path: Path) -> None:
    module = tmp_path / "text.ko"
    module.write_text("this is no object file")
    text, last = load(machine, module)
    assert (text, last.kind) == ("linker_load_file: Unsupported file type\n", EventKind.LOAD_FAILED)


def test_a_load_handler_that_fails_leaves_the_file_loaded(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, "return (6);")
    text, last = load(machine, module)
    first, second = text.splitlines()
    assert first == "bye"
    assert second.startswith("module_register_init: MOD_LOAD (sample, ")
    assert second.endswith(", 0) error 6")
    assert last == Event(EventKind.LOAD_FAILED, second)
    assert "already loaded" in load(machine, module)[1].text
    assert collect_text(machine.unload(module)) == ""


def test_a_refused_unload_keeps_the_module(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, "", 'kprintf("no\\n"); return (16);')
    load(machine, module)
    with pytest.raises(UnloadRefusedError, match="Device busy"):
        collect_text(machine.unload(module))
    assert "already loaded" in load(machine, module)[1].text
    machine.restart()
    assert load(machine, module)[1].kind is EventKind.LOADED


def test_unloading_what_is_not_loaded_is_an_error(machine: UserlandMachine, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="can't find file none: No such file or directory"):
        collect_text(machine.unload(tmp_path / "none.ko"))


MARK = 'static volatile char mark[32] = "MARK:";'


def test_a_panic_is_told_and_leaves_memory(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, "mark[5] = '0' + value; panic(\"no more %d\", value);", before=MARK)
    text, last = load(machine, module, value=7)
    assert last == Event(EventKind.PANICKED, "no more 7")
    assert text.startswith("panic: no more 7\ncpuid = 1\nTrace beginning at frame 0x")
    assert text.endswith('Debugger("panic")\n\nCPU1 stopping CPUs: 0x00000001\n stopped\n')
    assert b"MARK:7\0" in machine.memory()
    with pytest.raises(MachineError, match="restart"):
        load(machine, module)
    machine.restart()
    assert machine.memory() == b""
    assert load(machine, module, value=8)[1] == Event(EventKind.PANICKED, "no more 8")
    assert b"MARK:8\0" in machine.memory()


def test_an_assertion_fails_in_the_kernels_words(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, "KKASSERT(value == 2);")
    source = module.with_suffix(".c")
    assert load(machine, module)[1].text == f'assertion "value == 2" failed in event at {source.name}:17'


def test_a_panic_in_unload_is_an_error_that_shows_the_screen(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, "", 'panic("at the end");')
    load(machine, module)
    with pytest.raises(MachineError, match=r"panicked while sample\.ko was unloaded: at the end") as caught:
        collect_text(machine.unload(module))
    assert "panic: at the end" in caught.value.screen


def test_a_bad_access_is_a_trap_and_leaves_memory(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, "mark[5] = *(volatile char *)(uintptr_t)value;", before=MARK)
    text, last = load(machine, module, value=24)
    assert last == Event(EventKind.PANICKED, "Fatal trap 12: page fault while in kernel mode")
    assert "fault virtual address\t= 0x18" in text
    assert b"MARK:\0" in machine.memory()


THREAD = """
#include <sys/thread.h>
#include <sys/thread2.h>
static int here;
static int *volatile nothing;
static void __unused
meet(void)
{
	atomic_add_int(&here, 1);
	while (atomic_load_acq_int(&here) != 2)
		cpu_pause();
}
"""


def test_two_cpus_that_trap_at_once_are_one_panic(machine: UserlandMachine, tmp_path: Path) -> None:
    before = THREAD + "static void trap(void *arg) { meet(); *nothing = 1; }"
    module = build(machine, tmp_path, 'lwkt_create(trap, 0, 0, 0, 0, 0, "trap"); trap(0);', before=before)
    # Each time one of the two was late enough, or not: it must be the same to us.
    for _ in range(5):
        assert load(machine, module)[1] == Event(EventKind.PANICKED, "Fatal trap 12: page fault while in kernel mode")
        machine.restart()


def test_no_load_ends_well_once_another_cpu_has_panicked(machine: UserlandMachine, tmp_path: Path) -> None:
    before = THREAD + 'static void die(void *arg) { meet(); panic("elsewhere"); }'
    order = 'lwkt_create(die, 0, 0, 0, 0, 0, "die"); meet(); while (*(const char *volatile *)&panicstr == 0) continue;'
    module = build(machine, tmp_path, order + ' kprintf("after it\\n");', before=before)
    for _ in range(5):
        text, last = load(machine, module)
        assert last == Event(EventKind.PANICKED, "elsewhere")
        assert "after it" not in text
        machine.restart()


def test_silence_is_a_hang_and_leaves_memory(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, "mark[5] = '!'; kprintf(\"round\\n\"); for (;;) mark[6]++;", before=MARK)
    text, last = load(machine, module, timeout=2.0)
    assert (text, last.kind) == ("round\n", EventKind.HUNG)
    assert b"MARK:!" in machine.memory()
    machine.restart()
    assert load(machine, build(machine, tmp_path, "", name="fine"))[1].kind is EventKind.LOADED


def test_console_text_puts_the_deadline_off(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, 'int n; for (n = 0; n < 8; ++n) { tsleep(&n, 0, "nap", hz / 4); kprintf("."); }')
    assert load(machine, module, timeout=1.5) == ("." * 8, Event(EventKind.LOADED))


def test_a_killed_machine_has_died(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, "")
    process = machine._process
    assert process is not None
    os.kill(process.popen.pid, signal.SIGKILL)
    assert load(machine, module, value=1) == ("", Event(EventKind.DIED, "killed by signal 9"))
    machine.restart()
    assert load(machine, module)[1].kind is EventKind.LOADED


def test_no_process_outlives_a_harness_that_is_killed_and_the_next_one_removes_its_folder(
    machine: UserlandMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever else boots one now would remove it.
    monkeypatch.setattr("msgport_vm.userland.MACHINES", MACHINES_OF_ITS_OWN)
    module = build(machine, tmp_path, 'kprintf("spinning\\n"); for (;;) continue;')
    program = f"""
import os, signal, pathlib
import msgport_vm.userland
from msgport_vm.userland import UserlandMachine
msgport_vm.userland.MACHINES = {MACHINES_OF_ITS_OWN!r}
machine = UserlandMachine(cpus=2)
machine.boot()
for event in machine.load(pathlib.Path({str(module)!r}), {{}}, 60.0):
    print(machine._process.popen.pid, machine._vmcore.parent, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid, folder = done.stdout.split()
    assert is_gone(int(pid)) and Path(folder).is_dir()
    with UserlandMachine(cpus=1) as following:
        following.boot()
        assert not Path(folder).exists()


def test_closing_ends_the_process_and_may_be_done_twice(machine: UserlandMachine, tmp_path: Path) -> None:
    process = machine._process
    assert process is not None
    machine.close()
    machine.close()
    assert process.popen.returncode == 0
    with pytest.raises(MachineError, match="boot"):
        load(machine, tmp_path / "any.ko")


def test_a_module_that_does_not_compile_shows_where(machine: UserlandMachine, tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        build(machine, tmp_path, "undeclared = 1;")
    assert "sample.c:17:" in caught.value.screen
    assert "undeclared" in caught.value.screen
    assert str(caught.value) == f"{tmp_path / 'sample' / 'sample.c'} does not compile (exit status 1)"


def test_modules_are_built_while_the_machine_runs(machine: UserlandMachine, tmp_path: Path) -> None:
    module = build(machine, tmp_path, 'tsleep(&value, 0, "nap", hz / 5);')
    with ThreadPoolExecutor() as pool:
        built = pool.submit(build, machine, tmp_path, "", name="meanwhile")
        assert load(machine, module)[1].kind is EventKind.LOADED
        assert built.result().exists()


def test_without_a_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match=r"no C compiler found \(tried cc, gcc, clang\)\. Install one"):
        UserlandMachine().boot()


def test_the_environment_names_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(MachineError, match="tried no-such-compiler"):
        find_compiler()


def test_a_compiler_that_does_not_work_is_told_from_none(tmp_path: Path) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho 'licence expired' >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(MachineError) as caught:
        find_compiler(str(broken))
    told = f"found but does not work: {broken} --version ended with status 3 and said 'licence expired'. Install"
    assert told in str(caught.value)
    assert caught.value.screen == ""


def test_a_compiler_that_does_not_say_its_version_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msgport_vm.userland.ANSWER_TIMEOUT", 0.1)
    sleeper = tmp_path / "cc"
    sleeper.write_text("#!/bin/sh\nexec sleep 600\n")
    sleeper.chmod(0o755)
    with pytest.raises(MachineError, match=f"found but does not work: {sleeper} --version does not end within 0.1 s"):
        find_compiler(str(sleeper))


def test_a_compiler_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msgport_vm.userland.COMPILE_TIMEOUT", 0.1)
    sleeper = tmp_path / "cc"
    sleeper.write_text('#!/bin/sh\n[ "$1" = --version ] && exec echo "cc 1"\nexec sleep 600\n')
    sleeper.chmod(0o755)
    with pytest.raises(BuildError, match=rf"\.c was not compiled: {sleeper} does not end within 0.1 s"):
        UserlandMachine(compiler=str(sleeper), cache=tmp_path / "cache").boot()


def test_a_module_that_is_not_written_whole_is_not_there(
    machine: UserlandMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(command: list[str], folder: Path, what: str) -> None:
        (folder / command[command.index("-o") + 1]).write_text("half")
        raise BuildError(what)

    monkeypatch.setattr("msgport_vm.userland.compile_with", half)
    with pytest.raises(BuildError):
        build(machine, tmp_path, 'kprintf("never compiled");')
    assert [path.name for path in (tmp_path / "sample").iterdir()] == ["sample.c"]


def test_a_module_that_is_not_copied_whole_is_not_there(
    machine: UserlandMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    build(machine, tmp_path, "").unlink()
    monkeypatch.setattr(shutil, "copyfile", half)
    with pytest.raises(BuildError, match=r"sample\.ko cannot be written: .*No space left"):
        build(machine, tmp_path, "")
    assert [path.name for path in (tmp_path / "sample").iterdir()] == ["sample.c"]


def test_a_cache_without_room_for_a_module_is_named(
    machine: UserlandMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile

    def full(source: Path, target: Path) -> Path:
        if target.is_relative_to(default_cache()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(MachineError, match=r"cannot write in .*modules: .*No space left.*MSGPORT_CACHE names another"):
        build(machine, tmp_path, 'kprintf("never kept");')


LASTING = {"objects", "machines", "turn.lock"}
"""What a cache holds when nothing in it is built."""


def test_a_cache_without_room_for_the_machine_is_named_and_keeps_no_half_of_it(tmp_path: Path) -> None:
    full, cache = tmp_path / "cc", tmp_path / "cache"
    full.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exec echo "cc 1"\n'
        'while [ "$1" != -o ]; do shift; done\n'
        'echo half >"$2"; echo "as: $2: No space left on device" >&2; exit 1\n'
    )
    full.chmod(0o755)
    with pytest.raises(MachineError, match=r"cannot write in .*cache: .*as: .*\.o: No space.*MSGPORT_CACHE names"):
        UserlandMachine(compiler=str(full), cache=cache).boot()
    assert {path.name for path in cache.rglob("*")} == LASTING


def test_what_a_run_that_was_killed_while_it_built_the_machine_left_is_removed_by_the_next(tmp_path: Path) -> None:
    compiler, cache = tmp_path / "cc", tmp_path / "cache"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] && exec echo "cc 1"\nkill -9 $PPID\n')
    compiler.chmod(0o755)
    build = "import sys; from msgport_vm.userland import UserlandMachine as M; M(compiler=sys.argv[1]).boot()"
    environment = {**os.environ, "MSGPORT_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", build, str(compiler)], env=environment, cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    assert {path.name for path in cache.rglob("*")} - LASTING
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] && exec echo "cc 1"\nexit 1\n')
    with pytest.raises(BuildError):
        UserlandMachine(compiler=str(compiler), cache=cache).boot()
    assert {path.name for path in cache.rglob("*")} == LASTING


def test_a_command_for_the_compiler_may_have_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (real,) = find_compiler().command
    monkeypatch.setenv("CC", f"'{real}' -O1")
    with UserlandMachine(cpus=2) as machine:
        machine.boot()
        assert load(machine, build(machine, tmp_path, 'kprintf("hello\\n");')) == ("hello\n", Event(EventKind.LOADED))
    assert find_compiler().command == (real, "-O1")


def test_a_compiler_that_cannot_be_read_as_words_is_refused() -> None:
    with pytest.raises(MachineError, match=r"CC='gcc.*No closing quotation"):
        find_compiler("'gcc")


@pytest.mark.parametrize("cpus", [0, 257])
def test_a_number_of_cpus_out_of_range_is_refused(cpus: int) -> None:
    with pytest.raises(MachineError, match=f"has 1 to 256 CPUs, not {cpus}"):
        UserlandMachine(cpus)


def test_an_unknown_sanitizer_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown sanitizer 'memory'"):
        UserlandMachine(sanitize="memory")


def test_two_at_once_build_one_runtime(tmp_path: Path) -> None:
    toolchain = find_compiler()
    with ThreadPoolExecutor() as pool:
        built = list(pool.map(lambda _: build_runtime(default_sources(), toolchain, "", tmp_path), range(2)))
    assert built[0] == built[1]
    assert {path.name for path in tmp_path.iterdir()} == {"objects", "machines", f"userland-{built[0].key}"}
    assert [path.name for path in (tmp_path / "machines").iterdir()] == ["turn.lock"]


def test_a_copy_with_one_file_changed_compiles_that_file_alone(tmp_path: Path) -> None:
    toolchain = find_compiler()
    build_runtime(default_sources(), toolchain, "", tmp_path / "cache")
    before = set((tmp_path / "cache" / "objects").iterdir())
    shutil.copytree(default_sources(), tmp_path / "copy")
    with (tmp_path / "copy" / "kern" / "lwkt_msgport.c").open("a") as file:
        file.write("/* changed */\n")
    build_runtime(tmp_path / "copy", toolchain, "", tmp_path / "cache")
    assert len(set((tmp_path / "cache" / "objects").iterdir()) - before) == 1


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="MSGPORT_CACHE names another folder"):
        UserlandMachine(cache=tmp_path / "file" / "cache").boot()


def test_altered_sources_make_another_machine(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(default_sources(), sources)
    prints = sources / "kern" / "subr_prf.c"
    prints.write_text(prints.read_text().replace("panic: %s", "PANIC: %s"))
    with UserlandMachine(cpus=2, sources=sources, cache=tmp_path / "cache") as machine:
        machine.boot()
        text, last = load(machine, build(machine, tmp_path, 'panic("altered");'))
    assert last == Event(EventKind.PANICKED, "altered")
    assert text.startswith("PANIC: altered\n")


def test_the_cache_is_the_users_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MSGPORT_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    monkeypatch.delenv("MSGPORT_CACHE")
    assert default_cache().name == "msgport"
