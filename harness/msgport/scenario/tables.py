"""The parser made of grammar.lark. Making its tables takes longer than all else a short command does: they are kept."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import resources
from io import BytesIO
from pathlib import Path

import lark
import platformdirs
from lark import Lark


@cache
def parser() -> Lark:
    """The parser, its tables from the cache folder (``MSGPORT_CACHE``, else the user's own) when they are there.

    A cache that cannot be read, holds something else or cannot be written only costs time.
    """
    grammar = resources.files("msgport.scenario").joinpath("grammar.lark").read_text(encoding="utf-8")
    key = sha256("\0".join((grammar, lark.__version__, sys.version)).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("MSGPORT_CACHE") or platformdirs.user_cache_path("msgport"))
    kept = _read(folder / f"grammar-{key}")
    if kept is not None:
        return Lark.load(BytesIO(kept))
    made = Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=True)
    tables = BytesIO()
    made.save(tables)
    _write(folder, f"grammar-{key}", tables.getvalue())
    return made


def _read(path: Path) -> bytes | None:
    """What ``_write`` wrote whole: the digest keeps a torn file from ever being unpickled."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, tables = data[:32], data[32:]
    return tables if sha256(tables).digest() == digest else None


def _write(folder: Path, name: str, tables: bytes) -> None:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(sha256(tables).digest() + tables)
