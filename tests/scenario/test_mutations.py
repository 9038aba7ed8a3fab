"""Whatever is wrong with a scenario, the answer is a ScenarioError that points into the text."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from msgport.scenario.library import catalogue
from msgport.scenario.parser import parse
from msgport.scenario.source import ScenarioError

TEXTS = [path.read_text(encoding="utf-8") for path in catalogue()]
WORDS = sorted({word for text in TEXTS for word in re.findall(r"\w+|\s|[^\w\s]", text)})


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A scenario of the catalogue with a few of its words taken out, doubled, or replaced by others."""
    words = re.findall(r"\w+|\s|[^\w\s]", draw(st.sampled_from(TEXTS)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(words) - 1))
        words[place] = draw(
            st.sampled_from(["", words[place] * 2, "$x", '"', "9" * 20, "\0", "\f", "\x85", "é", *WORDS])
        )
    return "".join(words)


@given(mutations())
@settings(max_examples=400, derandomize=True, deadline=None)
@example("")
@example("\n")
@example("MSGPORT")
@example("MSGPORT x\n{ port P spin }\nT0 ;\nr0 = getport P ;\nalways 0:r0 = ²")
def test_a_mutated_scenario_is_read_or_refused_at_a_place_in_it(text: str) -> None:
    try:
        parse(text, "x")
    except ScenarioError as error:
        lines = text.split("\n")
        assert 1 <= error.position.line <= len(lines)
        assert 1 <= error.position.column <= len(lines[error.position.line - 1]) + 1
        assert error.hint
        assert str(error).startswith(f"x:{error.position.line}:{error.position.column}: ")
