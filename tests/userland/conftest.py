"""Test modules in C for the userland machine: cases in a file, each built once and run by name."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from msgport_vm.machine import Event, EventKind
from msgport_vm.userland import SANITIZERS, UserlandMachine, find_compiler

HERE = Path(__file__).parent
CASE = re.compile(r"^CASE\((\w+)\)(?:\s*/\* panics: ([\w-]+) \*/)?", re.MULTILINE)

REGISTRATION = """
static const struct {{
	const char	*name;
	void		(*func)(void);
}} cases[] = {{
{table}
}};

static int
event(module_t mod __unused, int type, void *arg __unused)
{{
	int number = 0;

	if (type != MOD_LOAD)
		return (0);
	kgetenv_int("test.case", &number);
	if (number < 0 || number >= (int)nitems(cases))
		return (EINVAL);
	cases[number].func();
	/* What an IPI's function did is seen before it has left this module. */
	lwkt_synchronize_ipiqs("end");
	kprintf("case %s: %d checks, %d failed\\n", cases[number].name,
		checks, failures);
	return (0);
}}

static moduledata_t data = {{ "{name}", event, NULL }};
DECLARE_MODULE({name}, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
"""


def cases_of(stem: str) -> dict[str, str | None]:
    """The cases of a file in order, each with the class of the panic that it is to end in."""
    text = (HERE / "cases" / f"{stem}.c").read_text()
    return {name: panic or None for name, panic in CASE.findall(text)}


def write_cases(stem: str, folder: Path) -> Path:
    """Write the file of cases as a module's source folder."""
    text = (HERE / "cases" / f"{stem}.c").read_text()
    table = "\n".join(f'\t{{ "{name}", {name} }},' for name in cases_of(stem))
    folder.mkdir(parents=True, exist_ok=True)
    preamble = (HERE / "preamble.c").read_text()
    body = f'#line 1 "{stem}.c"\n{text}'
    (folder / f"{stem}.c").write_text(preamble + body + REGISTRATION.format(table=table, name=stem))
    return folder


@dataclass
class Bench:
    """A machine with one file of cases, built."""

    machine: UserlandMachine
    module: Path
    names: list[str]

    def run(self, case: str, timeout: float = 20.0) -> tuple[str, Event]:
        """Load the module for one case: console text, and the event that ended it. Unloads it when it loaded."""
        tunables = {"test.case": self.names.index(case)}
        try:
            text, last = collect(self.machine.load(self.module, tunables, timeout))
            if last.kind is EventKind.LOADED:
                text += collect_text(self.machine.unload(self.module))
            else:
                self.machine.restart()
        except BaseException:
            # The other cases are not to fail as well.
            self.machine.restart()
            raise
        return text, last

    def passes(self, case: str) -> str:
        """Run one case, which must end with checks made and none failed; give its console text."""
        text, last = self.run(case)
        assert last.kind is EventKind.LOADED, f"{last.kind.name}: {last.text}\n{text}"
        done = re.search(rf"case {case}: (\d+) checks, (\d+) failed", text)
        assert done is not None and int(done[1]) > 0 and int(done[2]) == 0, text
        return text


def collect(events: Iterator[Event]) -> tuple[str, Event]:
    """All console text, and the last event, which must be another kind."""
    every = list(events)
    assert every and all(event.kind is EventKind.CONSOLE for event in every[:-1])
    assert every[-1].kind is not EventKind.CONSOLE
    return "".join(event.text for event in every[:-1]), every[-1]


def collect_text(events: Iterator[Event]) -> str:
    """All console text of an unload."""
    return "".join(event.text for event in events)


MakeBench = Callable[..., Bench]


@pytest.fixture(scope="session")
def make_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeBench]:
    """Give a booted machine with a file of cases; the same one for the same choices."""
    benches: dict[tuple[object, ...], Bench] = {}

    def make(stem: str, cpus: int = 4, sanitize: str = "", era: str = "E") -> Bench:
        key = (stem, cpus, sanitize, era)
        if key not in benches:
            machine = UserlandMachine(cpus, sanitize=sanitize, era=era)
            machine.boot()
            folder = write_cases(stem, tmp_path_factory.mktemp(stem))
            benches[key] = Bench(machine, machine.build(folder), list(cases_of(stem)))
        return benches[key]

    yield make
    for bench in benches.values():
        bench.machine.close()


@pytest.fixture(scope="session", params=[choice for choice in SANITIZERS if choice])
def sanitize(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sanitizer that works here."""
    folder = tmp_path_factory.mktemp("sanitizer")
    (folder / "probe.c").write_text("int main(void) { return (0); }\n")
    command = [*find_compiler().command, f"-fsanitize={request.param}", "-o", "probe", "probe.c"]
    for step in (command, [str(folder / "probe")]):
        done = subprocess.run(
            step, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            # Where a machine is meant to have it, its absence must not pass for a pass.
            pytest.skip(f"-fsanitize={request.param} does not work here: {done.stdout.strip()}")
    return str(request.param)
