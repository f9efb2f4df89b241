"""The index of results: what it gives is what the files say, whatever happened to it."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import fabricated
import pytest

from repro.errors import UserError
from repro.outcomes import index
from repro.outcomes.store import Store


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "runs")
    for seed in range(3):
        fabricated.finish(made, fabricated.run("ft", seed, lr=0.01), fabricated.checkpoint(sketch=seed / 10))
    fabricated.finish(made, fabricated.run("lp", of=fabricated.of_digits()))
    return made


def told(found: index.Found) -> list[tuple]:
    return [
        (
            each.key,
            each.run.recipe,
            each.run.benchmark,
            each.run.seed,
            each.run.parents,
            each.run.provenance,
            [p.metrics for p in each.checkpoints],
        )
        for each in found.results
    ]


def files(store: Store) -> list[tuple]:
    return told(index.Found(store.results(), []))


def reads(monkeypatch) -> list:
    """The folders whose result.json is read from now on."""
    seen, read = [], Store.read_result
    monkeypatch.setattr(Store, "read_result", lambda store, folder: seen.append(folder) or read(store, folder))
    return seen


def test_what_the_index_gives_is_what_the_files_say_and_only_new_files_are_read(store, monkeypatch):
    expected = files(store)
    seen = reads(monkeypatch)
    assert told(index.find(store)) == expected and len(seen) == 4
    assert told(index.find(store)) == expected and len(seen) == 4
    assert [each.run.benchmark.name for each in index.find(store, ["digits"]).results] == ["digits"]
    assert index.find(store, []).results == [] and len(seen) == 4
    fabricated.finish(store, fabricated.run("ft", 3))
    assert len(index.find(store, ["made-up"]).results) == 4 and len(seen) == 5


def test_a_changed_or_removed_result_is_never_taken_from_the_index(store):
    index.find(store)
    run = fabricated.run("ft", 0, lr=0.01)
    path = store.folder(run) / "result.json"
    before = path.stat()
    path.write_text(path.read_text().replace('"sketch": {\n     "accuracy": 0.0', '"sketch": {\n     "accuracy": 0.7'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert 0.7 in [each.checkpoints[0].metrics["sketch"]["accuracy"] for each in index.find(store).results]
    store.remove(store.folder(run))
    assert told(index.find(store)) == files(store) and len(files(store)) == 3


@pytest.mark.parametrize("damage", ["garbage", "truncated", "other form", "broken record", "removed"])
def test_a_damaged_index_costs_nothing_but_time(store, damage):
    expected = told(index.find(store))
    path = store.root / index.NAME
    if damage == "garbage":
        path.write_bytes(b"no database" * 100)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "removed":
        path.unlink()
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 7" if damage == "other form" else "UPDATE result SET head = '{'")
        connection.close()
    for _ in range(2):
        assert told(index.find(store)) == expected


def test_without_a_place_for_the_index_the_files_are_read(store, monkeypatch):
    def refuse(*_, **__):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(index.sqlite3, "connect", refuse)
    assert told(index.find(store)) == files(store)
    assert not (store.root / index.NAME).exists()
    assert index.find(Store(store.root / "nowhere")).results == []


def test_several_at_once(store):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: told(index.find(store)), range(8)))
    assert all(each == files(store) for each in found)


def test_failures_are_those_of_runs_without_a_result(store):
    run = fabricated.run("lp-ft")
    folder = store.claim(run)
    store.fail(folder, fabricated.failure(run))
    assert [failure.key for failure in index.find(store).failures] == [run.key]
    fabricated.finish(store, fabricated.run("lp-ft", 1))
    (folder / "result.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        index.find(store)
