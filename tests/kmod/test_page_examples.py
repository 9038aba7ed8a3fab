"""A page's examples as modules: they hold the page's text as it stands, and every compiler takes them."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from msgport.kmod import write
from msgport.kmod.page_example import Known, generate_example
from msgport.manual.examples import Example, examples_of
from msgport.manual.mdoc import parse
from msgport.manual.source import source_of
from msgport.scenario.canonical import content_hash
from msgport.scenario.library import find, load
from msgport_vm.userland import default_sources
from tests.manual.pages import ASKED_IN_TURN, POLLS, page, real

CAREFUL = [
    "-Wall",
    "-Wextra",
    "-Wmissing-prototypes",
    "-Wstrict-prototypes",
    "-Wpointer-arith",
    "-Wcast-qual",
    "-Werror",
]
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


def examples(text: str) -> tuple[Example, ...]:
    return examples_of(parse(source_of(text.encode(), "ports.9").lines, "ports.9"))[0]


def only(program: str) -> Example:
    (example,) = examples(page(program))
    return example


def compiled(compiler: str, example: Example, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    module = generate_example(example, "ports.9", None)
    write(module, folder)
    command = [
        compiler,
        "-std=gnu99",
        "-O2",
        "-D_KERNEL",
        "-DKLD_MODULE",
        "-DINVARIANTS",
        "-ffreestanding",
        "-nostdinc",
    ]
    command += ["-I", str(default_sources() / "include"), "-c", "-o", str(folder / "x.o"), *flags]
    return subprocess.run([*command, str(folder / f"{module.name}.c")], capture_output=True, text=True, check=False)


def test_a_module_holds_the_page_as_it_stands_under_its_own_line_numbers() -> None:
    text = page(ASKED_IN_TURN, POLLS)
    for example in examples(text):
        source = generate_example(example, "ports.9", None).source
        first = example.lines[0].number
        assert f'\n#line {first} "ports.9"\n{example.text}#line ' in source
        resumed = re.search(r'#line (\d+) "(mp_ex\w+)\.c"', source)
        assert resumed and source[: resumed.start()].count("\n") + 2 == int(resumed[1])


def test_where_the_page_skips_a_line_the_numbers_follow() -> None:
    example = only('int\n.\\" A comment of the page.\nf(void)\n{\n\treturn (0);\n}\n')
    first = example.lines[0].number
    assert (
        f'#line {first} "ports.9"\nint\n#line {first + 2} "ports.9"\nf(void)\n'
        in generate_example(example, "ports.9", None).source
    )


def test_its_records_carry_the_scenario_that_judges_it() -> None:
    example = only(ASKED_IN_TURN)
    (variant,) = load(find("example-1"))
    source = generate_example(example, "ports.9", Known(variant, 4)).source
    assert "if (ncpus == 4)" in source and content_hash(variant) in source
    assert content_hash(variant) not in generate_example(example, "ports.9", None).source


def test_a_path_in_the_label_cannot_leave_its_string() -> None:
    source = generate_example(only(POLLS), 'a"b\\c\n*/.9', None).source
    assert '"a\\"b' not in source and '"a\\042b\\134c\\012*/.9"' in source
    assert source.partition("#include")[0].count("*/") == 1


def test_an_example_with_nothing_to_begin_with_makes_no_module() -> None:
    with pytest.raises(ValueError, match="there is none to begin with"):
        generate_example(only("void f(int x)\n{\n}\n"), "ports.9", None)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_compiler_takes_them_with_all_warnings_on(compiler: str, tmp_path: Path) -> None:
    for example in examples(page(ASKED_IN_TURN, POLLS)):
        done = compiled(compiler, example, tmp_path / str(example.number), *CAREFUL)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", ["msgport.9", "msgport.9.gitweb.txt"])
def test_every_compiler_takes_those_of_the_real_page(compiler: str, name: str, tmp_path: Path) -> None:
    found = examples(real(name).read_text())
    assert len(found) == 2
    for example in found:
        done = compiled(compiler, example, tmp_path / str(example.number), *CAREFUL)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_what_an_example_is_warned_of_does_not_stop_it(compiler: str, tmp_path: Path) -> None:
    sloppy = 'int k;\nint f(unused)\n\tint unused;\n{\n}\nstatic void g(void)\n{\n\tint x; char *p = ""; k = *p;\n}\n'
    done = compiled(compiler, only(sloppy), tmp_path, *CAREFUL)
    assert done.returncode == 0 and "warning" in done.stderr


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_mistake_in_an_example_is_told_with_the_line_of_the_page(compiler: str, tmp_path: Path) -> None:
    text = page(POLLS.replace("lwkt_getport(", "lwkt_gotport("))
    (example,) = examples(text)
    done = compiled(compiler, example, tmp_path)
    number = next(at for at, row in enumerate(text.splitlines(), 1) if "lwkt_gotport" in row)
    assert done.returncode != 0
    assert re.search(rf"ports\.9:{number}:\d+: error: .*lwkt_gotport", done.stderr)


def test_a_warning_of_ours_would_be_told_with_a_line_of_the_module(tmp_path: Path) -> None:
    example = replace(only(POLLS), lines=only(POLLS).lines[:-1])
    done = compiled(COMPILERS[0], example, tmp_path)
    assert done.returncode != 0 and "mp_ex" in done.stderr
