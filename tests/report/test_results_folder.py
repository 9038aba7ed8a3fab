"""The folder of a run: every file whole or not there, and nobody else's overwritten."""

from __future__ import annotations

import json
import os
import resource
from datetime import datetime
from pathlib import Path

import pytest

from msgport.files import write_whole
from msgport.report.results import ResultsError, ResultsFolder, safe_name

NOW = datetime(2026, 1, 2, 3, 4, 5)


def test_a_run_gets_a_folder_named_after_its_time_and_a_second_one_another(tmp_path: Path) -> None:
    folders = [ResultsFolder.create_in(tmp_path / "results", NOW).path.name for _ in range(3)]
    assert folders == ["run-20260102-030405", "run-20260102-030405-2", "run-20260102-030405-3"]


def test_a_folder_with_results_is_refused(tmp_path: Path) -> None:
    ResultsFolder.create(tmp_path).write({"n": 1})
    with pytest.raises(ResultsError, match="results of another run"):
        ResultsFolder.create(tmp_path)


def test_a_path_under_a_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="file/r"):
        ResultsFolder.create(tmp_path / "file" / "r")


def test_writing_again_replaces_the_whole_file(tmp_path: Path) -> None:
    folder = ResultsFolder.create(tmp_path)
    folder.write({"text": "x" * 1000})
    folder.write({"n": 2})
    assert json.loads((tmp_path / "results.json").read_text()) == {"n": 2}


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ResultsFolder.create(tmp_path)
    folder.write({"n": 1})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultsError, match="No space left on device"):
        folder.write({"n": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert json.loads((tmp_path / "results.json").read_text()) == {"n": 1}


def test_a_disk_that_fills_up_has_room_for_how_the_run_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = 300_000

    def write(path: Path, text: str) -> None:
        taken = sum(each.stat().st_size for each in tmp_path.rglob("*") if each.is_file())
        if taken + len(text) > room:
            raise OSError(28, "No space left on device")
        write_whole(path, text)

    monkeypatch.setattr("msgport.report.results.write_whole", write)
    folder = ResultsFolder.create(tmp_path)
    variants: list[dict[str, object]] = []
    with pytest.raises(ResultsError, match="No space left on device"):
        for number in range(1000):
            variants.append({"name": f"variant-{number}", "values": ["a"] * 20})
            folder.write({"ended": "running", "variants": variants})
            folder.write_file(f"variant-{number}", "transcript.txt", "x" * 2000)
    folder.write({"ended": "results-failure", "variants": variants})
    data = json.loads((tmp_path / "results.json").read_text())
    assert (data["ended"], len(data["variants"])) == ("results-failure", len(variants))


def test_a_folder_without_room_for_results_is_refused_at_once(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(ResultsError, match="File too large"):
            ResultsFolder.create(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_no_reserve_is_left_behind(tmp_path: Path) -> None:
    folder = ResultsFolder.create(tmp_path)
    folder.write({"ended": "running"})
    assert (tmp_path / ".reserve").stat().st_size > 0
    folder.write({"ended": "done"})
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_console_text_is_kept_byte_for_byte(tmp_path: Path) -> None:
    raw = b"caf\xe9 \x1b[0m\r\n\x00end"
    relative = ResultsFolder.create(tmp_path).write_file("v", "t.txt", raw.decode("utf-8", errors="surrogateescape"))
    assert (tmp_path / relative).read_bytes() == raw


def test_names_of_variants_become_safe_and_stay_apart() -> None:
    names = ["a/P=x", "a_P=x", "../../etc/passwd", "x" * 300, "x" * 301, "."]
    safe = [safe_name(name) for name in names]
    assert len(set(safe)) == len(names)
    assert all("/" not in name and not name.startswith(".") and len(name) < 120 for name in safe)
