"""The table of known images, and how a file is held against it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

ALGORITHMS = ("sha256", "md5")
"""Strongest first. MD5 finds accidents; against a forger it does not help, and for some images there is no other."""


class ImageError(Exception):
    """An image that cannot be had or is not what it should be; the message says what to do."""


@dataclass(frozen=True)
class Image:
    """One image: ``file`` is its plain name; ``plain`` and ``packed`` are digests in hexadecimal by algorithm.

    ``kind`` is ``iso`` (a CD) or ``img`` (a USB stick's disk). On a mirror it is ``file`` with ``.bz2``.
    """

    version: str
    kind: str
    file: str
    plain: Mapping[str, str] = field(default_factory=dict)
    packed: Mapping[str, str] = field(default_factory=dict)

    @property
    def packed_file(self) -> str:
        """Its name on a mirror."""
        return f"{self.file}.bz2"


class Digests:
    """All digests of what is fed to it, in one pass."""

    def __init__(self) -> None:
        """Nothing was fed."""
        self._hashes = [hashlib.new(name, usedforsecurity=False) for name in ALGORITHMS]
        self.size = 0

    def feed(self, data: bytes) -> None:
        """Go on with ``data``."""
        self.size += len(data)
        for each in self._hashes:
            each.update(data)

    def values(self) -> dict[str, str]:
        """Digests in hexadecimal, by algorithm."""
        return {each.name: each.hexdigest() for each in self._hashes}


def agree(expected: Mapping[str, str], found: Mapping[str, str]) -> bool | None:
    """Whether digests agree in each algorithm that both have; None when they have none in common."""
    common = [name for name in ALGORITHMS if name in expected and name in found]
    return all(expected[name].lower() == found[name] for name in common) if common else None


def feed_all(chunks: Iterable[bytes], progress: Callable[[int], None] = lambda size: None) -> Digests:
    """Digests of chunks; ``progress`` is told how many bytes there were so far."""
    digests = Digests()
    for chunk in chunks:
        digests.feed(chunk)
        progress(digests.size)
    return digests


@cache
def _table() -> tuple[tuple[str, ...], tuple[Image, ...]]:
    data = tomllib.loads((files("msgport_vm.images") / "releases.toml").read_text(encoding="utf-8"))
    return tuple(data["mirrors"]), tuple(Image(**entry) for entry in data["image"])


def known() -> tuple[Image, ...]:
    """All known images, newest release first."""
    return _table()[1]


def mirrors() -> tuple[str, ...]:
    """Where they are, the first to be tried first; without a slash at the end."""
    return _table()[0]


def find(version: str, kind: str, images: Sequence[Image]) -> Image:
    """The image of a release. Raises ImageError, which lists those that there are."""
    for image in images:
        if (image.version, image.kind) == (version, kind):
            return image
    there = ", ".join(f"{image.version} ({image.kind})" for image in images)
    raise ImageError(f"no {kind} of release {version} is known; there are {there}")
