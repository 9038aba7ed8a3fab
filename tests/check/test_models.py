"""What is refused before anything runs, because no verdict on it could mean anything."""

from __future__ import annotations

import pytest

from msgport.check.models import consult
from msgport.scenario.parser import parse
from msgport.scenario.source import ScenarioError

CORRUPTING = {
    "a port made anew while a message is queued on it": (
        "{ port P spin; msg a reply T0.port }\nT0 ;\nsendmsg P a ;\n»initport_spin P ;\n"
    ),
    "a port made anew while a put to it is under way": (
        "{ port P owner T1; msg a reply T0.port }\nT0 | T1 ;\nsendmsg P a | »initport_spin P ;\n"
    ),
    "a queued message whose class is changed": (
        "{ port P spin; msg a reply P flags PRIORITY }\nT0 ;\nsendmsg P a ;\n»initmsg a P ;\n"
    ),
    "a critical section left that was never entered": "{ }\nT0 ;\n»crit_exit ;\n",
}


@pytest.mark.parametrize("text", CORRUPTING.values(), ids=CORRUPTING.keys())
def test_a_scenario_in_which_the_kernel_corrupts_memory_is_refused_at_the_statement(text: str) -> None:
    text = "MSGPORT x\n" + text
    before = text.partition("»")[0]
    (variant,) = parse(text.replace("»", ""), "some.msgport")
    with pytest.raises(ScenarioError, match="corrupts memory") as raised:
        consult(variant)
    position = raised.value.position
    assert (position.line, position.column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert raised.value.hint


def test_misuse_that_an_assertion_stops_is_not_refused() -> None:
    (variant,) = parse("MSGPORT x\n{ port P spin; msg a reply T0.port }\nT0 ;\nsendmsg P a ;\nsendmsg P a ;\n", "x")
    assert [str(outcome) for outcome in consult(variant).kernel.outcomes] == ["panic send-not-idle@T0.2"]
