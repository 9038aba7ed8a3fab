"""An example of the page is known by what it does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from msgport.check.models import consult
from msgport.check.page_examples import per_cpu_services, recognise
from msgport.manual.examples import Example, examples_of
from msgport.manual.mdoc import parse
from msgport.manual.source import source_of
from msgport.scenario.library import catalogue, load
from tests.manual.pages import ASKED_IN_TURN, POLLS, page, real

VARIANTS = [variant for path in catalogue() for variant in load(path)]


def example(text: str) -> Example:
    (found,) = examples_of(parse(source_of(page(text).encode(), "p.9").lines, "p.9"))[0]
    return found


def name(text: str, cpus: int = 4) -> str | None:
    known = recognise(example(text), VARIANTS, cpus)
    return known.variant.name if known else None


def test_it_is_known_whatever_its_functions_are_called() -> None:
    assert name(ASKED_IN_TURN) == "example-1"
    assert name(ASKED_IN_TURN.replace("Example 1:", "").replace("clerk", "example_2")) == "example-1"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Sending msg", "Asking"),
        ("lwkt_replymsg(question, 0)", "(void)question"),
        ("lwkt_domsg(desks[cpu], &question, 0)", "lwkt_sendmsg(desks[cpu], &question), 0"),
        ("ask(cpu);", 'ask(cpu); kprintf("Done.\\en");'),
        ("\t\task(cpu);\n", ""),
    ],
)
def test_one_that_prints_or_calls_something_else_is_not(old: str, new: str) -> None:
    assert old in ASKED_IN_TURN
    assert name(ASKED_IN_TURN.replace(old, new)) is None


def test_an_example_that_does_something_else_is_not_known() -> None:
    assert name(POLLS) is None


def test_a_function_that_nobody_calls_does_not_count() -> None:
    assert name(ASKED_IN_TURN + "int\nspare(lwkt_msg_t m)\n{\n\tlwkt_abortmsg(m);\n}\n") == "example-1"


def test_the_scenario_is_that_of_the_machine() -> None:
    assert name(ASKED_IN_TURN, 2) == "example-1-on-2-cpus"
    (variant,) = (each for each in VARIANTS if each.name == "example-1")
    assert replace(per_cpu_services(4), scenario=variant.scenario, claims=variant.claims) == variant


@pytest.mark.parametrize("cpus", [1, 2, 3, 8])
def test_on_any_number_of_cpus_the_services_are_asked_in_turn(cpus: int) -> None:
    said = " / ".join(f"Sending msg to CPU {n}. / Received message on CPU {n}." for n in range(cpus))
    models = consult(per_cpu_services(cpus))
    for model in (models.manual, models.kernel):
        assert [(outcome.ending, outcome.values) for outcome in model.outcomes] == [("done", (said,))]


def test_both_examples_of_the_real_page_are_known_on_any_number_of_cpus() -> None:
    source = source_of(real("msgport.9").read_bytes(), "p.9")
    for cpus, suffix in ((4, ""), (1, "-on-1-cpus")):
        found = [recognise(each, VARIANTS, cpus) for each in examples_of(parse(source.lines, "p.9"))[0]]
        assert [each.variant.name if each else None for each in found] == [f"example-1{suffix}", f"example-2{suffix}"]
