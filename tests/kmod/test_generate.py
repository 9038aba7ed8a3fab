from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from msgport.kmod import Module, generate, write
from msgport.manual.api import Era
from msgport.model import KERNEL, explore
from msgport.scenario.canonical import content_hash
from msgport.scenario.library import catalogue, load
from msgport.scenario.outcome import Outcome
from msgport.scenario.parser import parse
from msgport.scenario.program import Variant
from msgport_vm.userland import default_sources

CATALOGUE = {variant.name: variant for path in catalogue() for variant in load(path)}

EVERYTHING = """MSGPORT everything
about: Every statement that a module can hold, */ and what could break a comment /* too.
observe: error a, flags b, queue Z, queue T0.port, calls P.putport, calls R.replyport, calls c.abort
{ serializer z; port P thread owner T1 putport netisr(3); port S spin owner T0; port Z serialize serializer z;
  port R replyonly replyport done; port U putonly putport return(0); port K spin putport keep; port N replyonly_null;
  port X panic; port F thread owner T0;
  msg a reply T0.port flags PRIORITY+USER0; msg b reply S; msg c reply R abort reply(4); msg d raw }
 T0 @ 0                            | T1 @ 1                   ;
 initport_thread F T0              | r0 = waitport P          ;
 initport_spin S                   | replymsg r0 5            ;
 initport_serialize Z z            | r1 = getport P           ;
 initport_panic X                  | r2 = forwardmsg S r1     ;
 initport_replyonly_null N         | enter Z                  ;
 initport_replyonly R none         | exit Z                   ;
 initport_putonly U replyreturn(1, 2) | r3 = kept K           ;
 initmsg d N USER1                 | setcpu 2                 ;
 initmsg_abortable d N count USER1 | setreplyport P chain     ;
 sendmsg P a                       | crit_enter               ;
 r0 = domsg U c                    | r4 = checkmsg a          ;
 r1 = beginmsg U b                 | crit_exit                ;
 abortmsg c                        | r5 = error r0            ;
 r2 = dropmsg b                    | r6 = flags r0            ;
 r3 = waitmsg a                    | r7 = result r0           ;
 setputport P reply(6)             | setresult r0 8           ;
 r4 = checkmsg c                   | setputport T1.port chain ;
"""
SAYING = """MSGPORT saying
{ msg a reply T0.port }
 T0           ;
 say "100%s ??/" ;
"""


def everything(text: str = EVERYTHING) -> Variant:
    (variant,) = parse(text, "everything.msgport")
    return variant


def module(variant: Variant, allowed: Collection[Outcome] | None = None, era: Era = Era.E) -> Module:
    return generate(variant, allowed, nonce=0xFEDCBA98, seed=3, iterations=0, milliseconds=250, era=era)


def test_a_module_depends_on_nothing_but_its_arguments() -> None:
    assert module(everything()) == module(everything())


def test_its_name_carries_hash_and_nonce() -> None:
    variant = everything()
    made = module(variant)
    assert made.name == f"mp_{content_hash(variant)[:8]}_fedcba98"
    assert f"DECLARE_MODULE({made.name}, " in made.source
    assert f"KMOD=\t{made.name}\n" in made.makefile


def test_it_is_written_as_one_source_and_one_makefile(tmp_path: Path) -> None:
    made = module(everything())
    write(made, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["Makefile", f"{made.name}.c"]


def test_what_is_said_is_an_argument_and_never_a_format() -> None:
    source = module(everything(SAYING)).source
    assert 'mpt_say(&me->thread, x, "100%s \\077\\077/");' in source
    assert not re.search(r'k\w*printf\([^;]*"100%s', source)


def test_about_cannot_end_the_heading() -> None:
    variant = replace(everything(), about="*/ int evil; /*")
    heading, _, _ = module(variant).source.partition("#include")
    assert heading.count("*/") == heading.count("/*") == 1


@pytest.mark.parametrize(
    ("era", "call"),
    [
        (Era.A, "lwkt_initport_spin(&x->p_K);"),
        (Era.B, "lwkt_initport_spin(&x->p_K, NULL);"),
        (Era.C, "lwkt_initport_spin(&x->p_K, NULL);"),
        (Era.D, "lwkt_initport_spin(&x->p_K, NULL, FALSE);"),
        (Era.E, "lwkt_initport_spin(&x->p_K, NULL, FALSE);"),
    ],
)
def test_each_era_has_its_own_spin_ports(era: Era, call: str) -> None:
    assert call in module(everything(), era=era).source


@pytest.mark.parametrize("era", [Era.A, Era.B])
def test_where_dropmsg_returns_nothing_its_result_is_zero(era: Era) -> None:
    assert "(lwkt_dropmsg(&x->m_b), 0);" in module(everything(), era=era).source


@pytest.mark.parametrize("era", [Era.D, Era.E])
def test_where_beginmsg_is_private_the_putport_handler_is_called(era: Era) -> None:
    source = module(everything(), era=era).source
    assert "lwkt_beginmsg() is private" in source
    assert "x->p_U.mp_putport(&x->p_U, &x->m_b);" in source


def test_a_column_that_ends_in_critical_sections_leaves_them_before_the_next_execution() -> None:
    (variant,) = parse("MSGPORT x\n{ port P spin; msg a reply P }\nT0 ;\ncrit_enter ;\ncrit_enter ;\n", "x")
    body = module(variant).source.partition("\nmpt_body_T0(")[2].partition("\n}\n")[0]
    assert body.endswith("\tcrit_exit();\n\tcrit_exit();")
    (variant,) = parse("MSGPORT x\n{ port P spin; msg a reply P }\nT0 ;\ncrit_enter ;\ncrit_exit ;\n", "x")
    body = module(variant).source.partition("\nmpt_body_T0(")[2].partition("\n}\n")[0]
    assert body.count("crit_exit();") == 1


def test_allowed_outcomes_are_data_in_the_module() -> None:
    variant = CATALOGUE["fifo-one-sender/P=thread"]
    source = module(variant, [Outcome("done", ("a", "b")), Outcome("deadlock@T1.3", ("a", "-"))]).source
    assert "\t{ 0, 0, 0, 1 },\n" in source
    assert "\t{ 0, 3, 0, MPT_NONE },\n" in source


def test_a_table_has_room_for_all_allowed_outcomes_and_the_one_that_ends_it() -> None:
    variant = CATALOGUE["two-senders/P=thread"]
    allowed = explore(variant, KERNEL).outcomes
    assert re.search(rf"#define MPT_NOUTCOMES\s+{len(allowed) + 1}\b", module(variant, allowed).source)


def test_a_table_has_room_for_many_outcomes_where_what_comes_is_left_open() -> None:
    variant = CATALOGUE["domsg-reply"]
    width = len(variant.observables) - 1
    for count, room in ((3, 512), (1000, 2000)):
        wild = [Outcome("done", (str(n), *["*"] * width)) for n in range(count)]
        assert re.search(rf"#define MPT_NOUTCOMES\s+{room}\b", module(variant, wild).source)
    assert re.search(r"#define MPT_NOUTCOMES\s+512\b", module(variant, None).source)


def test_names_too_long_for_a_record_are_refused() -> None:
    threads = tuple(replace(thread, name=f"T{n}" + "x" * 40) for n, thread in enumerate(everything().threads))
    with pytest.raises(ValueError, match="too long, for a record"):
        module(replace(everything(), threads=threads, observables=()))


def test_an_example_whose_columns_say_something_else_is_refused() -> None:
    variant = CATALOGUE["example-2"]
    with pytest.raises(ValueError, match="not what the module example2 does"):
        module(replace(variant, threads=variant.threads[:1]))


@pytest.mark.parametrize("era", list(Era))
def test_every_scenario_of_the_catalogue_can_be_generated(era: Era) -> None:
    for variant in CATALOGUE.values():
        source = module(variant, era=era).source
        assert "{{" not in source
        assert "None" not in source.partition("#include")[2]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("name", ["everything", "example-1", "example-2", "say", "special-put/port=X"])
def test_no_compiler_warns_of_a_module(compiler: str, name: str, tmp_path: Path) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    made = module(everything() if name == "everything" else CATALOGUE[name], [])
    write(made, tmp_path)
    flags = ["-std=gnu99", "-O1", "-Wall", "-Wextra", "-Werror", "-D_KERNEL", "-DKLD_MODULE", "-DINVARIANTS"]
    shim = ["-ffreestanding", "-nostdinc", "-I", str(default_sources() / "include")]
    command = [compiler, *flags, *shim, "-fsyntax-only", str(tmp_path / f"{made.name}.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
