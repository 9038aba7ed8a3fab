from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgport.kmod.names import comment, handler_function, identifier, port_field, string
from msgport.manual.api import PortKind
from msgport.scenario.program import Handler, Port


@pytest.mark.parametrize("name", ["", "0a", "a-b", "a b", "a;", "a\n", "é", "T0.port", 'a"'])
def test_what_is_no_identifier_never_becomes_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="no identifier"):
        identifier(name)


def test_a_declared_port_and_a_built_in_one_never_share_a_field() -> None:
    declared = Port("T0", PortKind.SPIN)
    builtin = Port("T0.port", PortKind.THREAD, owner="T0", builtin=True)
    assert port_field(declared) != port_field(builtin)


def test_a_handler_with_a_negative_number_has_a_name_in_c() -> None:
    assert identifier(handler_function("p_P", "putport", Handler("replyreturn", (-1, 5))))


@given(st.text())
def test_a_string_literal_holds_exactly_the_text(text: str) -> None:
    literal = string(text)
    assert re.fullmatch(r'"(?:[ -!#->@-\[\]-~]|\\[0-3][0-7]{2})*"', literal)
    octal = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), literal[1:-1].encode())
    assert octal == text.encode()


@given(st.text(alphabet="*/ a"))
def test_no_text_ends_or_begins_a_comment(text: str) -> None:
    inside = comment(text)
    assert "*/" not in inside
    assert "/*" not in inside
