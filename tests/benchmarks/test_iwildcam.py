"""iWildCam as a benchmark: the published splits, counted; macro F1; cameras as groups; two prompts for 182 classes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from official_splits import describe, published, refuse_a_missing_image, refuse_other_counts
from wilds_layouts import write_iwildcam

from repro import paths
from repro.benchmarks import iwildcam
from repro.errors import UserError
from repro.paths import Places
from repro.reading import loading
from repro.reading.prompts import fill


@pytest.fixture
def copy():
    classes = json.loads((paths.manifests_dir() / "iwildcam_classes.json").read_text(encoding="utf-8"))["classes"]
    return write_iwildcam(Places.find().data / "iwildcam", [(row["y"], row["category_id"], row["scientific"]) for row in classes])


def test_what_is_declared_is_what_is_published():
    benchmark = describe(iwildcam)
    assert published(benchmark) == {
        "train": ("train", None, "macro_f1", 129_809),
        "id_val": ("id_val", None, "macro_f1", 7_314),
        "id_test": ("id_test", "ID", "macro_f1", 8_154),
        "ood_val": ("ood_val", None, "macro_f1", 14_961),
        "ood_test": ("ood_test", "OOD", "macro_f1", 42_791),
    }
    assert sum(split.count for split in benchmark.splits) == 203_029
    assert (benchmark.metrics, benchmark.groupings) == (("accuracy", "macro_recall"), ())
    assert (benchmark.needs, benchmark.backbone) == (("iwildcam",), "clip-vit-b-16")


def test_other_counts_are_refused(copy):
    refuse_other_counts(iwildcam, {"train": 4, "id_val": 1, "id_test": 1, "ood_val": 1, "ood_test": 2})


def test_a_missing_image_is_named(copy):
    refuse_a_missing_image(iwildcam, "ood_test")


def test_labels_and_cameras_follow_the_rows(copy):
    benchmark = describe(iwildcam, {})
    made = loading.load(benchmark, benchmark.split("train"))
    assert (made.labels.tolist(), made.groups["location"].tolist()) == ([0, 1, 3, 2], [0, 1, 2, 2])
    assert made.labels.dtype == made.groups["location"].dtype == np.int64


def test_prompts_have_no_article_and_the_empty_frame_gets_them_too():
    benchmark = describe(iwildcam)
    assert len(benchmark.classes) == 182
    assert [fill(template, benchmark.classes[label]) for label in (0, 65) for template in benchmark.templates] == [
        "a photo of empty.",
        "empty in the wild.",
        "a photo of great argus.",
        "great argus in the wild.",
    ]
    pairs = [(3, 148), (19, 174), (82, 178), (153, 181)]
    assert all(benchmark.classes[one] == benchmark.classes[other] for one, other in pairs)
    assert len(set(benchmark.classes)) == 182 - len(pairs)


def test_tiny_has_every_split_and_all_182_classes_to_choose_from():
    tiny = describe(iwildcam, tiny=True)
    made = {split.name: loading.load(tiny, split) for split in tiny.splits[1:]}
    assert {name: len(examples.sources) for name, examples in made.items()} == {
        "train": 175, "id_val": 50, "id_test": 75, "ood_val": 50, "ood_test": 63,
    }  # fmt: skip
    assert len(tiny.classes) == 182 and len(np.unique(made["train"].labels)) == 24
    assert (tiny.backbone, tiny.needs) == ("digits-clip", ())


def test_it_takes_no_options():
    with pytest.raises(UserError, match="iwildcam takes no --ood"):
        iwildcam.describe({"ood": "x"}, Places.find())
