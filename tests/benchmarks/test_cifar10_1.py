"""CIFAR-10.1: train, ID and OOD splits out of five data sets' official files, and what is needed of them."""

from __future__ import annotations

import os
import pickle

import hand_made
import numpy as np
import pytest
from tiny_digits import places_at

from repro.benchmarks import cifar10_1
from repro.errors import UserError
from repro.outcomes.selection import possible
from repro.papers import rows
from repro.planning.plan import Plan, Request, make
from repro.reading import official
from repro.reading.loading import load
from repro.types import Benchmark, Split

SMALL = {
    "train": (50, 5),
    "id_val": (10, 1),
    "v6": (20, 2),
    "v4": (21, None),
    "10.2-test": (20, 2),
    "10.2-train": (50, None),
    "stl10": (27, 3),
    "cifar10-c": (190, 19),
}


@pytest.fixture
def places(tmp_path):
    """All five data sets with as many images as SMALL says; STL-10 has three more, of monkeys."""
    places = places_at(tmp_path)
    hand_made.cifar10(places.data / "cifar10", 10)
    hand_made.cifar10_1(places.data / "cifar10.1", {"v4": 21, "v6": 20})
    hand_made.cifar10_2(places.data / "cifar10.2", {"train": 50, "test": 20})
    hand_made.stl10(places.data / "stl10", 30)
    hand_made.cifar10_c(places.data / "cifar10-c", 10)
    return places


def small(places) -> Benchmark:
    """The benchmark with the counts of the small copies in place of the published ones."""
    benchmark = cifar10_1.describe({}, places)
    changed = [split.model_copy(update=dict(zip(("count", "per_class"), SMALL[split.name], strict=True))) for split in benchmark.splits]
    return benchmark.model_copy(update={"splits": tuple(changed)})


def refused(benchmark: Benchmark, split: str | Split) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        load(benchmark, benchmark.split(split) if isinstance(split, str) else split)
    return caught.value.lines()


def test_the_published_counts_are_declared(places):
    benchmark = cifar10_1.describe({}, places)
    assert [(split.name, split.role, split.column, split.headline, split.count, split.per_class) for split in benchmark.splits] == [
        ("train", "train", None, True, 50_000, 5000),
        ("id_val", "id_val", "ID", True, 10_000, 1000),
        ("v6", "ood_test", "OOD", True, 2000, 200),
        ("v4", "ood_test", "OOD", False, 2021, None),
        ("10.2-test", "ood_test", "OOD", False, 2000, 200),
        ("10.2-train", "ood_test", "OOD", False, 10_000, None),
        ("stl10", "ood_test", "OOD", False, 7200, 800),
        ("cifar10-c", "ood_val", None, True, 190_000, 19_000),
    ]
    assert benchmark.classes == hand_made.CIFAR
    assert benchmark.needs == tuple(benchmark.roots) == ("cifar10", "cifar10.1", "cifar10.2", "stl10")


@pytest.mark.parametrize("split", ["train", "id_val", "v6", "v4", "10.2-test", "10.2-train", "stl10"])
def test_another_count_than_the_published_is_refused(places, split):
    published = cifar10_1.describe({}, places)
    what, why, cure = refused(published, split)
    assert what == f"{split} of cifar10.1 has {SMALL[split][0]} examples"
    assert why == f"the published split has {published.split(split).count:,}"
    assert cure == "repro data verify cifar10 cifar10.1 cifar10.2 stl10 --full"


def test_a_wrong_count_of_the_searched_split_names_its_own_data_set(places):
    lines = refused(cifar10_1.describe({}, places), "cifar10-c")
    assert lines == ("cifar10-c of cifar10.1 has 190 examples", "the published split has 190,000", "repro data verify cifar10-c --full")
    assert refused(small(places), small(places).split("cifar10-c").model_copy(update={"per_class": 20}))[2] == lines[2]


def test_each_split_is_read_from_its_own_files(places, tmp_path):
    benchmark, again = small(places), tmp_path / "again"
    laid = {"train": hand_made.cifar10(again / "a", 10)["train"], "id_val": hand_made.cifar10(again / "b", 10)["test"]}
    laid |= {part: arrays for part, arrays in hand_made.cifar10_1(again / "c", {"v4": 21, "v6": 20}).items()}
    laid |= {f"10.2-{part}": arrays for part, arrays in hand_made.cifar10_2(again / "d", {"train": 50, "test": 20}).items()}
    for split, (images, labels) in laid.items():
        examples = load(benchmark, benchmark.split(split))
        assert examples.labels.tolist() == labels.tolist() and np.array_equal(np.stack(examples.sources), images), split
    assert len(laid) == 6


def test_stl10_comes_without_monkeys_in_cifars_labels(places, tmp_path):
    assert cifar10_1.STL_TO_CIFAR == (0, 2, 1, 3, 4, 5, 7, -1, 8, 9)  # LP-FT's map
    images, labels = hand_made.stl10(tmp_path / "again", 30)
    examples = load(small(places), small(places).split("stl10"))
    kept = [number for number, label in enumerate(labels) if hand_made.STL[label] != "monkey"]
    spoken = {"car": "automobile"}
    expected = [spoken.get(hand_made.STL[labels[number]], hand_made.STL[labels[number]]) for number in kept]
    assert len(kept) == 27 and [hand_made.CIFAR[label] for label in examples.labels] == expected
    assert np.array_equal(np.stack(examples.sources), images[kept]) and "frog" not in expected


def test_classes_that_are_not_balanced_are_told(places):
    path = places.data / "cifar10.1" / "cifar10.1_v6_labels.npy"
    labels = np.load(path)
    labels[labels == 3] = 5
    np.save(path, labels)
    what, why, _ = refused(small(places), "v6")
    assert what == "v6 of cifar10.1 has another number of examples of dog (4)" and why == "the published split has 2 of each class"


def test_a_missing_file_a_wrong_label_and_a_malicious_pickle_are_told(places, tmp_path):
    class Command:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    folder = places.data / "cifar10" / "cifar-10-batches-py"
    (folder / "test_batch").unlink()
    assert refused(small(places), "id_val")[:2] == (f"cannot read {folder / 'test_batch'}", "No such file or directory")
    (folder / "data_batch_1").write_bytes(hand_made.python2_batch("x", np.zeros((1, 3072), np.uint8), [11]))
    assert refused(small(places), "train")[1] == "labels go from 11 to 11, there are the 10 classes 0 to 9"
    (folder / "data_batch_1").write_bytes(pickle.dumps({"data": Command()}, protocol=2))
    assert f"it names {os.name}.system" in refused(small(places), "train")[1] and not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("ood", "splits", "needs"),
    [
        ("v6", ["v6"], ("cifar10", "cifar10.1")),
        ("stl10", ["v6", "stl10"], ("cifar10", "cifar10.1", "stl10")),
        (" 10.2-train , v6,", ["v6", "10.2-train"], ("cifar10", "cifar10.1", "cifar10.2")),
    ],
)
def test_only_what_the_wanted_splits_are_of_is_needed(places, ood, splits, needs):
    benchmark = cifar10_1.describe({"ood": ood}, places)
    assert [split.name for split in benchmark.splits] == ["train", "id_val", *splits, "cifar10-c"]
    assert benchmark.needs == tuple(benchmark.roots) == needs and benchmark.options == {"ood": tuple(splits)}
    tiny = cifar10_1.describe({"ood": ood}, places, True)
    assert tiny.needs == () and tuple(tiny.roots) == needs and tiny.splits[0] == official.SYNTHETIC


def test_naming_every_split_asks_the_same_as_naming_none(places):
    every = cifar10_1.describe({"ood": "stl10,v4,v6,10.2-test,10.2-train"}, places)
    assert every == cifar10_1.describe({}, places) and every.options == {}
    assert cifar10_1.describe({"ood": "v6"}, places).identity() != every.identity()


def test_a_wrong_split_suggests_the_nearest_and_other_options_are_refused(places):
    with pytest.raises(UserError) as caught:
        cifar10_1.describe({"ood": "v6,stl"}, places)
    assert caught.value.lines() == (
        "--ood: cifar10.1 has no split 'stl'",
        "did you mean 'stl10'?",
        "for example repro run cifar10.1 --ood v6,v4",
    )
    with pytest.raises(UserError) as caught:
        cifar10_1.describe({"ood": "imagenet"}, places)
    assert caught.value.why == "there are v6, v4, 10.2-test, 10.2-train, stl10"
    with pytest.raises(UserError, match=r"cifar10\.1 takes no --root"):
        cifar10_1.describe({"ood": "v6", "root": "x"}, places)


def test_the_tiny_subset_holds_every_class_that_a_split_has(tmp_path):
    benchmark = cifar10_1.describe({}, places_at(tmp_path), True)
    for split in benchmark.splits:
        labels = load(benchmark, split).labels
        assert (split.count, split.per_class) == (None, None)
        assert set(labels.tolist()) == set(range(10)) - ({6} if split.name == "stl10" else set()), split.name


def test_recipes_are_those_of_the_paper():
    found = rows.rows_of("cifar10.1")
    assert rows.paper_of("cifar10.1", None).methods == ("lp", "ft", "lp-ft")
    for method, winner in (("ft", 1e-3), ("lp-ft", 1e-4)):
        recipe = found[method].recipe
        assert len(recipe["lr"]) == 6 and winner in recipe["lr"] and found[method].quick == {"lr": winner}
        assert (recipe["epochs"], recipe["batch_size"], recipe["resize"], recipe["image_size"]) == (20, 64, "squash", 224)
        assert "augment" not in recipe and recipe["std"] == [0.228, 0.224, 0.225]


# the split that only a search looks at


def test_the_searched_split_is_severity_5_of_every_corruption(places, tmp_path):
    arrays, labels = hand_made.cifar10_c(tmp_path / "again", 10)
    examples = load(small(places), small(places).split("cifar10-c"))
    expected = np.concatenate([arrays[name][40:] for name in sorted(arrays)])
    assert np.array_equal(np.stack(list(examples.sources)), expected) and examples.labels.tolist() == 19 * labels[40:].tolist()


def test_nothing_is_judged_chosen_or_taken_as_another_benchmark_by_it(places):
    benchmark = cifar10_1.describe({}, places)
    assert benchmark.with_role("ood_val") == () and "cifar10-c" not in [split.name for split in benchmark.judged]
    assert [split.name for split in benchmark.searchable("ood_val")] == ["cifar10-c"]
    assert not possible("ood_val", benchmark, [split.name for split in benchmark.splits])
    without = benchmark.model_copy(update={"splits": benchmark.splits[:-1]})
    assert without.identity() == benchmark.identity()


def planned_as(places, *methods: str, tiny: bool = False) -> Request:
    benchmark = cifar10_1.describe({}, places, tiny)
    network = {} if tiny else {"backbone": "clip-vit-b-16", "weights": "x", "weights_hash": "0" * 64}
    return Request(benchmark, methods, (0,), paper="autoft", **network)


def planned(places, *methods: str, tiny: bool = False) -> Plan:
    return make(planned_as(places, *methods, tiny=tiny))


def test_only_a_search_needs_its_data_set_and_is_named_by_its_content(places, monkeypatch):
    usual = ("cifar10", "cifar10.1", "cifar10.2", "stl10")
    assert planned(places, "ft", "flyp").needs == usual and planned(places, "autoft", "ft").needs == (*usual, "cifar10-c")
    assert planned(places, "autoft", tiny=True).needs == ()
    before = {run.method: run for run in planned(places, "ft", "autoft").runs}
    assert [name for name, run in before.items() if run.apart] == ["autoft-search"]
    assert "apart" not in before["ft"].identity() and before["autoft-search"].identity()["apart"].keys() == {"cifar10-c"}
    monkeypatch.setattr(official, "content", lambda name: [name, "other"] if name == "cifar10-c" else official.manifest.load(name).name)
    after = {run.method: run for run in planned(places, "ft", "autoft").runs}
    other = {run.method: run for run in planned(places, "ft", "autoft").runs}
    assert after["autoft-search"].apart == other["autoft-search"].apart != before["autoft-search"].apart
    assert after["autoft"].parents != before["autoft"].parents


def test_what_the_release_draws_is_four_fifths_of_a_hundred_uniformly(places):
    found = rows.rows_of("cifar10.1", "autoft")["autoft"]
    assert (found.recipe["search_on"], found.recipe["search_examples"]) == ("cifar10-c", 100)
    assert found.released == {"variant": "as_2023", "search_examples": 80, "search_balanced": False, "search_shared": False}
    plan = make(planned_as(places, "autoft")._replace(released=True))
    recipe = next(run.recipe for run in plan.runs if run.method == "autoft-search")
    assert (recipe.search_examples, recipe.search_balanced, recipe.search_shared) == (80, False, False)
    assert recipe.search_augmented and recipe.fixed_loss == "flyp", "the rest of the variant"
