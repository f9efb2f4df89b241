"""What was made of results is shown again only while nothing has changed of which it was made."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import damaged_index
import fabricated
import pytest

from repro.errors import UserError
from repro.outcomes import index, stored, unchanged
from repro.outcomes.selection import reported
from repro.outcomes.store import Store
from repro.outcomes.unchanged import Made


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "runs")
    for seed in range(3):
        fabricated.finish(made, fabricated.run("ft", seed))
    fabricated.finish(made, fabricated.run("lp", of=fabricated.of_digits()))
    return made


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program of one file."""
    file = tmp_path / "program" / "display" / "tables.py"
    file.parent.mkdir(parents=True)
    file.write_text("1")
    monkeypatch.setattr(unchanged, "PACKAGE", tmp_path / "program")
    return file


def told(store: Store, benchmarks: list[str] | None) -> Made:
    """The numbers of results and the errors of failures: what tables are made of."""
    found = index.find(store, benchmarks)
    numbers = [f"{result.key} {reported(result, 'last').metrics}" for result in found.results]
    texts = ["\n".join(sorted(numbers)), "– " + "\n".join(failure.error for failure in found.failures)]
    return Made(texts, ["said on the way"], whole=not found.damaged)


def kept(store: Store, benchmarks: list[str] | None = None, asked: str = "table", shape: str = "80") -> bool:
    """Whether it was kept; what is given is what would be made now, in any case."""
    made, known = unchanged.made(store, benchmarks, asked, shape, lambda: told(store, benchmarks))
    assert made == told(store, benchmarks) and isinstance(made, Made)
    return known


def test_what_has_not_changed_is_made_once(store):
    assert [kept(store) for _ in range(3)] == [False, True, True]
    assert [kept(store, ["digits"], "table digits") for _ in range(2)] == [False, True]
    assert kept(Store(store.root)) and kept(store, ["digits"], "table digits")


def test_a_new_a_changed_and_a_removed_result_are_seen_at_once(store):
    run = fabricated.run("ft", 3)
    assert [kept(store), kept(store, ["digits"], "digits")] == [False, False]
    fabricated.finish(store, run)
    assert [kept(store), kept(store)] == [False, True]
    path = store.folder(run) / "result.json"
    path.write_text(stored.text(fabricated.result(run, [fabricated.checkpoint(sketch=0.6)])))
    assert [kept(store), kept(store)] == [False, True]
    other = path.with_name("other.json")
    other.write_text(stored.text(fabricated.result(run, [fabricated.checkpoint(sketch=0.7)])))
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.replace(other, path)  # as long, of the same time: another file
    assert [kept(store), kept(store)] == [False, True]
    store.remove(store.folder(run))
    assert [kept(store), kept(store)] == [False, True]
    assert kept(store, ["digits"], "digits"), "nothing of it has changed"


def test_a_failure_and_its_end_are_seen_at_once(store):
    run = fabricated.run("lp")
    assert not kept(store)
    folder = store.claim(run)
    assert kept(store), "a claim is nothing that is shown"
    store.fail(folder, fabricated.failure(run))
    assert [kept(store), kept(store)] == [False, True]
    store.fail(folder, fabricated.failure(run, "MemoryError: made up"))
    assert [kept(store), kept(store)] == [False, True]
    store.finish(folder, fabricated.result(run))
    assert [kept(store), kept(store)] == [False, True]


def test_another_program_shape_or_question_is_another_text(store, program, monkeypatch):
    assert [kept(store), kept(store)] == [False, True]
    program.write_text("22")
    assert [kept(store), kept(store)] == [False, True]
    program.with_name("render.py").write_text("")
    assert [kept(store), kept(store)] == [False, True]
    program.unlink()
    assert [kept(store), kept(store)] == [False, True]
    (program.parent / "__pycache__").mkdir()
    (program.parent / "__pycache__" / "render.pyc").write_text("")
    assert kept(store), "what Python writes beside it says nothing new"
    assert not kept(store, shape="100") and kept(store, shape="100") and not kept(store)
    assert not kept(store, asked="another") and kept(store)
    monkeypatch.setattr(unchanged.sys, "version", "4.0")
    assert not kept(store)


def test_the_tables_and_the_manifests_are_part_of_the_program():
    files = unchanged.program()
    for part in ("repro/papers/quirks.toml", "repro/outcomes/unchanged.py", "tables/living17.toml", "data_manifests/imagenet.toml"):
        assert sum(f"/{part} " in file for file in files) == 1, part
    assert len(files) > 300 and not any("__pycache__" in file for file in files)


@pytest.mark.parametrize("how", damaged_index.DAMAGES)
def test_a_damaged_index_costs_nothing_but_time(store, how):
    assert [kept(store), kept(store)] == [False, True]
    damaged_index.damage(store.root / index.NAME, how)
    assert [kept(store), kept(store)] == [how == "broken record", True], "the text is whole where a result's entry is not"


def test_what_changes_while_it_is_made_is_not_kept(store):
    def slowly() -> Made:
        before = told(store, None)
        fabricated.finish(store, fabricated.run("ft", 4))
        return before

    made, _ = unchanged.made(store, None, "table", "80", slowly)
    assert made != told(store, None)
    assert [kept(store), kept(store)] == [False, True]


def test_what_lacks_a_damaged_result_is_made_each_time_until_it_is_mended(store):
    run = fabricated.run("ft", 1)
    path = store.folder(run) / "result.json"
    whole = path.read_bytes()
    assert [kept(store), kept(store)] == [False, True]
    path.write_bytes(whole[:-1])
    assert [kept(store), kept(store), kept(store)] == [False] * 3
    assert not kept(store, ["digits"], "digits") and kept(store, ["digits"], "digits"), "nothing of it is damaged"
    before = path.stat()
    path.write_bytes(whole)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [kept(store), kept(store)] == [False, True]
    path.write_bytes(b"")
    assert not kept(store)
    store.remove(path.parent)
    assert [kept(store), kept(store)] == [False, True]


def test_a_mistake_keeps_nothing(store):
    def refuse() -> Made:
        raise UserError("no", "such", "table")

    for _ in range(2):
        with pytest.raises(UserError, match="no"):
            unchanged.made(store, None, "table", "80", refuse)
    assert not kept(store)


def test_without_a_place_for_the_index_it_is_made_each_time(store, monkeypatch):
    def refuse(*_, **__):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(index.sqlite3, "connect", refuse)
    assert [kept(store), kept(store)] == [False, False]
    assert not (store.root / index.NAME).exists()


def test_several_at_once_while_results_arrive(store):
    def look(number: int) -> list[str]:
        if number % 4 == 0:
            fabricated.finish(store, fabricated.run("ft", 10 + number))
        before = {result.key for result in store.results()}
        made, _ = unchanged.made(store, None, "table", "80", lambda: told(store, None))
        return [key for key in before if key not in made.texts[0]]

    with ThreadPoolExecutor(4) as pool:
        missed = list(pool.map(look, range(16)))
    assert missed == [[]] * 16
    assert kept(store) or kept(store)
    assert len(told(store, None).texts[0].splitlines()) == 8
