from __future__ import annotations

import pytest

from msgport.manual.api import FUNCTIONS, PRIVATE, Era, prototypes
from msgport.manual.drift import Drift, check_subject, drift, eras_of, unlisted
from msgport.manual.mdoc import Page, parse
from msgport.manual.prototype import prototype, type_of
from msgport.manual.source import PageError, source_of
from tests.manual.pages import SYNOPSIS, page, real


def read(synopsis: str) -> Page:
    return parse(source_of(page(synopsis=synopsis).encode(), "ports.9").lines, "ports.9")


def declaring(era: Era) -> Page:
    """A page that declares all that an era has."""
    lines = [
        f".Ft {each.returns}\n.Fn {each.name} " + " ".join(f'"{parameter}"' for parameter in each.parameters)
        for each in prototypes(era).values()
    ]
    return read(".Sh SYNOPSIS\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize("era", list(Era))
def test_a_page_that_declares_an_era_is_of_that_era_and_differs_in_nothing(era: Era) -> None:
    found = declaring(era)
    assert drift(found, era) == ()
    eras, whole = eras_of(found)
    assert era in eras and whole


def test_the_page_that_the_project_knows_is_in_every_era_but_for_what_became_private() -> None:
    for era in Era:
        assert set(FUNCTIONS) - set(prototypes(era)) == PRIVATE.get(era, frozenset())


def test_each_way_of_drifting_is_told() -> None:
    found = read(
        SYNOPSIS.replace(" ;\n", "\n")
        + ".Ft int\n.Fn lwkt_beginmsg lwkt_port_t lwkt_msg_t\n.Ft void\n.Fn lwkt_dropmsg lwkt_msg_t\n"
        + ".Ft void\n.Fn lwkt_sendmsg_stage1 lwkt_port_t lwkt_msg_t\n.Ft void\n.Fn lwkt_shout void\n"
    )
    changes = {change.function: change for change in drift(found, Era.E)}
    assert changes["lwkt_beginmsg"].kind is Drift.PRIVATE
    assert changes["lwkt_dropmsg"].kind is Drift.CHANGED and changes["lwkt_dropmsg"].about == "other return type"
    assert changes["lwkt_sendmsg_stage1"].kind is Drift.ABSENT and "era C" in changes["lwkt_sendmsg_stage1"].about
    assert changes["lwkt_shout"].kind is Drift.UNKNOWN
    assert changes["lwkt_sendmsg"].kind is Drift.UNDOCUMENTED
    assert "lwkt_domsg" not in changes
    assert drift(found, Era.A)[0].about == "other parameters"


def test_a_page_of_no_era_is_called_nearest_to_one() -> None:
    eras, whole = eras_of(read(SYNOPSIS.replace('"int flags"', '"long flags"')))
    assert eras == (Era.D, Era.E) and not whole


def test_functions_of_only_one_of_name_and_synopsis_are_told() -> None:
    found = read(SYNOPSIS.replace("lwkt_domsg", "lwkt_sendmsg"))
    assert unlisted(found) == (("lwkt_domsg",), ("lwkt_sendmsg",))


def test_a_page_about_something_else_is_refused() -> None:
    with pytest.raises(PageError, match=r"ports\.9:\d+: ports\(9\) is not about message ports.*give msgport\(9\)"):
        check_subject(read(".Sh SYNOPSIS\n.Ft int\n.Fn tsleep void\n"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("thread_t td", "struct thread *"),
        ("struct lwkt_port * port", "lwkt_port_t"),
        ("void (*f)(lwkt_port_t port, lwkt_msg_t)", "void (*) (struct lwkt_port *, lwkt_msg_t msg)"),
        ("const char *name", "char*"),
        ("int a[4]", "int *"),
        ("unsigned int", "unsigned int n"),
    ],
)
def test_types_are_compared_by_what_they_mean(one: str, other: str) -> None:
    assert type_of(one) == type_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("int a", "long a"),
        ("lwkt_port_t p", "lwkt_port_t *p"),
        ("int (*f)(lwkt_msg_t)", "void (*f)(lwkt_msg_t)"),
        ("void (*f)(lwkt_msg_t)", "void (*f)(lwkt_msg_t, int)"),
        ("boolean_t b", "int b"),
    ],
)
def test_types_that_a_caller_must_tell_apart_differ(one: str, other: str) -> None:
    assert type_of(one) != type_of(other)


def test_names_of_parameters_do_not_count() -> None:
    one, other = prototype("int f(int a, void *b)"), prototype("int f(int, void *data)")
    assert one.differences(other) == ()
    assert one.differences(prototype("void f(int a)")) == ("return type", "parameters")
    with pytest.raises(ValueError, match="no C prototype"):
        prototype("int f")


@pytest.mark.parametrize("name", ["msgport.9", "msgport.9.gitweb.txt"])
def test_the_real_page_of_2012_is_of_era_a(name: str) -> None:
    found = parse(source_of(real(name).read_bytes(), name).lines, name)
    assert eras_of(found) == ((Era.A,), True)
    kinds = {change.function: change.kind for change in drift(found, Era.E) if change.kind is not Drift.UNDOCUMENTED}
    assert kinds == {
        "lwkt_initport_spin": Drift.CHANGED,
        "lwkt_beginmsg": Drift.PRIVATE,
        "lwkt_dropmsg": Drift.CHANGED,
    }
