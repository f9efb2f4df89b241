"""The index of results: what it gives is what the files say, whatever happened to it."""

from __future__ import annotations

import gc
import os
import sqlite3
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import damaged_index
import fabricated
import pytest

from repro.errors import UserError
from repro.outcomes import index, stored
from repro.outcomes.selection import RULES, reported
from repro.outcomes.store import Store


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "runs")
    for seed in range(3):
        points = [fabricated.checkpoint(f"epoch-{place}", sketch=seed / 10, id_val=(5 - place) / 10) for place in range(3)]
        fabricated.finish(made, fabricated.run("ft", seed, lr=0.01), *points)
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
            len(each.checkpoints),
            [reported(each, rule).metrics for rule in ("id_val", "last", "oracle")],
        )
        for each in found.results
    ]


def files(store: Store) -> list[tuple]:
    return told(index.Found(store.results(), []))


def reads(monkeypatch) -> list:
    """The folders whose result.json is read from now on."""
    seen, read = [], Store.read_result
    monkeypatch.setattr(Store, "read_result", lambda store, folder, *given: seen.append(folder) or read(store, folder, *given))
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


def test_what_no_rule_reports_is_read_from_the_file(store, monkeypatch):
    whole = store.results()
    index.find(store)
    seen = reads(monkeypatch)
    found = index.find(store).results
    for kept, result in zip(found, whole, strict=True):
        assert [reported(kept, rule).metrics for rule in RULES if rule != "ood_val"] == [
            reported(result, rule).metrics for rule in RULES if rule != "ood_val"
        ]
        with pytest.raises(UserError, match="no split for selection by ood_val"):
            reported(kept, "ood_val")
        assert len(kept.checkpoints) == len(result.checkpoints) and kept.checkpoints[-1].metrics == result.checkpoints[-1].metrics
    assert sorted(len(kept.checkpoints) for kept in found) == [1, 3, 3, 3] and not seen
    assert [kept.checkpoints for kept in found] != [result.checkpoints for result in whole]
    assert [tuple(kept.checkpoints) for kept in found] == [result.checkpoints for result in whole] and len(seen) == 4
    store.remove(store.folder(found[0].run))
    with pytest.raises(UserError, match="is gone"):
        found[0].checkpoints[0]


def test_a_result_is_freed_without_the_collector_of_cycles(store):
    """A table is built without it."""
    gc.disable()
    try:
        freed = [weakref.ref(result) for result in index.find(store).results]
        assert len(freed) == 4 and not any(result() for result in freed)
    finally:
        gc.enable()


def test_an_index_of_other_rules_is_not_read(store, monkeypatch):
    index.find(store)
    monkeypatch.setattr(index, "form", lambda: 7)
    seen = reads(monkeypatch)
    assert told(index.find(store)) == files(store) and len(seen) == 8


def test_a_changed_or_removed_result_is_never_taken_from_the_index(store):
    index.find(store)
    run = fabricated.run("ft", 0, lr=0.01)
    path = store.folder(run) / "result.json"
    before = path.stat()
    path.write_text(stored.text(fabricated.result(run, [fabricated.checkpoint(sketch=0.7)])))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert 0.7 in [reported(each, "id_val").metrics["sketch"]["accuracy"] for each in index.find(store).results]
    store.remove(store.folder(run))
    assert told(index.find(store)) == files(store) and len(files(store)) == 3


@pytest.mark.parametrize("how", damaged_index.DAMAGES)
def test_a_damaged_index_costs_nothing_but_time(store, how):
    expected = told(index.find(store))
    damaged_index.damage(store.root / index.NAME, how)
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
    (folder / "result.json").write_text("{")
    found = index.find(store)
    assert not found.failures and [one.folder for one in found.damaged] == [folder]


def damaged(found: index.Found) -> list[str]:
    return [one.key for one in found.damaged]


def test_a_damaged_result_is_left_out_until_it_is_mended(store, monkeypatch):
    run, expected = fabricated.run("ft", 0, lr=0.01), told(index.find(store))
    path = store.folder(run) / "result.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    seen = reads(monkeypatch)
    for number in (1, 2, 3):
        found = index.find(store)
        assert damaged(found) == [run.key] and told(found) == [each for each in expected if each[0] != run.key]
        assert [folder.name for folder in seen] == [path.parent.name] * number, "the others are read from the index"
    assert damaged(index.find(store, ["made-up"])) == [run.key] and not index.find(store, ["digits"]).damaged
    path.write_bytes(whole)
    assert told(index.find(store)) == expected and not index.find(store).damaged
    path.write_bytes(b"")
    assert damaged(index.find(store)) == [run.key]
    store.remove(path.parent)
    assert len(index.find(store).results) == 3 and not index.find(store).damaged


def test_what_becomes_readable_again_without_any_change_is_seen(store, monkeypatch):
    """Of a disk or a network that was away."""
    expected, run = files(store), fabricated.run("ft", 0, lr=0.01)
    with monkeypatch.context() as patch:
        read_text = Path.read_text
        patch.setattr(Path, "read_text", lambda path, **given: read_text(path if run.key not in str(path) else path.parent, **given))
        assert damaged(index.find(store)) == [run.key]
    assert told(index.find(store)) == expected


def test_a_folder_that_nobody_may_look_into_is_a_damaged_result(store, monkeypatch):
    expected, run = told(index.find(store)), fabricated.run("ft", 0, lr=0.01)

    def refusing(call):
        def of(path, *given, **named):
            if str(path) == str(store.folder(run) / "result.json"):
                raise PermissionError(13, "Permission denied")
            return call(path, *given, **named)

        return of

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refusing(os.stat))
        patch.setattr(Path, "read_text", refusing(Path.read_text))
        (error,) = index.find(store).damaged
        assert (error.key, error.why) == (run.key, "Permission denied") and len(index.find(store).results) == 3
    assert told(index.find(store)) == expected
