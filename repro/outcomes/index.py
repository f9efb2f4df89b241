"""What tables need of the stored results, kept in one file beside them so that a table does not read every `result.json` again.

The file is `.index.sqlite` in the folder of runs. It is never trusted over the files: an entry counts only while the file that it was read
from has the same inode, size and time of change; a missing, damaged or unwritable index costs time and nothing else. Removing it is safe.
It also keeps what was made of results (unchanged.py).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from repro.errors import UserError
from repro.outcomes import kept
from repro.outcomes.kept import Entry, Kept
from repro.outcomes.store import Store, safe
from repro.outcomes.stored import Damaged
from repro.types import SCHEMA, Benchmark, Failure, Result

NAME = ".index.sqlite"
# files that say what is whole, what is kept of it, and which checkpoints a rule reports
DECIDING = ("stored.py", "index.py", "kept.py", "metrics.py", "selection.py")
TABLES = f"""
CREATE TABLE benchmark (digest TEXT PRIMARY KEY, record TEXT) WITHOUT ROWID;
CREATE TABLE result (folder TEXT PRIMARY KEY, stamp TEXT, {", ".join(Entry._fields)}) WITHOUT ROWID;
CREATE TABLE made (asked TEXT PRIMARY KEY, seal TEXT, content TEXT);
"""


@cache
def form() -> int:
    """Changes with what is kept and with the selection of checkpoints, so that an index of before counts as damaged."""
    own = b"".join(Path(__file__).with_name(name).read_bytes() for name in DECIDING)
    return max(zlib.crc32(own + str(SCHEMA).encode()) >> 1, 1)  # positive, as user_version is signed, and 0 is a new file


class Found(NamedTuple):
    """`results` are oldest first; `failures` are of runs that have no result; `damaged` are results that cannot be read."""

    results: list[Kept]
    failures: list[Failure]
    damaged: Sequence[Damaged] = ()


class Seen(NamedTuple):
    """Folder → what says whether its `result.json` changed; of those without one, the same of its `failed.json`."""

    results: dict[str, str]
    failures: dict[str, str]


def find(store: Store, benchmarks: Iterable[str] | None = None) -> Found:
    """The results of all benchmarks, or of those named. A damaged one is tried again at every call: it may be readable by then."""
    tops = _tops(benchmarks)
    stamps, unfinished = _look(store.root, tops)
    failures = [failure for folder in unfinished if (failure := store.failure(store.root / folder))]
    with contextlib.closing(Index(store.root)) as index:
        known = index.known(tops)
        found = {
            folder: result
            for folder, (stamp, *record) in known.items()
            if stamps.get(folder) == stamp and (result := index.result(Entry(*record), partial(_again, store, folder)))
        }
        new, spoken, damaged = {}, {}, []
        for folder in stamps:  # one at a time: a whole result takes ten times the memory of what is kept
            if folder not in found and (result := store.read_result(store.root / folder, damaged)):
                record = kept.entry(result)
                benchmark = spoken.setdefault(record.benchmark, result.run.benchmark)
                new[folder] = (stamps[folder], *record)
                found[folder] = Kept(record, benchmark, partial(_again, store, folder))
        index.update(new, spoken, [folder for folder in known if folder not in stamps])
    results = list(found.values())
    return Found(sorted(results, key=lambda result: (result.finished, result.key)), failures, damaged)


def _again(store: Store, folder: str) -> Result:
    """The whole result. A folder that was removed in the meantime is a `UserError`."""
    result = store.read_result(store.root / folder)
    if result is None:
        raise UserError(f"{store.root / folder} is gone", "another process removed it just now", "run the same command again")
    return result


def look(store: Store, benchmarks: Iterable[str] | None = None) -> Seen:
    """What lies there of all benchmarks, or of those named, without reading it."""
    return _look(store.root, _tops(benchmarks))


def _tops(benchmarks: Iterable[str] | None) -> list[str] | None:
    """The folders of benchmarks and of their tiny subsets; None: every one that there is."""
    return None if benchmarks is None else sorted({safe(folder) for name in benchmarks for folder in (name, f"{name}-tiny")})


def _look(root: Path, tops: list[str] | None) -> Seen:
    seen = Seen({}, {})
    for top in sorted(path.name for path in root.glob("*") if path.is_dir()) if tops is None else tops:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in sorted(name for name in os.listdir(root / top) if "-s" in name):
                folder = f"{top}/{name}"
                if found := stamp(f"{root}/{folder}/result.json"):
                    seen.results[folder] = found
                elif found := stamp(f"{root}/{folder}/failed.json"):
                    seen.failures[folder] = found
    return seen


def stamp(path: str) -> str | None:
    """What says whether a file changed; None where there is none; of one that nobody may look at, why."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return str(error.errno)
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"


class Index:
    """The file; where it cannot be opened or breaks, an index that knows nothing and forgets everything."""

    def __init__(self, root: Path):
        self.benchmark = cache(self._benchmark)
        self.connection: sqlite3.Connection | None = None
        path = root / NAME
        for attempt in range(2):
            try:
                self.connection = _open(path) if root.is_dir() else None
                return
            except sqlite3.OperationalError:  # locked, read-only, no room: the files themselves are read
                return
            except sqlite3.DatabaseError:  # damaged, or another form
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=attempt == 0)

    def close(self) -> None:
        if self.connection:
            self.connection.close()

    def known(self, tops: list[str] | None) -> dict[str, tuple]:
        """Folder → its stamp and the fields of its entry."""
        if self.connection is None:
            return {}
        with self._safely():
            if tops is None:
                rows = self.connection.execute("SELECT * FROM result").fetchall()
            else:
                ranges = [(f"{top}/", f"{top}0") for top in tops]  # "0" follows "/"
                rows = [row for bounds in ranges for row in self.connection.execute(
                    "SELECT * FROM result WHERE folder >= ? AND folder < ?", bounds
                )]  # fmt: skip
            return {folder: tuple(rest) for folder, *rest in rows}
        return {}

    def update(self, new: dict[str, tuple], benchmarks: dict[str, Benchmark], gone: list[str]) -> None:
        """Remember results, and forget those whose file is no more."""
        if self.connection is None or not (new or gone):
            return
        with self._safely(), self.connection:
            spoken = [(name, benchmark.model_dump_json()) for name, benchmark in benchmarks.items()]
            self.connection.executemany("INSERT OR REPLACE INTO benchmark VALUES (?, ?)", spoken)
            self.connection.executemany(
                f"INSERT OR REPLACE INTO result VALUES (?, ?{', ?' * len(Entry._fields)})",
                ((folder, *rest) for folder, rest in new.items()),
            )
            self.connection.executemany("DELETE FROM result WHERE folder = ?", ((folder,) for folder in gone))

    def made(self, asked: str) -> tuple[str, str] | None:
        """What was kept last under that name, and its seal."""
        if self.connection:
            with self._safely():
                return self.connection.execute("SELECT seal, content FROM made WHERE asked = ?", (asked,)).fetchone()
        return None

    def keep(self, asked: str, seal: str, content: str) -> None:
        """Keep a text under a name, in the place of the last."""
        if self.connection:
            with self._safely(), self.connection:
                self.connection.execute("INSERT OR REPLACE INTO made VALUES (?, ?, ?)", (asked, seal, content))

    def result(self, record: Entry, read: Callable[[], Result]) -> Kept | None:
        """A result from its entry, which was checked before it was written; None where it is damaged after all."""
        try:
            return Kept(record, self.benchmark(record.benchmark), read)
        except (sqlite3.Error, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _benchmark(self, name: str) -> Benchmark:
        ((record,),) = self.connection.execute("SELECT record FROM benchmark WHERE digest = ?", (name,))
        return Benchmark.model_validate_json(record)

    @contextlib.contextmanager
    def _safely(self) -> Iterator[None]:
        """Another process holds the file, or it broke: then without it."""
        try:
            yield
        except sqlite3.DatabaseError:
            self.close()
            self.connection = None


def _open(path: Path) -> sqlite3.Connection:
    """The file, made where there is none; one of another form counts as damaged."""
    connection = sqlite3.connect(path, timeout=2.0)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            with contextlib.suppress(sqlite3.OperationalError):  # another process made it just now
                connection.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {form()}; COMMIT;")
        if connection.execute("PRAGMA user_version").fetchone()[0] != form():
            raise sqlite3.DatabaseError("of another form")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
