"""The catalogue: what it has to cover, and that the models agree with its expectations."""

from __future__ import annotations

from pathlib import Path

import pytest

from msgport.manual.api import FUNCTIONS, PortKind
from msgport.manual.claims import CLAIMS
from msgport.model.explore import explore
from msgport.model.semantics import KERNEL, MANUAL, Semantics
from msgport.scenario.condition import holds
from msgport.scenario.library import catalogue, find, load
from msgport.scenario.program import Variant
from msgport.scenario.statements import ABORT_HANDLERS, PUTPORT_HANDLERS, REPLYPORT_HANDLERS, STATEMENTS

VARIANTS = [variant for path in catalogue() for variant in load(path)]


def called(variant: Variant) -> set[str]:
    """The manual's functions that a variant's module calls: in its columns, and to set up what it declares."""
    statements = {STATEMENTS[each.op].function for thread in variant.threads for each in thread.body}
    ports = {f"lwkt_initport_{port.kind}" for port in variant.ports if not port.builtin}
    messages = {
        "lwkt_initmsg_abortable" if message.abort else "lwkt_initmsg" for message in variant.messages if not message.raw
    }
    return {name for name in statements if name} | ports | messages


@pytest.mark.parametrize("path", catalogue(), ids=lambda path: path.stem)
def test_a_scenario_is_in_the_file_of_its_name_and_says_what_it_is_about(path: Path) -> None:
    for variant in load(path):
        assert variant.scenario == path.stem
        assert variant.about.endswith(".")
        assert variant.claims
        assert variant.expectations
    assert find(path.stem) == path


def test_every_function_of_the_page_is_called() -> None:
    assert set().union(*map(called, VARIANTS)) >= set(FUNCTIONS)


def test_every_kind_of_port_is_used() -> None:
    assert {port.kind for variant in VARIANTS for port in variant.ports} == set(PortKind)


def test_every_claim_is_tested_by_a_scenario_or_says_why_none_can() -> None:
    tested = {claim for variant in VARIANTS for claim in variant.claims}
    for claim in CLAIMS.values():
        assert (claim.id in tested) != bool(claim.untestable), claim.id


def test_claims_are_found_by_their_own_ids() -> None:
    assert all(claim.id == key for key, claim in CLAIMS.items())
    assert all(claim.section and claim.text.endswith(".") for claim in CLAIMS.values())


def test_names_of_variants_are_unique() -> None:
    names = [variant.name for variant in VARIANTS]
    assert len(set(names)) == len(names)


def test_it_is_large_and_each_variant_small() -> None:
    assert len(VARIANTS) >= 250
    assert max(variant.cpus for variant in VARIANTS) <= 4
    assert max(explore(variant, KERNEL).states for variant in VARIANTS) <= 20_000


def test_every_kind_of_handler_has_a_description() -> None:
    for table in (PUTPORT_HANDLERS, REPLYPORT_HANDLERS, ABORT_HANDLERS):
        for name, behaviour in table.items():
            assert behaviour.about.startswith(name)


@pytest.mark.parametrize("semantics", [MANUAL, KERNEL], ids=["manual", "kernel"])
def test_the_models_agree_with_what_scenarios_expect(semantics: Semantics) -> None:
    model = "manual" if semantics == MANUAL else "kernel"
    for variant in VARIANTS:
        found = explore(variant, semantics)
        assert found.complete
        assert not found.unowned
        for expectation in variant.expectations:
            if expectation.model in ("both", model):
                truths = {holds(expectation.condition, outcome, variant.index) for outcome in found.outcomes}
                agrees = {
                    "always": False not in truths,
                    "never": True not in truths,
                    "sometimes": truths != {False},
                }
                where = f"{variant.name}: {expectation.text}: {sorted(map(str, found.outcomes))}"
                assert agrees[expectation.quantifier], where


def test_many_scenarios_leave_something_to_chance() -> None:
    open_ended = {variant.scenario for variant in VARIANTS if len(explore(variant, KERNEL).outcomes) > 1}
    assert len(open_ended) >= 40
