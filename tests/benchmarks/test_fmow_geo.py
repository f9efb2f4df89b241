"""LP-FT's FMoW: the Americas before 2013 to train and select on, Africa and Europe of the same years to test on."""

from __future__ import annotations

import numpy as np
import pytest
from official_splits import describe, published, refuse_a_missing_image, refuse_other_counts
from wilds_layouts import FMOW, write_fmow

from repro.benchmarks import fmow_geo
from repro.datasets import fmow
from repro.errors import UserError
from repro.paths import Places
from repro.reading import loading

# One training image in the Americas of each class that has any there.
AMERICAN = [("train", name, "BRA", "2011-01-01T00:00:00Z") for n, name in enumerate(fmow.CLASSES) if n not in (30, 57)]


@pytest.fixture
def copy():
    return write_fmow(Places.find().data / "fmow", [*FMOW, *AMERICAN])


def test_what_is_declared_is_what_is_published():
    benchmark = describe(fmow_geo)
    assert published(benchmark) == {
        "train": ("train", None, "accuracy", 20_973),
        "id_val": ("id_val", "ID", "accuracy", 6_562),
        "africa": ("ood_test", "OOD", "accuracy", 803),
        "europe": ("ood_test", "OOD", "accuracy", 7_732),
    }
    assert [split.name for split in benchmark.splits if not split.headline] == ["europe"]
    assert (benchmark.name, benchmark.needs, benchmark.backbone) == ("fmow-geo", ("fmow",), "moco-tp-resnet50")
    assert len(benchmark.classes) == 62


def test_other_counts_are_refused(copy):
    refuse_other_counts(fmow_geo, {"train": 61, "id_val": 1, "africa": 1, "europe": 1})


def test_a_missing_image_is_named(copy):
    refuse_a_missing_image(fmow_geo, "europe")


def test_all_splits_are_of_the_years_before_2013(copy):
    benchmark = describe(fmow_geo, {})
    made = {split.name: loading.load(benchmark, split) for split in benchmark.splits}
    assert {name: set(examples.groups["region"].tolist()) for name, examples in made.items()} == {
        "train": {3}, "id_val": {3}, "africa": {2}, "europe": {1},
    }  # fmt: skip
    assert max(examples.groups["year"].max() for examples in made.values()) == 2012 - 2002
    assert [benchmark.classes[made[name].labels[0]] for name in ("id_val", "africa", "europe")] == ["airport", "zoo", "tower"]


def test_two_classes_and_no_others_are_absent_from_the_full_training_split():
    write_fmow(Places.find().data / "fmow", [row for row in AMERICAN if row[1] != "zoo"])
    benchmark = describe(fmow_geo, {"train": 59})
    with pytest.raises(UserError) as caught:
        loading.load(benchmark, benchmark.split("train"))
    assert caught.value.what.endswith("lack the classes multi-unit_residential, tunnel_opening, zoo")
    assert caught.value.why == "published: multi-unit_residential, tunnel_opening"


def test_tiny_lacks_the_same_two_classes_in_training_and_tests_on_them():
    tiny = describe(fmow_geo, tiny=True)
    made = {split.name: loading.load(tiny, split) for split in tiny.splits[1:]}
    assert {name: len(examples.sources) for name, examples in made.items()} == {"train": 70, "id_val": 42, "africa": 40, "europe": 40}
    assert not {30, 57} & set(made["train"].labels.tolist())
    assert {30, 57} <= set(made["africa"].labels.tolist()) and {30, 57} <= set(made["europe"].labels.tolist())
    assert len(np.unique(made["train"].labels)) == 14


def test_it_takes_no_options():
    with pytest.raises(UserError, match="fmow-geo takes no --root"):
        fmow_geo.describe({"root": "x"}, Places.find())
