"""What separates two results, aspect by aspect, and the sentence about it."""

from __future__ import annotations

import fabricated
import numpy as np
import pytest

from repro.outcomes import difference
from repro.outcomes.difference import Difference, compare
from repro.outcomes.finished import Finished
from repro.outcomes.store import Store
from repro.types import BackboneRef, Run, Split

HERE = {"repro": "1", "commit": "c" * 40, "dirty": False, "packages": {"torch": "2", "numpy": "3"}, "device": "cpu", "threads": 1}


@pytest.fixture
def stores(tmp_path):
    """Two stores, so that one key can have two results."""
    return Store(tmp_path / "first"), Store(tmp_path / "second")


def put(store: Store, run: Run, *points, **changes) -> Finished:
    result = fabricated.finish(store, run, *points, **{"environment": HERE, **changes})
    return Finished(result, store.folder(run))


def named(found: Difference) -> list[tuple[str, str]]:
    return [(change.aspect, change.title) for change in found.changes]


def test_equal_results_of_two_stores_are_identical(stores):
    found = compare(*(put(store, fabricated.run("ft")) for store in stores))
    assert found.changes == () and found.exact and not found.same
    assert found.verdict == "identical: same run, same environment, and every number agrees bit for bit"


def test_the_times_are_no_difference(stores):
    runs = [put(store, fabricated.run("ft"), seconds={"total": seconds}) for store, seconds in zip(stores, (1.0, 9.0), strict=True)]
    assert compare(*runs).exact


SETTINGS = {  # what the second run has otherwise → the changes, and the sentence's beginning
    "seed": (fabricated.run("ft", 1), [("seed", "seed")], "they differ by the seed alone: "),
    "setting": (fabricated.run("ft", lr=0.5), [("recipe", "lr")], "they differ by a setting (lr "),
    "data": (
        fabricated.run("ft", of=fabricated.benchmark(data="1" * 64)),
        [("benchmark", "data")],
        "they differ by a setting (data 000000000000… → 1",
    ),
    "count": (
        fabricated.run("ft", of=fabricated.with_splits(sketch={"count": 7})),
        [("benchmark", "split sketch")],
        "they differ by a setting (split sketch role ood_test → role ood_test, count 7)",
    ),
    "apart": (
        fabricated.run("ft").model_copy(update={"apart": {"cifar10-c": "2" * 64}}),
        [("benchmark", "cifar10-c")],
        "they differ by a setting (cifar10-c – → 222222222222…)",
    ),
    "version": (
        fabricated.run("ft").model_copy(update={"method_version": 9}),
        [("method", "method version")],
        "they differ by a setting (method version ",
    ),
    "weights": (
        fabricated.run("ft").model_copy(update={"backbone": BackboneRef(name="digits-clip", weights="ab" * 32)}),
        [("backbone", "weights")],
        "they differ by a setting (weights – → abababababab…)",
    ),
    "parent": (
        fabricated.run("ft", parents={"backbone": "e" * 20}),
        [("parents", "backbone")],
        f"they differ by a setting (backbone {'f' * 20} → {'e' * 20})",
    ),
    "several": (
        fabricated.run("ft", 1, lr=0.5, momentum=0.5, of=fabricated.benchmark(version=2)),
        [("benchmark", "version"), ("recipe", "lr"), ("recipe", "momentum"), ("seed", "seed")],
        "they differ by 4 settings (version 1 → 2; lr ",
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_a_key_says_is_compared_in_order(stores, name):
    other, changes, sentence = SETTINGS[name]
    found = compare(put(stores[0], fabricated.run("ft")), put(stores[1], other))  # a count is in no key
    assert named(found) == changes
    assert found.verdict.startswith(sentence), found.verdict


def test_a_setting_that_means_nothing_to_a_method_has_no_value_there(stores):
    one, other = fabricated.run("ft", lr=0.5, lp_c_count=7), fabricated.run("lp", lr=0.25, lp_c_count=9, crops=(1, 2))
    found = compare(put(stores[0], one), put(stores[1], other))
    told = {change.name: (change.first, change.second) for change in found.changes if change.aspect == "recipe"}
    assert told == {"lr": (0.5, None), "epochs": (20, None), "lp_c_count": (None, 9)}


def test_packs_of_other_content_are_told_though_the_key_is_one(stores):
    packs = ({"train": "a", "id_val": "b"}, {"train": "c", "id_val": "b", "id_test": "d"})
    found = compare(*(put(store, fabricated.run("ft"), extras={"packs": own}) for store, own in zip(stores, packs, strict=True)))
    assert named(found) == [("images", "pack of train")]
    assert found.verdict.startswith("they differ by a setting (pack of train a → c): ")


def test_parents_are_compared_to_the_root(stores):
    """wise-ft's end is an lp-ft, whose head is a probe of another C."""
    ends = []
    for least in (1e-7, 1e-3):
        probe = put(stores[0], fabricated.run("lp", lp_c_min=least))
        tuned = put(stores[0], fabricated.run("lp-ft", parents={"head": probe.result.key}))
        ends.append(put(stores[0], fabricated.run("wise-ft", parents={"end": tuned.result.key})))
    found = compare(*ends)
    assert named(found) == [("recipe", "end head: lp_c_min")]
    assert found.verdict.startswith("they differ by a setting (end head: lp_c_min 1e-07 → 0.001)")


def test_a_parent_of_one_key_may_have_other_numbers(stores):
    runs = []
    for store, value in zip(stores, (0.5, 0.6), strict=True):
        probe = put(store, fabricated.run("lp"), fabricated.checkpoint(id_val=value))
        runs.append(put(store, fabricated.run("lp-ft", parents={"head": probe.result.key})))
    assert named(compare(*runs)) == [("parents", "head: numbers")]


def test_the_environment_is_compared_in_order(stores):
    there = {
        "packages": {"torch": "2", "numpy": "4"},
        "repro": "1",
        "commit": "d" * 40,
        "dirty": False,
        "deterministic": {"tf32_matmul": True},
        "precision": "bf16",
        "threads": 2,
        "device": "cuda:0",
        "cuda": "13",
    }
    here = HERE | {"deterministic": {"tf32_matmul": False}, "precision": "fp32", "cuda": None}
    found = compare(put(stores[0], fabricated.run("ft"), environment=here), put(stores[1], fabricated.run("ft"), environment=there))
    assert named(found) == [
        ("software", "commit"),
        ("software", "numpy"),
        ("software", "cuda"),
        ("device", "device"),
        ("threads", "threads"),
        ("precision", "precision"),
        ("determinism", "tf32_matmul"),
    ]
    assert found.settings == () and len(found.environment) == 7
    assert found.verdict == (
        "the same run in another environment (commit cccccccccccc… → dddddddddddd…; numpy 3 → 4; cuda – → 13; device cpu → cuda:0; 3 more): "
        "every number agrees bit for bit"
    )


def _predict(run: Finished, logits: np.ndarray, labels: np.ndarray, name: str = "epoch-1") -> None:
    np.savez(run.folder / "predictions.npz", **{"labels/id_test": labels, f"{name}/id_test": logits})


@pytest.mark.parametrize("dirty", [False, True])
def test_noise_is_sized(stores, dirty):
    """Of ten examples one is predicted otherwise, by a logit that is 3 higher; accuracy falls by 10 points, elsewhere rises by 2."""
    points = (fabricated.checkpoint(id_test=0.9, sketch=0.5), fabricated.checkpoint(id_test=0.8, sketch=0.52))
    environment = HERE | {"dirty": dirty}
    runs = [put(store, fabricated.run("ft"), point, environment=environment) for store, point in zip(stores, points, strict=True)]
    labels, logits = np.zeros(10, np.int64), np.tile(np.float32([1, 0]), (10, 1))
    _predict(runs[0], logits, labels)
    _predict(runs[1], logits + np.float32([[0, 3 * (row == 4)] for row in range(10)]), labels)
    found = compare(*runs)
    assert {shift.split: round(shift.points, 6) for shift in found.shifts} == {"id_val": 0, "id_test": -10, "sketch": 2, "clipart": 0}
    (own,) = found.outputs.splits
    assert (own.split, own.largest, own.changed, own.examples) == ("id_test", 3.0, 1, 10)
    assert not found.exact
    untold = difference.UNTOLD if dirty else ""
    expected = (
        "same key and environment, and the numbers differ: noise of 10 points at most (id_test), logits by up to 3, 1 of 10 predictions"
    )
    assert found.verdict == expected + untold


def test_predictions_of_other_examples_are_not_compared(stores):
    runs = [put(store, fabricated.run("ft")) for store in stores]
    _predict(runs[0], np.zeros((4, 2)), np.zeros(4, np.int64))
    _predict(runs[1], np.zeros((4, 2)), np.ones(4, np.int64))
    assert compare(*runs).outputs is None
    _predict(runs[1], np.zeros((4, 3)), np.zeros(4, np.int64))
    assert compare(*runs).outputs is None
    (runs[1].folder / "predictions.npz").write_bytes(b"PK damaged")
    assert compare(*runs).outputs is None


def test_numbers_are_compared_where_the_rule_selects(stores):
    points = [fabricated.checkpoint("epoch-1", id_val=0.9, id_test=0.7), fabricated.checkpoint("epoch-2", id_val=0.8, id_test=0.6)]
    runs = [put(stores[0], fabricated.run("ft"), *points), put(stores[1], fabricated.run("ft"), *reversed(points))]
    assert compare(*runs).checkpoints == ("epoch-1", "epoch-1")
    last = compare(*runs, rule="last")
    assert last.checkpoints == ("epoch-2", "epoch-1") and [shift.points for shift in last.shifts if shift.split == "id_test"] == [
        pytest.approx(10)
    ]
    assert not last.exact, "in another order, checkpoints are others"


def test_splits_that_one_alone_has_or_measures_otherwise_are_left_out(stores):
    other = fabricated.with_splits(sketch={"metric": "macro_f1"}, clipart={"name": "painting"})
    found = compare(put(stores[0], fabricated.run("ft")), put(stores[0], fabricated.run("ft", of=other)))
    assert [shift.split for shift in found.shifts] == ["id_val", "id_test"]
    alone = fabricated.benchmark(splits=(Split(name="elsewhere", role="id_test", column="ID"),), version=2)
    point = fabricated.checkpoint().model_copy(update={"metrics": {"elsewhere": {"accuracy": 0.5}}})
    found = compare(put(stores[0], fabricated.run("lp")), put(stores[0], fabricated.run("lp", of=alone), point))
    assert found.shifts == () and found.verdict.endswith("no split was judged by the same metric in both")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (1e-7, "1e-07"), ([1, 2], "1,2"), (list("abcde"), "5 entries"), ({"a": 1, "b": None}, "a 1"), ("e" * 30, "e" * 12 + "…")],
)
def test_values_are_spelled_shortly(value, text):
    assert difference.short(value) == text
