"""What the userland machine's message ports do, kind by kind, and how each misuse panics."""

from __future__ import annotations

import re

import pytest

from msgport.manual.panics import PANICS, classify
from msgport_vm.machine import EventKind

from .conftest import MakeBench, cases_of

PANIC_CASES = cases_of("panics")


@pytest.mark.parametrize("case", cases_of("ports"))
def test_port(make_bench: MakeBench, case: str) -> None:
    make_bench("ports").passes(case)


@pytest.mark.parametrize(("case", "panic"), PANIC_CASES.items())
def test_misuse_panics(make_bench: MakeBench, case: str, panic: str) -> None:
    text, last = make_bench("panics").run(case)
    assert last.kind is EventKind.PANICKED, text
    assert classify(last.text) == panic
    announced = text.split("panic: ", 1)[1].split("\ncpuid = ", 1)[0]
    assert classify(announced) == panic


def test_every_class_of_panic_is_shown() -> None:
    assert {panic.name for panic in PANICS} <= set(PANIC_CASES.values())


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (
            "oncpu_put_on_a_spin_port_that_is_not_fixed",
            r"lwkt_begin_oncpu/sendmsg_oncpu\(\) illegal on port \S+ msg \S+",
        ),
        ("sleep_on_nothing", "tsleep: no ident"),
    ],
)
def test_a_panic_without_a_class_has_the_kernels_words(make_bench: MakeBench, case: str, text: str) -> None:
    _, last = make_bench("panics").run(case)
    assert re.fullmatch(text, last.text)
