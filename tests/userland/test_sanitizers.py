"""The machine and its message ports under the compiler's sanitizers: a report would end the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from msgport_vm.machine import EventKind
from msgport_vm.userland import UserlandMachine

from .conftest import MakeBench, cases_of, collect

SLOW = {"kprintf_within_kprintf_prints_nothing"}


@pytest.mark.parametrize("case", cases_of("ports"))
def test_ports_are_clean(make_bench: MakeBench, sanitize: str, case: str) -> None:
    make_bench("ports", sanitize=sanitize).passes(case)


@pytest.mark.parametrize("case", [case for case in cases_of("lwkt") if case not in SLOW])
def test_lwkt_is_clean(make_bench: MakeBench, sanitize: str, case: str) -> None:
    make_bench("lwkt", sanitize=sanitize).passes(case)


@pytest.mark.parametrize("case", cases_of("panics"))
def test_misuse_panics_before_it_does_harm(make_bench: MakeBench, sanitize: str, case: str) -> None:
    text, last = make_bench("panics", sanitize=sanitize).run(case)
    assert last.kind is EventKind.PANICKED, f"{last.kind.name}: {last.text}\n{text}"


def test_a_report_ends_the_machine_and_is_told(sanitize: str, tmp_path: Path) -> None:
    wrong = {
        "address,undefined": "char *p = kmalloc(8, M_TEMP, M_WAITOK); kfree(p, M_TEMP); return (*(volatile char *)p);",
        "thread": 'lwkt_create(race, 0, 0, 0, 0, 0, "racer"); race(0); tsleep(&data, 0, "race", hz);',
    }[sanitize]
    (tmp_path / "wrong.c").write_text(
        f"""
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/malloc.h>
#include <sys/thread.h>
static volatile int shared;
static void __unused race(void *arg __unused) {{ int n; for (n = 0; n < 1000; ++n) ++shared; }}
static moduledata_t data;
static int event(module_t mod, int type, void *arg)
{{
	if (type == MOD_LOAD) {{ {wrong} }}
	return (0);
}}
static moduledata_t data = {{ "wrong", event, NULL }};
DECLARE_MODULE(wrong, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
"""
    )
    with UserlandMachine(cpus=2, sanitize=sanitize) as machine:
        machine.boot()
        _, last = collect(machine.load(machine.build(tmp_path), {}, 20.0))
    assert last.kind is EventKind.DIED
    assert "Sanitizer" in last.text
