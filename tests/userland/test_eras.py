"""What the userland machine shows of each era of the message-port API, to the compiler and to a module that runs."""

from __future__ import annotations

import subprocess

import pytest

from msgport.manual.api import Era, function_names, prototypes
from msgport.manual.panics import classify
from msgport_vm.machine import EventKind
from msgport_vm.userland import KERNEL_FLAGS, UserlandMachine, default_sources, era_flags, find_compiler

from .conftest import MakeBench

ERAS = "ABCDE"

PASSES = {
    "the_kernel_tells_the_version_of_its_headers": "ABCDE",
    "a_queued_message_can_be_dropped": "ABCDE",
    "a_handler_is_forwarded_to_in_a_critical_section_before_3_4": "ABCDE",
    "a_taken_message_can_be_dropped_since_3_4": "CDE",
    "a_spin_port_can_be_dropped_from_since_3_2": "BCDE",
}
"""Cases by the eras in which they pass."""

PANICS = {
    ("a_taken_message_can_be_dropped_since_3_4", "A"): "drop-not-dropable",
    ("a_taken_message_can_be_dropped_since_3_4", "B"): "drop-not-dropable",
    # Where its owner would stand is its lock, so that nobody is.
    ("a_spin_port_can_be_dropped_from_since_3_2", "A"): "drop-not-owner",
    ("a_spin_port_without_an_owner_cannot_be_dropped_from", "A"): "drop-not-owner",
    ("a_spin_port_without_an_owner_cannot_be_dropped_from", "B"): "dropmsg-illegal",
    ("a_spin_port_without_an_owner_cannot_be_dropped_from", "E"): "dropmsg-illegal",
}

API = {
    "lwkt_initport_spin(port);": "A",
    "lwkt_initport_spin(port, curthread);": "BC",
    "lwkt_initport_spin(port, curthread, FALSE);": "DE",
    "int error = lwkt_dropmsg(msg); (void)error;": "CDE",
    "int error = port->mp_dropmsg(port, msg); (void)error;": "CDE",
    "(void)lwkt_beginmsg(port, msg);": "ABC",
    "(void)port->mp_putport(port, msg);": "ABCDE",
    "lwkt_sendmsg_stage1(port, msg); lwkt_sendmsg_stage2(port, msg);": "C",
    "lwkt_sendmsg_prepare(port, msg); lwkt_sendmsg_start(port, msg);": "DE",
    "lwkt_sendmsg_oncpu(port, msg);": "DE",
    "lwkt_sendmsg_start_oncpu(port, msg);": "E",
    "(void)port->mp_cpuid;": "DE",
    "(void)port->mpu_td;": "ABCDE",
    "(void)port->mp_u.td;": "A",
    "lwkt_setmsg_receipt(msg, NULL);": "E",
    "(void)MSGF_RECEIPT;": "E",
    "struct spinlock lock = SPINLOCK_INITIALIZER(lock); spin_init(&lock);": "ABCD",
    'struct spinlock lock = SPINLOCK_INITIALIZER(lock, "lock"); spin_init(&lock, "lock");': "E",
}
"""Uses of the API by the eras in which they compile."""

HEADERS = "".join(
    f"#include <sys/{name}.h>\n" for name in ("param", "systm", "thread", "msgport", "msgport2", "spinlock2")
)


def compiles(use: str, era: str) -> bool:
    source = f"{HEADERS}void f(lwkt_port_t, lwkt_msg_t);\nvoid\nf(lwkt_port_t port, lwkt_msg_t msg)\n{{\n"
    source += f"\t(void)port;\n\t(void)msg;\n\t{{ {use} }}\n}}\n"
    command = [*find_compiler().command, *KERNEL_FLAGS, "-DKLD_MODULE", *era_flags(era), "-Wall", "-Wextra", "-Werror"]
    command += ["-I", str(default_sources() / "include"), "-fsyntax-only", "-x", "c", "-"]
    return subprocess.run(command, input=source, text=True, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(("use", "eras"), API.items())
def test_each_era_has_its_own_api(use: str, eras: str) -> None:
    assert "".join(era for era in ERAS if compiles(use, era)) == eras


@pytest.mark.parametrize(("case", "era"), [(case, era) for case, eras in PASSES.items() for era in eras])
def test_what_a_module_sees(make_bench: MakeBench, case: str, era: str) -> None:
    make_bench("eras", era=era).passes(case)


@pytest.mark.parametrize(("case", "era"), PANICS)
def test_what_panics(make_bench: MakeBench, case: str, era: str) -> None:
    text, last = make_bench("eras", era=era).run(case)
    assert last.kind is EventKind.PANICKED, text
    assert classify(last.text) == PANICS[case, era]


def test_an_era_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown era 'F'; known: A, B, C, D, E"):
        UserlandMachine(era="F")


def test_each_era_is_a_machine_of_its_own() -> None:
    keys = set()
    for era in ("D", "E"):
        with UserlandMachine(1, era=era) as machine:
            facts = machine.boot()
            assert facts.era == era
            keys.add(facts.extra["runtime"])
    assert len(keys) == 2


@pytest.mark.parametrize("era", list(Era))
def test_the_headers_declare_what_the_table_of_prototypes_says(era: Era) -> None:
    declared = {name: str(each) for name, each in prototypes(era).items()}
    for name in function_names():
        assert compiles(f"(void)&{name};", era) is (name in declared)
    uses = [text.replace(f"{name}(", "(*use)(", 1) + f" = {name}; (void)use;" for name, text in declared.items()]
    assert [use for use in uses if not compiles(use, era)] == []
