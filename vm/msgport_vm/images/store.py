"""Images in the user's cache: fetched, checked before use, unpacked."""

from __future__ import annotations

import bz2
import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from msgport_vm.images.download import PAUSE, MirrorError, Progress, disk_error, fetch, part_of
from msgport_vm.images.table import Image, ImageError, agree, feed_all, find, known, mirrors
from msgport_vm.userland import default_cache

CHUNK = 1 << 20


@dataclass(frozen=True)
class Verified:
    """A file that is an image: which one, ``plain`` or ``packed``, and by which digest that is known."""

    image: Image
    form: Literal["plain", "packed"]
    algorithm: str


def get(
    version: str,
    kind: str = "iso",
    *,
    mirror: Sequence[str] = (),
    cache: Path | None = None,
    progress: Progress = lambda what, done, total: None,
    images: Sequence[Image] | None = None,
    pause: float = PAUSE,
) -> Path:
    """The plain image of a release, from the cache or else from the first mirror that gives it.

    ``mirror`` replaces the known ones: URLs of the folders that hold the images. Raises ImageError.
    """
    image = find(version, kind, known() if images is None else images)
    folder = (cache or default_cache()) / "images"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f"{image.file}.lock"):
            plain = folder / image.file
            if not _still_good(plain, image, progress):
                packed = _packed(image, folder, mirror or mirrors(), progress, pause)
                _unpack(packed, plain, image, progress)
                packed.unlink()
            return plain
    except OSError as error:
        raise disk_error(error, folder / image.file) from error


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Keep others from fetching the same image; the lock falls with the process."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ImageError(f"another msgport is getting {lock.stem} at this moment; wait for it") from None
        yield


def _stamp(plain: Path) -> Path:
    return plain.with_name(f"{plain.name}.checked")


def _identity(plain: Path) -> dict[str, int]:
    status = plain.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _still_good(plain: Path, image: Image, progress: Progress) -> bool:
    """Whether the cache holds the image, unchanged since it was checked; a changed one is checked anew, or removed."""
    if not plain.exists():
        return False
    try:
        stamp = json.loads(_stamp(plain).read_text())
    except (OSError, ValueError):
        stamp = {}
    identity = _identity(plain)
    if {name: stamp.get(name) for name in identity} == identity:
        return True
    found = _digests(plain, progress)
    if agree(image.plain or stamp.get("digests", {}), found):
        _write_stamp(plain, found)
        return True
    plain.unlink()
    return False


def _write_stamp(plain: Path, digests: dict[str, str]) -> None:
    _stamp(plain).write_text(json.dumps({**_identity(plain), "digests": digests}))


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _digests(path: Path, progress: Progress) -> dict[str, str]:
    total = path.stat().st_size
    with path.open("rb") as file:
        return feed_all(_chunks(file), lambda size: progress(f"checking {path.name}", size, total)).values()


def _packed(image: Image, folder: Path, places: Sequence[str], progress: Progress, pause: float) -> Path:
    """Fetch the packed image and check it. One with wrong digests is removed: going on from it would not mend it."""
    packed = folder / image.packed_file
    reasons: list[str] = []
    for place in places if not packed.exists() else ():
        try:
            fetch(f"{place.rstrip('/')}/{image.packed_file}", packed, progress, pause)
            break
        except MirrorError as error:
            reasons.append(str(error))
    else:
        if not packed.exists():
            part = part_of(packed)
            if part.exists():
                reasons.append(f"{part} keeps what came; the same command goes on from there")
            raise ImageError("\n".join([f"no mirror gives {image.packed_file}; --mirror URL names another", *reasons]))
    found = _digests(packed, progress)
    if agree(image.packed, found) is False:
        packed.unlink()
        raise ImageError(_unlike(image.packed_file, image.packed, found) + "; it was removed: try another --mirror URL")
    return packed


def _unlike(name: str, expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    told = [f"its {each} is {found[each]}, not {digest}" for each, digest in expected.items()]
    return f"{name} is not what was released: " + ", ".join(told)


def _unpack(packed: Path, plain: Path, image: Image, progress: Progress) -> None:
    """Unpack and check what comes out, aside; only a good image gets its name."""
    aside = plain.with_name(f"{plain.name}.unpacking")
    total = packed.stat().st_size
    try:
        with packed.open("rb") as raw, bz2.open(raw) as stream, aside.open("wb") as out:

            def written() -> Iterator[bytes]:
                while True:
                    try:
                        chunk = stream.read(CHUNK)
                    except (EOFError, OSError) as error:
                        packed.unlink()
                        raise ImageError(f"{packed.name} is damaged ({error}); it was removed: get it again") from error
                    if not chunk:
                        return
                    out.write(chunk)
                    yield chunk

            found = feed_all(written(), lambda _: progress(f"unpacking {packed.name}", raw.tell(), total)).values()
        if agree(image.plain, found) is False:
            packed.unlink()
            raise ImageError(_unlike(image.file, image.plain, found) + "; it was removed: try another --mirror URL")
        aside.replace(plain)
    finally:
        aside.unlink(missing_ok=True)
    _write_stamp(plain, found)


def verify(
    file: Path, progress: Progress = lambda what, done, total: None, images: Sequence[Image] | None = None
) -> Verified:
    """Tell which image a file of the user's is. Raises ImageError when it is none; the file is left alone."""
    try:
        found = _digests(file, progress)
    except OSError as error:
        raise ImageError(f"cannot read {file}: {error.strerror}") from error
    table = known() if images is None else images
    for image in table:
        forms: dict[Literal["plain", "packed"], Mapping[str, str]] = {"plain": image.plain, "packed": image.packed}
        for form, expected in forms.items():
            if expected and agree(expected, found):
                return Verified(image, form, next(name for name in found if name in expected))
    for image in table:
        for name, digests in ((image.file, image.plain), (image.packed_file, image.packed)):
            if file.name == name and digests:
                raise ImageError(f"{file}: {_unlike(name, digests, found)} (a short or altered file, perhaps)")
    raise ImageError(f"{file} is none of the images in the table (sha256 {found['sha256']}); `msgport image list`")
