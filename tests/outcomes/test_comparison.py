"""Two methods on the same examples: the values of the table, the two intervals apart, and the words for them."""

from __future__ import annotations

import fabricated
import kept_predictions
import numpy as np
import pytest
from kept_predictions import labels_of

from repro.errors import UserError
from repro.outcomes.bootstrap import Difference, bootstrap_runs, paired_bootstrap_runs
from repro.outcomes.comparison import compare, sentence
from repro.outcomes.pairing import find
from repro.outcomes.stats import Estimate, t_interval
from repro.outcomes.store import Store
from repro.types import Grouping


def filled(path, of=None, **options) -> Store:
    made = Store(path / "runs")
    for seed in range(3):
        kept_predictions.finish(made, fabricated.run("ft", seed, of=of), 0.70 + 0.01 * seed, **options)
        kept_predictions.finish(made, fabricated.run("lp-ft", seed, of=of), 0.85, **options)
    return made


@pytest.fixture
def store(tmp_path) -> Store:
    return filled(tmp_path)


def predicted(store: Store, method: str, seed: int, split: str, of=None) -> np.ndarray:
    with np.load(store.folder(fabricated.run(method, seed, of=of)) / "predictions.npz") as arrays:
        return arrays[f"best/{split}"].argmax(axis=1)


def test_each_reported_split_by_hand(store):
    """By the checkpoint that id_val selects, not the last; differences of equal seeds; every draw the same for all six runs."""
    made = compare(store, find(store, "lp-ft", "ft"), draws=200)
    assert [one.split for one in made] == ["id_test", "sketch", "clipart"]
    for one in made:
        labels = labels_of(one.split)
        runs = {name: [predicted(store, name, seed, one.split) for seed in range(3)] for name in ("lp-ft", "ft")}
        shares = {name: [(run == labels).mean() for run in own] for name, own in runs.items()}
        assert (one.metric, one.drawn) == ("accuracy", "examples")
        assert (one.a, one.b) == pytest.approx((np.mean(shares["lp-ft"]), np.mean(shares["ft"])))
        assert one.examples == paired_bootstrap_runs("accuracy", list(zip(runs["lp-ft"], runs["ft"], strict=True)), labels, draws=200)
        assert one.examples.mean == pytest.approx(one.a - one.b)
        assert one.seeds == pytest.approx(t_interval([a - b for a, b in zip(shares["lp-ft"], shares["ft"], strict=True)]))


def test_one_split_of_two_keys(store):
    pairs = find(store, fabricated.run("lp-ft", 0).key, fabricated.run("ft", 2).key)
    (one,) = compare(store, pairs, split="id_val", draws=100)
    assert (one.split, one.seeds.half, one.seeds.n) == ("id_val", None, 1)
    assert one.sentence.endswith("one pair of runs says nothing of another training.")
    with pytest.raises(UserError, match="no split judged by both 'sketsch'") as caught:
        compare(store, pairs, split="sketsch")
    assert caught.value.why == "did you mean 'sketch'?"


def test_predictions_are_chosen_among_the_splits_classes(tmp_path):
    """Where only one class may be predicted, two methods cannot differ."""
    store = filled(tmp_path, fabricated.with_splits(sketch={"classes": (1,)}))
    examples = {one.split: one.examples for one in compare(store, find(store, "lp-ft", "ft"), draws=20)}
    assert examples["sketch"].mean == 0.0 and examples["id_test"].mean > 0.1


def test_classes_that_count_as_one_are_one_in_the_bootstrap(tmp_path):
    """Of three classes the latter two count as one: what either method predicts of class 2 is held against class 1."""
    kinds = {"classes": ("a", "b", "c")}
    of = fabricated.with_splits(sketch={"classes": (0, (1, 2))}).model_copy(update=kinds)
    store = filled(tmp_path, of)
    pairs = find(store, fabricated.run("lp-ft", 0, of=of).key, fabricated.run("ft", 0, of=of).key)
    (one,) = compare(store, pairs, split="sketch", draws=200)
    labels = labels_of("sketch", 3)
    folded = [np.minimum(predicted(store, name, 0, "sketch", of), 1) for name in ("lp-ft", "ft")]
    assert (labels == 2).any(), "which is no label where the two are one"
    assert one.examples == paired_bootstrap_runs("accuracy", [tuple(folded)], labels, draws=200)


def test_the_worst_group_leaves_out_what_the_benchmark_ignores(tmp_path):
    of = fabricated.with_splits(sketch={"metric": "worst_region"})
    of = of.model_copy(update={"groupings": (Grouping(name="region", values=("a", "b", "c", "d"), ignored=("c",)),)})
    store = filled(tmp_path, of)
    (one,) = compare(store, find(store, "lp-ft", "ft"), split="sketch", draws=100)
    assert one.metric == "worst_region"
    groups = kept_predictions.groups_of(of, "sketch")["region"]
    counted = np.where(groups == 2, -1, groups)
    expected = [
        bootstrap_runs("worst_region", [predicted(store, "ft", seed, "sketch", of)], labels_of("sketch"), counted, draws=1)
        for seed in range(3)
    ]
    assert one.b == pytest.approx(np.mean([run.mean for run in expected]))
    assert one.examples.mean == pytest.approx(one.a - one.b)


def test_of_iwildcam_whole_cameras_are_drawn(tmp_path):
    of = fabricated.benchmark(name="iwildcam", metric="macro_f1")
    store = filled(tmp_path, of, groups=("location",))
    (one,) = compare(store, find(store, "lp-ft", "ft"), split="sketch", draws=100)
    cameras = kept_predictions.groups_of(of, "sketch", ("location",))["location"]
    pairs = [tuple(predicted(store, method, seed, "sketch", of) for method in ("lp-ft", "ft")) for seed in range(3)]
    assert one.drawn == "cameras"
    assert one.examples == paired_bootstrap_runs("macro_f1", pairs, labels_of("sketch"), clusters=cameras, draws=100)
    assert one.examples.mean == pytest.approx(one.a - one.b)


def test_of_iwildcam_without_cameras_nothing_is_compared(tmp_path):
    store = filled(tmp_path, fabricated.benchmark(name="iwildcam"))
    with pytest.raises(UserError, match="has not kept of which location"):
        compare(store, find(store, "lp-ft", "ft"))


# what has no predictions


def spoil(store: Store, **arrays) -> str:
    """Other arrays in one run's file; the run's key."""
    run = fabricated.run("ft", 1)
    path = store.folder(run) / "predictions.npz"
    with np.load(path) as old:
        kept = {name: old[name] for name in old.files if name not in arrays}
    np.savez(path, **kept, **{name: value for name, value in arrays.items() if value is not None})
    return run.key


def test_predictions_that_were_not_kept(store):
    key = spoil(store, **{"best/sketch": None})
    with pytest.raises(UserError) as caught:
        compare(store, find(store, "lp-ft", "ft"))
    assert caught.value.what == f"run {key} has kept no predictions of sketch at best" and caught.value.cure.startswith("rm -r ")
    (store.folder(fabricated.run("ft", 1)) / "predictions.npz").unlink()
    with pytest.raises(UserError, match="has kept no predictions of id_test at best"):
        compare(store, find(store, "lp-ft", "ft"))
    with pytest.raises(UserError, match="has kept no predictions of id_test at last"):
        compare(store, find(store, "lp-ft", "ft"), rule="last")


def test_a_damaged_file(store):
    path = store.folder(fabricated.run("ft", 1)) / "predictions.npz"
    for content in (path.read_bytes()[:3000], b"", b"nothing"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is damaged"):
            compare(store, find(store, "lp-ft", "ft"))


def test_other_examples(store):
    key = spoil(store, **{"labels/id_test": 1 - labels_of("id_test")})
    with pytest.raises(UserError, match=f"{key} have other labels on id_test"):
        compare(store, find(store, "lp-ft", "ft"))


# the words


@pytest.mark.parametrize(
    ("low", "high", "half", "said"),
    [
        (0.01, 0.03, 0.01, "neither other examples nor another training would be likely to change the sign"),
        (0.01, 0.03, 0.05, "other examples would hardly change the sign, another training might"),
        (-0.01, 0.05, 0.01, "another training would hardly change the sign, other examples might"),
        (-0.01, 0.05, 0.05, "other examples or another training might change the sign, so no difference is shown"),
        (0.01, 0.03, None, "other examples would hardly change the sign; one pair of runs says nothing of another training"),
        (-0.01, 0.05, None, "other examples would perhaps change the sign; one pair of runs says nothing of another training"),
    ],
)
def test_the_words(low, high, half, said):
    seeds = Estimate(0.02, half, 1 if half is None else 3)
    assert (
        sentence("a", "b", "sketch", Difference(0.02, low, high, 0.5, 1000), "examples", seeds)
        == f"a is 2.0 points above b on sketch: {said}."
    )
    turned = sentence("a", "b", "sketch", Difference(-0.02, -high, -low, 0.5, 1000), "examples", seeds._replace(mean=-0.02))
    assert turned == f"a is 2.0 points below b on sketch: {said}."


def test_no_difference_has_no_sign():
    said = sentence("a", "b", "sketch", Difference(0.0002, -0.01, 0.01, 0.9, 1000), "cameras", Estimate(0.0002, 0.01, 3))
    assert (
        said
        == "a and b are equal on sketch to a tenth of a point: other cameras or another training might change the sign, so no difference is shown."
    )


def test_predictions_whose_hash_is_not_the_recorded_one(store):
    """Whole and readable, and yet not what the run wrote."""
    a, b = fabricated.run("lp-ft", 7), fabricated.run("ft", 7)
    kept_predictions.finish(store, a, files={"predictions.npz": "0" * 64})
    kept_predictions.finish(store, b)
    with pytest.raises(UserError, match="is damaged") as caught:
        compare(store, find(store, a.key, b.key))
    assert "its hash is not the one that the run's result records" in caught.value.why
