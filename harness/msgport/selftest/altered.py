"""The program behind model faults: ``python -m msgport.selftest.altered``, its questions on standard input.

First comes a pickle of the fault's effect and of the altered modules' text by their names: they are imported from that,
the installed files stay as they are. Then one pickle a question: a variant, and what was observed of it or None. Each
answer is a line of JSON.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msgport.check.observed import Observed
    from msgport.scenario.program import Variant


class _Loader(SourceFileLoader):
    """Compiles a module from given text, in its file's name."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self._text, self.get_filename(fullname), "exec", dont_inherit=True)
        return code


class Altered(MetaPathFinder):
    """Finds the altered modules before anybody else does; ``imported`` are those that were asked for."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Keep the text of each module."""
        self._texts = texts
        self.imported: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Give an altered module's spec, with a loader of its text; None for all other modules."""
        if fullname not in self._texts:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self._texts[fullname])
            self.imported.add(fullname)
        return spec


def main() -> None:
    """Answer questions until they end."""
    texts: dict[str, str]
    effect, texts = pickle.load(sys.stdin.buffer)
    early = [name for name in sys.modules if name.startswith("msgport.model")]
    if early:
        raise ImportError(f"{', '.join(early)} imported before it could be altered")
    finder = Altered(texts)
    sys.meta_path.insert(0, finder)
    while True:
        try:
            variant, observed = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        sign, executions, detail = JUDGES[effect](variant, observed)
        if finder.imported != set(texts):
            raise ImportError(f"never imported: {', '.join(set(texts) - finder.imported)}")
        print(json.dumps({"sign": sign, "executions": executions, "detail": detail}), flush=True)


def widened(variant: Variant, _observed: Observed | None) -> tuple[str, int, str]:
    """Hold the models against the variant's expectations, as ``consult`` does whenever a scenario is loaded.

    Gives a ``trial.Sign``, in how many executions, and what shows it. A model that fails in any other way raises, and
    so does one whose states are too many: neither is a kill.
    """
    from msgport.check.models import TooManyStatesError, UndeclaredDeviationError, consult
    from msgport.scenario.source import ScenarioError

    try:
        consult(variant)
    except TooManyStatesError:
        raise
    except ScenarioError as error:
        return "expectation", 0, str(error)
    except UndeclaredDeviationError as error:
        return "undeclared", 0, str(error)
    return "none", 0, ""


def narrowed(variant: Variant, observed: Observed | None) -> tuple[str, int, str]:
    """Judge by the models what the right machine did; see ``widened``."""
    from msgport.check.expectations import undeclared
    from msgport.check.models import Models
    from msgport.check.verdict import Kind
    from msgport.model import KERNEL, MANUAL, explore

    assert observed is not None
    models = Models(variant, explore(variant, MANUAL), explore(variant, KERNEL))
    if not (models.manual.complete and models.kernel.complete):
        raise RuntimeError(f"{variant.name}: too many states")
    verdict = models.judge(observed, "both", require_seen=False)
    if verdict.kind is Kind.VIOLATES:
        worst = next(row for row in verdict.rows if row.forbidden)
        return "violates", verdict.executions, f"{worst.outcome}: {verdict.detail}"
    for outcome in undeclared(models.manual.outcomes, models.kernel.outcomes, models.deviations):
        return (
            "undeclared",
            0,
            f"the kernel model allows what the manual does not, and no deviation says why: {outcome}",
        )
    return "none", verdict.executions, verdict.detail


JUDGES = {"narrowing": narrowed, "widening": widened}


if __name__ == "__main__":
    main()
