"""How a run is going, on standard error: a live bar on a terminal, a line a variant elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from msgport.check.verdict import Kind
from msgport.counted import counted
from msgport.report.data import VariantResult


class RunProgress:
    """Follows a run of variants; used as a context manager, so that the terminal is left as it was."""

    def __init__(self, names: Sequence[str]) -> None:
        """Show nothing yet."""
        self._console = Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._task = self._bar.add_task("starting the machine", total=len(names))
        self._names = names
        self._done = 0

    def __enter__(self) -> RunProgress:
        """Start to show."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and clear what is live."""
        self._bar.stop()

    def note(self, text: str) -> None:
        """Tell something that a user would wonder about: what takes long, what is not as expected."""
        self._console.print(text, markup=False, soft_wrap=True)

    def booted(self, machine: str) -> None:
        """Tell which machine it is."""
        self.note(machine)
        self._bar.update(self._task, description=self._running())

    def _running(self) -> str:
        """Name the variant that runs now."""
        return self._names[self._done] if self._done < len(self._names) else "finishing"

    def judged(self, result: VariantResult) -> None:
        """Tell what came of a variant."""
        self._done += 1
        self._bar.update(self._task, completed=self._done, description=self._running())
        verdict = result.verdict
        if verdict.kind is Kind.VIOLATES or not self._live:
            self._console.print(
                f"[{self._done}/{len(self._names)}] {result.variant.name}: {verdict.kind}",
                f"({counted(verdict.executions, 'execution') if verdict.executions else _in_short(verdict.detail)})",
                markup=False,
                soft_wrap=True,
            )


def _in_short(detail: str) -> str:
    """The first line of what may be all that a compiler said, or a console's screen."""
    first, *rest = detail.splitlines() or [""]
    return f"{first}; {counted(len(rest), 'more line')} in the report" if rest else first
