"""Threads, IPIs, sleeping and locks of the userland machine, with fewer and with more CPUs than the host has."""

from __future__ import annotations

import re

import pytest

from .conftest import MakeBench, cases_of


@pytest.mark.parametrize("case", cases_of("lwkt"))
def test_lwkt(make_bench: MakeBench, case: str) -> None:
    make_bench("lwkt").passes(case)


@pytest.mark.parametrize("case", ["every_cpu_takes_part", "an_ipi_may_send_the_next", "threads_move_from_cpu_to_cpu"])
def test_more_cpus_than_any_host_here(make_bench: MakeBench, case: str) -> None:
    make_bench("lwkt", cpus=48).passes(case)


@pytest.mark.parametrize("case", ["two_full_fifos_do_not_deadlock", "serializers_exclude_even_over_a_sleep"])
def test_two_cpus(make_bench: MakeBench, case: str) -> None:
    make_bench("lwkt", cpus=2).passes(case)


def test_lost_kprintf_is_not_on_the_console(make_bench: MakeBench) -> None:
    text = make_bench("lwkt").passes("kprintf_within_kprintf_prints_nothing")
    said = re.search(r"sent (\d+) printed (\d+) lost (\d+)", text)
    assert said is not None
    assert text.splitlines().count("ipi") == int(said[2]) < int(said[1])


def test_lines_of_four_cpus_stay_whole(make_bench: MakeBench) -> None:
    text = make_bench("lwkt").passes("kprintf_lines_of_different_cpus_stay_whole")
    lines = [line for line in text.splitlines() if line.startswith("cpu ")]
    assert sorted(lines) == sorted(f"cpu {cpu} says one two three" for cpu in range(4) for _ in range(100))
