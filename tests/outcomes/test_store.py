"""The store: what is finished is found, what is damaged is named, and a claim has one owner."""

from __future__ import annotations

import os

import fabricated
import pytest

from repro.errors import UserError
from repro.outcomes import store as storing
from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def test_a_finished_run_is_found_by_its_content(store):
    run = fabricated.run("ft", 3)
    assert store.result(run) is None
    result = fabricated.finish(store, run)
    assert store.result(run) == result
    assert store.result(fabricated.run("ft", 4)) is None
    assert sorted(path.name for path in store.folder(run).iterdir()) == ["result.json", "run.json"]
    assert store.folder(run).relative_to(store.root).as_posix() == f"made-up/ft-s3-{run.key}"


def test_run_json_says_what_the_run_is(store):
    run = fabricated.run("lp-ft", parents={"head": "ab" * 10})
    folder = store.claim(run)
    assert type(run).model_validate_json((folder / "run.json").read_text()) == run


def test_a_claim_that_could_not_be_completed_is_given_back(store, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("repro.outcomes.store.write_atomically", full)
        with pytest.raises(OSError, match="No space"):
            store.claim(fabricated.run())
    assert not store.busy(fabricated.run()) and store.claim(fabricated.run()) is not None


def test_names_that_no_folder_can_have(store):
    run = fabricated.run(of=fabricated.benchmark(name="a/b c:d"))
    fabricated.finish(store, run)
    assert store.folder(run).parent == store.root / "a_b_c_d"
    assert store.result(run).run.benchmark.name == "a/b c:d"
    assert len(store.results("a/b c:d")) == 1


def test_finishing_removes_an_earlier_failure_and_the_checkpoint(store):
    run = fabricated.run()
    folder = store.claim(run)
    store.fail(folder, fabricated.failure(run))
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "state.pt").touch()
    store.finish(folder, fabricated.result(run))
    assert store.failure(folder) is None
    assert not (folder / "checkpoint").exists()


def test_a_failure_is_shown_and_never_used_as_a_result(store):
    run = fabricated.run()
    folder = store.claim(run)
    store.fail(folder, fabricated.failure(run, "ValueError: made up"))
    store.release(folder)
    assert store.result(run) is None
    assert store.results() == []
    assert store.failure(folder).error == "ValueError: made up"
    assert store.claim(run) == folder, "it is tried again"


def test_a_damaged_failure_is_no_obstacle(store):
    folder = store.claim(fabricated.run())
    for content in (b'{"key": ', b"\xff\xfe"):
        (folder / "failed.json").write_bytes(content)
        assert store.failure(folder) is None


# result.json


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    path.write_text("old")

    def power_cut(source, target):
        assert source.read_text() == "new"
        assert path.read_text() == "old"
        raise KeyboardInterrupt

    monkeypatch.setattr(storing.os, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        storing.write_atomically(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]
    storing.write_atomically(path, "new")
    assert path.read_text() == "new"


def test_bytes_reach_the_disk_before_the_name_does(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(storing.os, "fsync", lambda descriptor: calls.append("fsync"))
    real = os.replace
    monkeypatch.setattr(storing.os, "replace", lambda *paths: (calls.append("replace"), real(*paths)))
    storing.write_atomically(tmp_path / "x", "x")
    assert calls == ["fsync", "replace"]


def test_a_write_that_fails_leaves_the_run_unfinished(store, monkeypatch):
    run = fabricated.run()
    folder = store.claim(run)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storing.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.finish(folder, fabricated.result(run))
    assert store.result(run) is None
    assert not [path for path in folder.iterdir() if "result" in path.name]


def test_a_damaged_result_is_an_error_or_added_to_a_list_and_never_taken_for_a_missing_one(store):
    run, whole = fabricated.run(), fabricated.finish(store, fabricated.run(seed=1))
    fabricated.finish(store, run)
    (store.folder(run) / "result.json").write_text("{")
    for read in (lambda: store.result(run), store.results, store.frame):
        with pytest.raises(Damaged, match="is damaged") as caught:
            read()
        assert caught.value.folder == store.folder(run)
    damaged: list[Damaged] = []
    assert store.result(run, damaged) is None and store.results(damaged=damaged) == [whole] and store.results("digits", damaged) == []
    assert set(store.frame(damaged).key) == {whole.key}
    assert [one.folder for one in damaged] == [store.folder(run)] * 3


def test_repro_results_warns_of_what_it_leaves_out(tmp_path):
    import repro

    store = Store(tmp_path / "home" / "runs")
    fabricated.finish(store, fabricated.run())
    (store.claim(fabricated.run(seed=1)) / "result.json").write_text("{")
    with pytest.warns(UserWarning, match="^left out: .+ is damaged"):
        assert len(repro.results()) == 4


def test_a_file_in_place_of_the_folder_holds_no_results(tmp_path):
    (tmp_path / "runs").touch()
    store = Store(tmp_path / "runs")
    assert store.result(fabricated.run()) is None
    assert store.results() == []
    with pytest.raises(UserError, match="cannot write to the runs folder"):
        store.prepare()


# finding


def test_a_run_is_found_by_the_first_digits_of_its_key(store):
    runs = [fabricated.run(seed=seed) for seed in range(3)]
    for run in runs:
        fabricated.finish(store, run)
    for run in runs:
        assert store.find(run.key) == store.find(run.key[:6]) == store.folder(run)


@pytest.mark.parametrize("prefix", ["", "abc", "xyzw", "ABCD", "../..", "0" * 21, "****"])
def test_what_is_no_key_is_refused(store, prefix):
    with pytest.raises(UserError, match="is not a run's key"):
        store.find(prefix)


def test_an_unknown_or_ambiguous_prefix(store):
    with pytest.raises(UserError, match="no run's key starts with 0000") as caught:
        store.find("0000")
    assert str(store.root) in caught.value.why
    for name in ("ft-s0-abcd" + "0" * 16, "zero-shot-s0-abcd" + "1" * 16):
        (store.root / "made-up" / name).mkdir(parents=True)
    with pytest.raises(UserError, match="2 runs' keys start with abcd") as caught:
        store.find("abcd")
    assert "zero-shot-s0-abcd1" in caught.value.why
    assert store.find("abcd1").name.startswith("zero-shot")


# the frame


def test_the_frame_has_a_row_per_run_checkpoint_split_and_metric(store):
    points = [fabricated.checkpoint("epoch-1", sketch=0.25), fabricated.checkpoint("epoch-2", sketch=0.75)]
    fabricated.finish(store, fabricated.run(seed=1, lr=0.5, betas=(0.8, 0.9)), *points)
    fabricated.finish(store, fabricated.run("zero-shot"), fabricated.checkpoint("start"))
    frame = store.frame()
    assert len(frame) == (2 + 1) * 4
    picked = frame[(frame.method == "ft") & (frame.split == "sketch")]
    assert picked[["checkpoint", "metric", "value", "seed", "recipe.lr"]].values.tolist() == [
        ["epoch-1", "accuracy", 0.25, 1, 0.5],
        ["epoch-2", "accuracy", 0.75, 1, 0.5],
    ]
    assert set(picked["recipe.betas"]) == {"[0.8, 0.9]"}
    assert frame[frame.method == "zero-shot"]["recipe.lr"].isna().all()
    assert set(frame.benchmark) == {"made-up"} and not frame.tiny.any()


def test_the_frame_marks_the_headline_metric_among_all_and_has_a_row_per_group(store):
    values = {"accuracy": 0.5, "worst_region": 0.4, "region=Asia": 0.4, "region=Africa": 0.6}
    point = fabricated.checkpoint().model_copy(update={"metrics": dict.fromkeys(("id_test", "sketch"), values)})
    fabricated.finish(store, fabricated.run(of=fabricated.with_splits(sketch={"metric": "worst_region"})), point)
    frame = store.frame()
    assert len(frame) == 2 * 4
    assert frame[frame.headline][["split", "metric", "value"]].values.tolist() == [
        ["id_test", "accuracy", 0.5],
        ["sketch", "worst_region", 0.4],
    ]
    assert frame[(frame.split == "sketch") & (frame.metric == "region=Africa")].value.tolist() == [0.6]


def test_the_frame_of_an_empty_store_is_empty(store):
    assert store.frame().empty


def test_results_come_oldest_first(store):
    late = fabricated.finish(store, fabricated.run(seed=0), finished="2026-03-01T00:00:00+00:00")
    early = fabricated.finish(store, fabricated.run(seed=1), finished="2026-02-01T00:00:00+00:00")
    assert store.results() == [early, late]


def test_repro_results_reads_the_users_store(tmp_path):
    import repro

    fabricated.finish(Store(tmp_path / "home" / "runs"), fabricated.run())
    assert len(repro.results()) == 4


def test_a_pipe_is_written_into_and_stays_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    storing.write_atomically(pipe, "a table")
    assert os.read(reading, 100) == b"a table" and pipe.is_fifo()
    os.close(reading)


def test_what_a_killed_process_was_writing_is_gone_when_the_run_is_finished(store):
    run = fabricated.run()
    folder = store.claim(run)
    (folder / ".progress.json.12345.tmp").write_text("{")
    store.finish(folder, fabricated.result(run))
    assert [path.name for path in folder.iterdir() if path.name.endswith(".tmp")] == []
