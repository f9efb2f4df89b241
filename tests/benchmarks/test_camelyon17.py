"""Camelyon17 as a benchmark: the published splits, counted; hospitals as groups."""

from __future__ import annotations

import pytest
from official_splits import describe, published, refuse_a_missing_image, refuse_other_counts
from wilds_layouts import write_camelyon17, write_camelyon17_unlabelled

from repro.benchmarks import camelyon17
from repro.errors import UserError
from repro.paths import Places
from repro.reading import loading
from repro.reading.official import SYNTHETIC
from repro.reading.prompts import fill


@pytest.fixture
def copy():
    return write_camelyon17(Places.find().data / "camelyon17")


def test_what_is_declared_is_what_is_published():
    benchmark = describe(camelyon17)
    assert published(benchmark) == {
        "train": ("train", None, "accuracy", 302_436),
        "id_val": ("id_val", "ID", "accuracy", 33_560),
        "ood_val": ("ood_val", None, "accuracy", 34_904),
        "ood_test": ("ood_test", "OOD", "accuracy", 85_054),
        "train_unlabeled": ("pretrain", None, "accuracy", 1_799_247),
        "val_unlabeled": ("pretrain", None, "accuracy", 600_030),
        "test_unlabeled": ("pretrain", None, "accuracy", 600_030),
    }
    assert (benchmark.needs, benchmark.backbone, benchmark.pretrained_by) == (("camelyon17",), "densenet121-camelyon17", None)
    assert benchmark.targeted == {"stain": ()}


def test_other_counts_are_refused(copy):
    write_camelyon17_unlabelled(copy)
    bare = {"train_unlabeled": 2, "val_unlabeled": 1, "test_unlabeled": 2}
    refuse_other_counts(camelyon17, {"train": 3, "id_val": 2, "ood_val": 2, "ood_test": 2, **bare})


def test_a_missing_image_is_named(copy):
    refuse_a_missing_image(camelyon17, "ood_val")


def test_a_class_beyond_the_two_is_refused(copy):
    path = copy / "camelyon17_v1.0/metadata.csv"
    path.write_text(path.read_text().replace(",3328,21792,1,", ",3328,21792,2,"))
    benchmark = describe(camelyon17, {})
    with pytest.raises(UserError) as caught:
        loading.load(benchmark, benchmark.split("train"))
    assert "labels from 0 to 2" in caught.value.what


def test_labels_and_hospitals_follow_the_rows(copy):
    benchmark = describe(camelyon17, {})
    made = loading.load(benchmark, benchmark.split("train"))
    assert (made.labels.tolist(), made.groups["hospital"].tolist()) == ([1, 0, 0], [0, 3, 4])
    assert loading.load(benchmark, benchmark.split("ood_test")).groups["hospital"].tolist() == [2, 2]


def test_patches_without_labels_are_splits_of_their_own(copy):
    benchmark = describe(camelyon17, {})
    assert [split.name for split in benchmark.unlabelled] == ["train_unlabeled", "val_unlabeled", "test_unlabeled"]
    with pytest.raises(UserError) as caught:
        loading.load(benchmark, benchmark.split("test_unlabeled"))
    assert "camelyon17_unlabeled_v1.0 is not there" in caught.value.what
    assert caught.value.cure == "repro data fetch camelyon17 --with camelyon17_unlabeled_v1.0.tar.gz"
    write_camelyon17_unlabelled(copy)
    made = {split.name: loading.load(benchmark, split) for split in benchmark.unlabelled}
    assert {name: examples.groups["hospital"].tolist() for name, examples in made.items()} == {
        "train_unlabeled": [0, 4], "val_unlabeled": [1], "test_unlabeled": [2, 2],
    }  # fmt: skip
    assert {label for examples in made.values() for label in examples.labels.tolist()} == {-1}


def test_prompts_are_those_of_patchcamelyon():
    benchmark = describe(camelyon17)
    assert [fill(template, name) for template in benchmark.templates for name in benchmark.classes] == [
        "this is a photo of lymph node",
        "this is a photo of lymph node containing metastatic tumor tissue",
    ]


def test_tiny_is_written_when_it_is_read_and_says_so_in_its_identity():
    tiny = describe(camelyon17, tiny=True)
    assert tiny.splits[0] == SYNTHETIC and (tiny.backbone, tiny.pretrained_by, tiny.needs) == ("digits-clip", "clip-pretrain", ())
    assert [len(loading.load(tiny, split).sources) for split in tiny.splits[1:]] == [108, 36, 48, 48, 72, 24, 24]
    assert tiny.identity() != describe(camelyon17).identity() and tiny.tiny


def test_it_takes_no_options():
    with pytest.raises(UserError, match="camelyon17 takes no --root"):
        camelyon17.describe({"root": "x"}, Places.find())
