"""Content hashes of many files, remembered by path, size and time of change so that a second look reads nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path


def hash_files(paths: Iterable[Path], cache: Path, on_file: Callable[[int], None] = lambda done: None) -> dict[Path, str]:
    """Path → sha256. `cache` is an SQLite file, made where it is missing; a cache that cannot be used is done without."""
    paths = list(paths)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(cache, timeout=30)) as database:
            database.execute("create table if not exists hashes (path text primary key, size integer, changed integer, sha256 text)")
            return _hash(paths, database, on_file)
    except (OSError, sqlite3.Error):
        return {path: _sha256(path) for path in paths}


def _hash(paths: list[Path], database: sqlite3.Connection, on_file: Callable[[int], None]) -> dict[Path, str]:
    known = {path: (size, changed, sha256) for path, size, changed, sha256 in database.execute("select * from hashes")}
    found: dict[Path, str] = {}
    for number, path in enumerate(paths, 1):
        status = path.stat()
        size, changed, sha256 = known.get(str(path), (None, None, ""))
        if (size, changed) != (status.st_size, status.st_mtime_ns):
            sha256 = _sha256(path)
            database.execute("insert or replace into hashes values (?, ?, ?, ?)", (str(path), status.st_size, status.st_mtime_ns, sha256))
        found[path] = sha256
        on_file(number)
    database.commit()
    return found


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
