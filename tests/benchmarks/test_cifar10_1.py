"""CIFAR-10.1: train, ID and OOD splits out of four data sets' official files, and what is needed of them."""

from __future__ import annotations

import os
import pickle

import hand_made
import numpy as np
import pytest
from tiny_digits import places_at

from repro.benchmarks import cifar10_1
from repro.errors import UserError
from repro.papers import rows
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
}


@pytest.fixture
def places(tmp_path):
    """All four data sets with as many images as SMALL says; STL-10 has three more, of monkeys."""
    places = places_at(tmp_path)
    hand_made.cifar10(places.data / "cifar10", 10)
    hand_made.cifar10_1(places.data / "cifar10.1", {"v4": 21, "v6": 20})
    hand_made.cifar10_2(places.data / "cifar10.2", {"train": 50, "test": 20})
    hand_made.stl10(places.data / "stl10", 30)
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
    assert [split.name for split in benchmark.splits] == ["train", "id_val", *splits]
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
