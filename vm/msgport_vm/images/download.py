"""One file over HTTP: in pieces, going on where an earlier attempt was cut, with a bound on attempts.

Built on requests, which keeps to proxies and certificates as the user's environment sets them.
"""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import requests

from msgport_vm.images.table import ImageError

ATTEMPTS = 6
PAUSE = 2.0
CHUNK = 1 << 14
"""Bytes read at a time; when a connection breaks, what came of the last such piece is lost."""

TIMEOUTS = (20.0, 60.0)
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how many bytes are done, and of how many (None: unknown)."""


class MirrorError(ImageError):
    """A server that does not have the file, cannot be reached or breaks off for ever: another may give it."""


class _CutError(Exception):
    """The connection broke; what came is kept, and going on makes sense."""


def fetch(url: str, target: Path, progress: Progress, pause: float = PAUSE) -> None:
    """Get ``url`` into ``target``, through its part_of(), which stays when it fails and is gone on with next time.

    Raises MirrorError, and ImageError when the disk is full or ``url`` is no address.
    """
    part = part_of(target)
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause)
        try:
            _attempt(url, part, progress, first=not attempt)
        except _CutError as cut:
            reason = cut
            continue
        except OSError as error:
            # requests' own errors are OSErrors too, and were dealt with in _attempt.
            raise disk_error(error, part) from error
        part.replace(target)
        _validator(part).unlink(missing_ok=True)
        return
    raise MirrorError(f"{url}: broke off {ATTEMPTS} times, the last time because: {reason}")


def part_of(target: Path) -> Path:
    """The file that holds what came of ``target`` until it is whole."""
    return target.with_name(f"{target.name}.part")


def disk_error(error: OSError, path: Path) -> ImageError:
    """Say what is wrong with the disk that ``path`` is on."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ImageError(
            f"the disk of {path.parent} is full; make room there, or set MSGPORT_CACHE to a folder elsewhere"
        )
    return ImageError(f"cannot write {path}: {error.strerror or error}")


def _validator(part: Path) -> Path:
    """The file that tells which version of the file ``part`` is a part of."""
    return part.with_name(f"{part.name}.version")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _attempt(url: str, part: Path, progress: Progress, first: bool) -> None:
    start = _size(part)
    # A mirror must not compress it once more: ranges count the bytes of the file.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if _validator(part).exists():
            headers["If-Range"] = _validator(part).read_text()
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
            start, total = _begin(url, response, start, part)
            if start == total:
                return
            _check_room(part, total, start)
            with part.open("ab" if start else "wb") as file:
                _receive(response, file.write, progress, part, start, total)
    except (
        requests.exceptions.InvalidURL,
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidSchema,
    ) as bad:
        raise ImageError(f"{url} is no address: {bad}") from bad
    except requests.exceptions.ConnectionError as error:
        if first and _size(part) == start:
            raise MirrorError(f"{url}: cannot be reached: {error}") from error
        raise _CutError(str(error)) from error
    except requests.exceptions.RequestException as error:
        raise _CutError(str(error)) from error


def _begin(url: str, response: requests.Response, start: int, part: Path) -> tuple[int, int | None]:
    """Where the answer's bytes belong, and the file's size. Raises MirrorError, and _CutError to try anew."""
    if response.status_code == 416:
        # We have all of it, or more than it is.
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match and match[2] == str(start):
            return start, start
        part.unlink()
        raise _CutError("the file there is shorter than what was received")
    if response.status_code >= 500 or response.status_code == 429:
        raise _CutError(f"the server says {response.status_code} {response.reason}")
    if response.status_code not in (200, 206):
        raise MirrorError(f"{url}: the server says {response.status_code} {response.reason}")
    if response.status_code == 206:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match or match[1] != str(start):
            part.unlink()
            raise _CutError("the server sent another range than was asked for")
        return start, None if match[2] == "*" else int(match[2])
    version = response.headers.get("ETag", "")
    if not version or version.startswith("W/"):
        version = response.headers.get("Last-Modified", "")
    if version:
        _validator(part).write_text(version)
    else:
        _validator(part).unlink(missing_ok=True)
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _check_room(part: Path, total: int | None, start: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free:
        raise ImageError(
            f"the disk of {part.parent} has {free >> 20} MiB free, and {(total - start) >> 20} MiB are to come; make "
            "room there, or set MSGPORT_CACHE to a folder elsewhere"
        )


def _receive(
    response: requests.Response,
    write: Callable[[bytes], int],
    progress: Progress,
    part: Path,
    start: int,
    total: int | None,
) -> None:
    done = start
    for chunk in response.iter_content(CHUNK):
        write(chunk)
        done += len(chunk)
        progress(f"getting {part.name.removesuffix('.part')}", done, total)
    if total is not None and done != total:
        raise _CutError(f"{done} of {total} bytes came")
