"""What tables need of the stored results, kept in one file beside them so that a table does not read every `result.json` again.

The file is `.index.sqlite` in the folder of runs. It is never trusted over the files: an entry counts only while the file that it was read
from has the same inode, size and time of change; a missing, damaged or unwritable index costs time and nothing else. Removing it is safe.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from repro.outcomes.store import Store, safe
from repro.settings import Recipe
from repro.types import SCHEMA, BackboneRef, Benchmark, Checkpoint, Failure, Result, Run

NAME = ".index.sqlite"
FORM = 100 * SCHEMA + 1  # raised when what is kept changes
TABLES = """
CREATE TABLE benchmark (digest TEXT PRIMARY KEY, record TEXT) WITHOUT ROWID;
CREATE TABLE result (folder TEXT PRIMARY KEY, stamp TEXT, head TEXT, points TEXT) WITHOUT ROWID;
"""


class Kept:
    """A stored result as far as tables read it, under the names of `Result`; its checkpoints are parsed when they are looked at."""

    def __init__(self, head: dict[str, Any], points: str, benchmark: Benchmark):
        run = head["run"]
        self.key: str = head["key"]
        self.finished: str = head["finished"]
        self.environment: dict[str, Any] = head["environment"]
        self._points = points
        self.run = Run.model_construct(
            benchmark=benchmark,
            recipe=_recipe(run["recipe"]),
            backbone=_backbone(run["backbone"]),
            provenance=_provenance(run["provenance"]),
            **{name: run[name] for name in ("method", "method_version", "seed", "parents")},
        )

    @cached_property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        return _POINTS.validate_json(self._points)


_POINTS = TypeAdapter(tuple[Checkpoint, ...])


class Found(NamedTuple):
    """`results` are oldest first; `failures` are of runs that have no result."""

    results: list[Kept]
    failures: list[Failure]


def find(store: Store, benchmarks: Iterable[str] | None = None) -> Found:
    """The results of all benchmarks, or of those named. A damaged result is a `UserError`, as the store has it."""
    wanted = None if benchmarks is None else sorted({folder for name in benchmarks for folder in (name, f"{name}-tiny")})
    stamps, unfinished = _look(store, wanted)
    failures = [failure for folder in unfinished if (failure := store.failure(folder))]
    with contextlib.closing(_Index(store.root)) as index:
        known = index.known(None if wanted is None else [safe(name) for name in wanted])
        kept = {
            folder: result
            for folder, (stamp, *record) in known.items()
            if stamps.get(folder) == stamp and (result := index.result(*record))
        }
        new, benchmarks = {}, {}
        for folder in stamps:  # one at a time: a whole result takes ten times the memory of what is kept
            if folder not in kept and (result := store.read_result(store.root / folder)):
                head, points = _record(result)
                fields = json.loads(head)
                benchmark = benchmarks.setdefault(fields["run"]["benchmark"], result.run.benchmark)
                new[folder] = (stamps[folder], head, points)
                kept[folder] = Kept(fields, points, benchmark)
        index.update(new, benchmarks, [folder for folder in known if folder not in stamps])
    results = list(kept.values())
    return Found(sorted(results, key=lambda result: (result.finished, result.key)), failures)


def _look(store: Store, wanted: list[str] | None) -> tuple[dict[str, str], list[Path]]:
    """Folder of each result → what says whether it changed; folders without a result in which a failure is recorded."""
    stamps, failed = {}, []
    tops = (
        sorted(path for path in store.root.glob("*") if path.is_dir()) if wanted is None else [store.root / safe(name) for name in wanted]
    )
    for top in tops:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in sorted(name for name in os.listdir(top) if "-s" in name):
                try:
                    found = os.stat(f"{top}/{name}/result.json")
                    stamps[f"{top.name}/{name}"] = f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
                except (FileNotFoundError, NotADirectoryError):
                    if os.path.exists(f"{top}/{name}/failed.json"):
                        failed.append(top / name)
    return stamps, failed


class _Index:
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

    def known(self, tops: list[str] | None) -> dict[str, tuple[str, str, str]]:
        """Folder → its stamp and its record's two parts."""
        if self.connection is None:
            return {}
        with self._safely():
            if tops is None:
                rows = self.connection.execute("SELECT folder, stamp, head, points FROM result").fetchall()
            else:
                ranges = [(f"{top}/", f"{top}0") for top in tops]  # "0" follows "/"
                rows = [row for bounds in ranges for row in self.connection.execute(
                    "SELECT folder, stamp, head, points FROM result WHERE folder >= ? AND folder < ?", bounds
                )]  # fmt: skip
            return {folder: tuple(rest) for folder, *rest in rows}
        return {}

    def update(self, new: dict[str, tuple[str, str, str]], benchmarks: dict[str, Benchmark], gone: list[str]) -> None:
        """Remember results, and forget those whose file is no more."""
        if self.connection is None or not (new or gone):
            return
        with self._safely(), self.connection:
            spoken = [(name, benchmark.model_dump_json()) for name, benchmark in benchmarks.items()]
            self.connection.executemany("INSERT OR REPLACE INTO benchmark VALUES (?, ?)", spoken)
            self.connection.executemany(
                "INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?)", ((folder, *rest) for folder, rest in new.items())
            )
            self.connection.executemany("DELETE FROM result WHERE folder = ?", ((folder,) for folder in gone))

    def result(self, head: str, points: str) -> Kept | None:
        """A result from its record, which was checked before it was written; None where it is damaged after all."""
        try:
            fields = json.loads(head)
            return Kept(fields, points, self.benchmark(fields["run"]["benchmark"]))
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
                connection.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {FORM}; COMMIT;")
        if connection.execute("PRAGMA user_version").fetchone()[0] != FORM:
            raise sqlite3.DatabaseError("of another form")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _record(result: Result) -> tuple[str, str]:
    """What is kept of a result: its head, and its checkpoints without what training said."""
    run = result.run
    points = [{"name": point.name, "epoch": point.epoch, "step": point.step, "metrics": point.metrics} for point in result.checkpoints]
    head = {
        "key": result.key,
        "finished": result.finished,
        "environment": {name: result.environment[name] for name in ("precision", "device_name") if name in result.environment},
        "run": {
            "benchmark": hashlib.sha256(run.benchmark.model_dump_json().encode()).hexdigest(),
            "recipe": json.dumps(run.recipe.changed(), sort_keys=True),
            "backbone": run.backbone.model_dump_json(),
            "provenance": json.dumps(run.provenance, sort_keys=True),
            **{name: getattr(run, name) for name in ("method", "method_version", "seed", "parents")},
        },
    }
    return json.dumps(head), json.dumps(points)


@cache
def _recipe(text: str) -> Recipe:
    return Recipe.model_validate_json(text)


@cache
def _backbone(text: str) -> BackboneRef:
    return BackboneRef.model_validate_json(text)


@cache
def _provenance(text: str) -> dict[str, str]:
    return json.loads(text)
