"""Images from a mirror on loopback: gone on with, checked, unpacked, refused."""

from __future__ import annotations

import bz2
import fcntl
import hashlib
import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from msgport_vm.images import Image, ImageError, get, known, verify
from msgport_vm.images.download import ATTEMPTS, CHUNK
from msgport_vm.images.table import ALGORITHMS, mirrors
from tests.images.server import Mirror, serve

PLAIN = random.Random(1).randbytes(300_000)
PACKED = bz2.compress(PLAIN)


def digests(data: bytes, *names: str) -> dict[str, str]:
    return {name: hashlib.new(name, data).hexdigest() for name in names}


IMAGE = Image("9.9.9", "iso", "dfly.iso", digests(PLAIN, "md5"), digests(PACKED, "sha256", "md5"))

Get = Callable[..., Path]


@contextmanager
def serving() -> Iterator[Mirror]:
    mirror = Mirror({"dfly.iso.bz2": PACKED})
    server = serve(mirror)
    yield mirror
    server.shutdown()
    server.server_close()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as mirror:
        yield mirror


@pytest.fixture
def second() -> Iterator[Mirror]:
    with serving() as mirror:
        yield mirror


@pytest.fixture
def fetched(mirror: Mirror, tmp_path: Path) -> Get:
    def fetch(image: Image = IMAGE, **options: object) -> Path:
        choices: dict[str, object] = {"mirror": [mirror.url], "cache": tmp_path, "images": [image], "pause": 0.0}
        return get("9.9.9", **(choices | options))  # type: ignore[arg-type]

    return fetch


def left(tmp_path: Path) -> set[str]:
    """What is in the cache, apart from the lock, which stays."""
    return {path.name for path in (tmp_path / "images").iterdir()} - {"dfly.iso.lock"}


def test_an_image_is_fetched_checked_and_unpacked(mirror: Mirror, fetched: Get, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    path = fetched(progress=lambda *what: told.append(what))
    assert path.read_bytes() == PLAIN and left(tmp_path) == {"dfly.iso", "dfly.iso.checked"}
    assert ("getting dfly.iso.bz2", len(PACKED), len(PACKED)) in told
    assert {what for what, _, _ in told} == {
        "getting dfly.iso.bz2", "checking dfly.iso.bz2", "unpacking dfly.iso.bz2"
    }  # fmt: skip


def test_a_cached_image_is_not_fetched_again(mirror: Mirror, fetched: Get) -> None:
    assert fetched() == fetched() and len(mirror.asked) == 1


def test_a_cached_image_that_was_touched_is_checked_again(mirror: Mirror, fetched: Get) -> None:
    path = fetched()
    os.utime(path, (1, 1))
    assert fetched().read_bytes() == PLAIN and len(mirror.asked) == 1


@pytest.mark.parametrize("plain", [IMAGE.plain, {}], ids=["by its digest", "by what was unpacked"])
def test_a_cached_image_that_was_changed_is_fetched_again(mirror: Mirror, fetched: Get, plain: dict[str, str]) -> None:
    image = replace(IMAGE, plain=plain)
    fetched(image).write_bytes(b"a virus")
    assert fetched(image).read_bytes() == PLAIN and len(mirror.asked) == 2


def test_a_cut_connection_is_gone_on_with(mirror: Mirror, fetched: Get) -> None:
    mirror.cut = [6 * CHUNK, 3 * CHUNK + 5]
    assert fetched().read_bytes() == PLAIN
    assert mirror.ranges_asked == [None, f"bytes={6 * CHUNK}-", f"bytes={9 * CHUNK}-"]


def test_a_line_that_breaks_for_ever_is_given_up_and_gone_on_with_next_time(mirror: Mirror, fetched: Get) -> None:
    mirror.cut = [CHUNK] * ATTEMPTS
    with pytest.raises(ImageError, match=rf"broke off {ATTEMPTS} times(?s:.*)the same command goes on"):
        fetched()
    assert fetched().read_bytes() == PLAIN and mirror.ranges_asked[-1] == f"bytes={ATTEMPTS * CHUNK}-"


def test_a_server_without_ranges_is_asked_for_all_of_it(mirror: Mirror, fetched: Get) -> None:
    mirror.ranges, mirror.cut = False, [100_000]
    assert fetched().read_bytes() == PLAIN and len(mirror.asked) == 2


def test_a_file_that_changed_on_the_mirror_meanwhile_is_begun_anew(mirror: Mirror, fetched: Get) -> None:
    mirror.cut = [100_000] * ATTEMPTS
    mirror.files["dfly.iso.bz2"] = bytes(len(PACKED) * 4)
    with pytest.raises(ImageError):
        fetched()
    mirror.files["dfly.iso.bz2"], mirror.version = PACKED, '"2"'
    assert fetched().read_bytes() == PLAIN


def test_a_part_longer_than_the_file_is_begun_anew(mirror: Mirror, fetched: Get, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "dfly.iso.bz2.part").write_bytes(bytes(len(PACKED) + 1))
    assert fetched().read_bytes() == PLAIN and mirror.ranges_asked[-1] is None


def test_a_part_that_is_whole_is_not_fetched_again(mirror: Mirror, fetched: Get, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "dfly.iso.bz2.part").write_bytes(PACKED)
    assert fetched().read_bytes() == PLAIN and mirror.ranges_asked == [f"bytes={len(PACKED)}-"]


def test_a_server_in_trouble_is_asked_again(mirror: Mirror, fetched: Get) -> None:
    mirror.statuses = [503, 500]
    assert fetched().read_bytes() == PLAIN and len(mirror.asked) == 3


def test_a_short_file_is_refused(mirror: Mirror, fetched: Get, tmp_path: Path) -> None:
    mirror.claims = len(PACKED) + 10
    with pytest.raises(ImageError, match="broke off"):
        fetched()
    assert "dfly.iso" not in left(tmp_path)


def test_a_wrong_checksum_is_refused_and_the_file_removed(mirror: Mirror, fetched: Get, tmp_path: Path) -> None:
    forged = bz2.compress(PLAIN[:-1] + b"!")
    mirror.files["dfly.iso.bz2"] = forged
    found, wanted = hashlib.sha256(forged).hexdigest(), IMAGE.packed["sha256"]
    with pytest.raises(ImageError, match=f"not what was released: its sha256 is {found}, not {wanted}"):
        fetched()
    assert left(tmp_path) == set()


def test_where_only_the_plain_digest_is_known_that_is_checked(mirror: Mirror, fetched: Get, tmp_path: Path) -> None:
    mirror.files["dfly.iso.bz2"] = bz2.compress(b"something else")
    with pytest.raises(ImageError, match=r"dfly\.iso is not what was released: its md5 is"):
        fetched(replace(IMAGE, packed={}))
    assert left(tmp_path) == set()


@pytest.mark.parametrize("content", [PACKED[:-100], b"<html>not a bzip2 file</html>"], ids=["cut", "none"])
def test_a_damaged_archive_is_refused(mirror: Mirror, fetched: Get, tmp_path: Path, content: bytes) -> None:
    mirror.files["dfly.iso.bz2"] = content
    with pytest.raises(ImageError, match=r"damaged .*removed: get it again"):
        fetched(replace(IMAGE, packed={}))
    assert left(tmp_path) == set()


def test_the_next_mirror_is_tried_where_the_first_lacks_it(mirror: Mirror, fetched: Get) -> None:
    assert fetched(mirror=[f"{mirror.url}/old/", "http://127.0.0.1:9", mirror.url]).read_bytes() == PLAIN


def test_no_mirror_having_it_tells_what_each_said(mirror: Mirror, fetched: Get) -> None:
    mirror.files = {}
    with pytest.raises(ImageError, match=r"no mirror gives dfly\.iso\.bz2(?s:.*)404 Not Found(?s:.*)cannot be reached"):
        fetched(mirror=[mirror.url, "http://127.0.0.1:9"])


@pytest.mark.parametrize("part", [0, CHUNK], ids=["nothing there", "a part there"])
@pytest.mark.parametrize("trouble", ["unreachable", "broken", "short"])
def test_the_next_mirror_is_tried_where_the_first_breaks(
    mirror: Mirror, second: Mirror, fetched: Get, tmp_path: Path, part: int, trouble: str
) -> None:
    (tmp_path / "images").mkdir()
    if part:
        (tmp_path / "images" / "dfly.iso.bz2.part").write_bytes(PACKED[:part])
    first = "http://127.0.0.1:9" if trouble == "unreachable" else mirror.url
    mirror.statuses = [500] * ATTEMPTS if trouble == "broken" else []
    mirror.cut = [CHUNK] * ATTEMPTS
    assert fetched(mirror=[first, second.url]).read_bytes() == PLAIN
    assert len(second.asked) == 1


def test_a_part_is_spoken_of_only_when_it_is_there(mirror: Mirror, fetched: Get, tmp_path: Path) -> None:
    mirror.statuses = [500] * ATTEMPTS
    with pytest.raises(ImageError, match=f"broke off {ATTEMPTS} times.*500") as failure:
        fetched()
    assert "keeps what came" not in str(failure.value) and left(tmp_path) == set()


def test_a_mirror_that_is_no_address_is_told(fetched: Get) -> None:
    with pytest.raises(ImageError, match="is no address"):
        fetched(mirror=["mirror"])


def test_a_full_disk_is_told(fetched: Get, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "dfly.iso.bz2.part").symlink_to("/dev/full")
    with pytest.raises(ImageError, match=r"disk of .* is full.*MSGPORT_CACHE"):
        fetched()


def test_a_full_disk_while_unpacking_is_told_and_leaves_no_image(fetched: Get, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "dfly.iso.unpacking").symlink_to("/dev/full")
    with pytest.raises(ImageError, match="is full"):
        fetched()
    assert left(tmp_path) == {"dfly.iso.bz2"}


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    mirror: Mirror, fetched: Get, tmp_path: Path
) -> None:
    mirror.claims = 1 << 60
    with pytest.raises(ImageError, match=r"has \d+ MiB free, and \d+ MiB are to come"):
        fetched()
    assert not left(tmp_path) & {"dfly.iso", "dfly.iso.bz2"}


def test_a_cache_that_cannot_be_written_is_told(fetched: Get, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match=r"cannot write .*Not a directory"):
        fetched(cache=tmp_path / "file")


def test_two_do_not_fetch_the_same_image_at_once(fetched: Get, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with (tmp_path / "images" / "dfly.iso.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ImageError, match="another msgport is getting"):
            fetched()


def test_an_unknown_release_lists_the_known_ones() -> None:
    with pytest.raises(ImageError, match=r"no iso of release 1\.0 is known; there are 6\.4\.2 \(iso\)"):
        get("1.0")


@pytest.mark.parametrize(("content", "form"), [(PLAIN, "plain"), (PACKED, "packed")])
def test_a_users_file_is_recognised_whatever_its_name(tmp_path: Path, content: bytes, form: str) -> None:
    file = tmp_path / "mine"
    file.write_bytes(content)
    verified = verify(file, images=[IMAGE])
    assert (verified.image, verified.form) == (IMAGE, form)
    assert verified.algorithm == ("md5" if form == "plain" else "sha256")


def test_a_users_file_that_is_not_what_its_name_says_is_told_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "dfly.iso"
    file.write_bytes(PLAIN[:1000])
    with pytest.raises(ImageError, match="is not what was released"):
        verify(file, images=[IMAGE])
    assert file.exists()


def test_a_users_file_that_is_no_image_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(ImageError, match="none of the images in the table"):
        verify(tmp_path / "x")
    with pytest.raises(ImageError, match="cannot read"):
        verify(tmp_path / "y")


def test_the_table_holds_what_can_be_checked() -> None:
    assert {(image.version, image.kind) for image in known()} >= {("6.4.2", "iso"), ("6.4.0", "iso"), ("6.4.0", "img")}
    for image in known():
        assert image.file == f"dfly-x86_64-{image.version}_REL.{image.kind}"
        assert image.plain or image.packed
        for name, digest in [*image.plain.items(), *image.packed.items()]:
            assert name in ALGORITHMS and re.fullmatch(r"[0-9a-f]+", digest)
            assert len(digest) == 2 * hashlib.new(name).digest_size
    assert len({(image.version, image.kind) for image in known()}) == len(known())
    assert all(url.startswith("https://") and not url.endswith("/") for url in mirrors())
