"""No compiler warns of any module of the catalogue, in any era: against the user-space headers that show its API.

All of it, really compiled, would be some 4,000 compilations. gcc and clang read every module in every era. What a
compiler says only when it optimises is asked of modules that have between them every line that the templates write in
an era, names, numbers and flags apart.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from msgport.kmod import generate
from msgport.manual.api import Era
from msgport.scenario.outcome import Outcome
from msgport.scenario.program import Variant
from msgport.selection import choose
from msgport_vm.userland import KERNEL_FLAGS, default_sources, era_flags

FLAGS = (*KERNEL_FLAGS, "-DKLD_MODULE", "-Wall", "-Wextra", "-Werror", "-I", str(default_sources() / "include"))
BATCH = 50
"""Modules that a compiler reads in one call."""

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
OWN_WORDS = re.compile(r'"[^"\n]*"|\b[A-Z]+_\w+|\b[a-z]+_(?:[a-z]+_)*[A-Z]\w*|\b[a-z]_\w+|\bmp_\w+|-?\b\d\w*')
"""What differs from scenario to scenario: strings, constants, names made of a scenario's, numbers."""

LISTS = re.compile(r"\$(?:\s*[|,]\s*\$)+")


@cache
def sources(era: Era) -> dict[str, str]:
    """The module of each variant, looking for one outcome."""
    return {variant.name: source(variant, era) for variant in choose([], None)}


def source(variant: Variant, era: Era) -> str:
    allowed = None if variant.says else [Outcome("done", ("-",) * len(variant.observables))]
    return generate(variant, allowed, nonce=1, seed=1, iterations=0, milliseconds=250, era=era).source


def shapes(text: str) -> frozenset[str]:
    """The lines of a module without what is its scenario's own."""
    plain = (OWN_WORDS.sub("$", line) for line in COMMENT.sub("", text).splitlines())
    return frozenset(LISTS.sub("$", " ".join(line.split())) for line in plain)


def representatives(texts: dict[str, str]) -> list[str]:
    """A few modules, by name, that have every shape of line between them."""
    lines = {name: shapes(text) for name, text in texts.items()}
    left = frozenset[str]().union(*lines.values())
    chosen: list[str] = []
    while left:
        chosen.append(max(lines, key=lambda name: len(lines[name] & left)))
        left -= lines[chosen[-1]]
    return chosen


def written(texts: dict[str, str], folder: Path) -> list[str]:
    """Write modules for a compiler to read; gives their paths."""
    for number, text in enumerate(texts.values()):
        (folder / f"{number}.c").write_text(text)
    return [str(folder / f"{number}.c") for number in range(len(texts))]


def compiler(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"no {name} here")
    return path


def assert_silent(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["gcc", "clang"])
@pytest.mark.parametrize("era", list(Era))
def test_no_compiler_warns_of_any_module_that_it_reads(name: str, era: Era, tmp_path: Path) -> None:
    command = [compiler(name), *FLAGS, *era_flags(era), "-fsyntax-only"]
    paths = written(sources(era), tmp_path)
    assert len(paths) >= 250
    for start in range(0, len(paths), BATCH):
        assert_silent([*command, *paths[start : start + BATCH]])


@pytest.mark.parametrize("name", ["gcc", "clang"])
@pytest.mark.parametrize("era", list(Era))
def test_no_compiler_warns_of_what_it_finds_when_it_optimises(name: str, era: Era, tmp_path: Path) -> None:
    texts = sources(era)
    chosen = representatives(texts)
    assert frozenset().union(*(shapes(texts[each]) for each in chosen)) == frozenset().union(
        *map(shapes, texts.values())
    )
    for path in written({each: texts[each] for each in chosen}, tmp_path):
        assert_silent([compiler(name), *FLAGS, *era_flags(era), "-O1", "-S", "-o", "/dev/null", path])


def test_a_representative_is_another_module_only_if_a_line_is() -> None:
    one = "x->value[3] = lwkt_domsg(&x->p_P, &x->m_a, 0);\nlwkt_initmsg(&x->m_a, NULL, MSGF_USER0 | MSGF_USER1);\n"
    same = "x->value[0] = lwkt_domsg(&x->p_Q, &x->m_b, 0);\nlwkt_initmsg(&x->m_b, NULL, MSGF_PRIORITY);\n"
    other = one + "lwkt_abortmsg(&x->m_a);\n"
    assert representatives({"one": one, "same": same}) == ["one"]
    assert representatives({"one": one, "other": other}) == ["other"]
