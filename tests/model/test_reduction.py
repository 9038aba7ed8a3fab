"""The reduced exploration finds what brute force finds."""

from __future__ import annotations

import pytest

from msgport.model import KERNEL, MANUAL, Semantics, explore
from msgport.scenario.library import catalogue, load
from msgport.scenario.program import Variant
from tests.model.random_variants import random_semantics, random_variant

SEEDS = 2000
BRUTE_FORCE_STATES = 50_000


@pytest.mark.parametrize("start", range(0, SEEDS, 250))
def test_reduction_loses_nothing_on_random_variants(start: int) -> None:
    for seed in range(start, start + 250):
        variant, semantics = random_variant(seed), random_semantics(seed)
        full = explore(variant, semantics, reduce=False)
        reduced = explore(variant, semantics)
        assert full.complete
        assert reduced.outcomes == full.outcomes, seed
        assert reduced.unowned == full.unowned, seed
        assert reduced.states <= full.states


def test_random_variants_reach_every_kind_of_ending() -> None:
    endings = {o.kind for seed in range(200) for o in explore(random_variant(seed), KERNEL).outcomes}
    assert endings >= {"done", "deadlock", "panic"}


@pytest.mark.parametrize("semantics", [KERNEL, MANUAL], ids=["kernel", "manual"])
def test_reduction_loses_nothing_on_the_catalogue(semantics: Semantics) -> None:
    for variant in variants():
        full = explore(variant, semantics, reduce=False, max_states=BRUTE_FORCE_STATES)
        reduced = explore(variant, semantics)
        assert reduced.complete
        if full.complete:
            assert reduced.outcomes == full.outcomes, variant.name
        else:
            assert full.outcomes <= reduced.outcomes, variant.name


def test_catalogue_reads_no_message_that_a_thread_does_not_own() -> None:
    for variant in variants():
        assert not explore(variant, KERNEL).unowned, variant.name


def test_exploration_is_deterministic() -> None:
    for seed in range(50):
        assert explore(random_variant(seed), KERNEL) == explore(random_variant(seed), KERNEL)


def test_bound_cuts_short_and_says_so() -> None:
    variant = next(v for v in variants() if v.scenario == "competing-receivers")
    assert not explore(variant, KERNEL, reduce=False, max_states=5).complete


def variants() -> list[Variant]:
    return [variant for path in catalogue() for variant in load(path)]
