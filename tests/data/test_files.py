"""Hashes of many files are right, and a second look reads nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from repro.data import files


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"{number}.bin" for number in range(5)]
    for number, path in enumerate(made):
        path.write_bytes(bytes([number]) * 1000)
    return made


def test_hashes_are_sha256(paths: list[Path], tmp_path: Path):
    told: list[int] = []
    found = files.hash_files(paths, tmp_path / "cache.sqlite", told.append)
    assert found == {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert told == [1, 2, 3, 4, 5]


def test_only_what_changed_is_read_again(paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files.hash_files(paths, tmp_path / "cache.sqlite")
    read: list[Path] = []
    honest = files._sha256
    monkeypatch.setattr(files, "_sha256", lambda path: read.append(path) or honest(path))
    before = files.hash_files(paths, tmp_path / "cache.sqlite")
    assert read == []
    paths[2].write_bytes(b"other")
    after = files.hash_files(paths, tmp_path / "cache.sqlite")
    assert read == [paths[2]] and after[paths[2]] != before[paths[2]]
    stamp = paths[3].stat().st_mtime_ns
    paths[3].write_bytes(b"\xff" * 1000)  # same size, another time of change
    os.utime(paths[3], ns=(stamp + 1, stamp + 1))
    assert files.hash_files(paths, tmp_path / "cache.sqlite")[paths[3]] != before[paths[3]]


def test_a_useless_cache_is_done_without(paths: list[Path], tmp_path: Path):
    damaged = tmp_path / "cache.sqlite"
    damaged.write_bytes(b"no database" * 100)
    assert files.hash_files(paths, damaged)[paths[0]] == hashlib.sha256(paths[0].read_bytes()).hexdigest()
    assert files.hash_files(paths, tmp_path / "0.bin" / "below-a-file.sqlite").keys() == set(paths)
