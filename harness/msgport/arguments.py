"""The parser of a command line: what is wrong with one is told in a few lines, by the command that it is for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """A parser of whatever stands behind one command; its commands get one each of the same kind."""

    def parse_known_args(  # type: ignore[override]  # two ways to call it, here in one
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Refuse what is not known: otherwise only the outermost parser would, with its own usage."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong, how the command is called, and where its options are listed; end with status 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}\n`{self.prog} --help` tells more\n")
