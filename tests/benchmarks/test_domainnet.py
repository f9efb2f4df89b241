"""DomainNet as a benchmark: SENTRY's lists as splits, counted; the recipes of LP-FT."""

from __future__ import annotations

import hand_made
import numpy as np
import pytest
from official_splits import describe, published, refuse_a_missing_image, refuse_other_counts

from repro.benchmarks import domainnet
from repro.data import manifest
from repro.errors import UserError
from repro.papers import rows
from repro.paths import Places
from repro.reading import loading
from repro.reading.official import SYNTHETIC


@pytest.fixture
def copy():
    return hand_made.domainnet(Places.find().data / "domainnet")


def test_what_is_declared_is_what_is_published():
    benchmark = describe(domainnet)
    assert published(benchmark) == {
        "train": ("train", None, "accuracy", 5537),
        "id_val": ("id_val", "ID", "accuracy", 2399),
        "real": ("ood_test", "OOD", "accuracy", 6943),
        "painting": ("ood_test", "OOD", "accuracy", 2909),
        "clipart": ("ood_test", "OOD", "accuracy", 1616),
    }
    assert all(split.headline for split in benchmark.splits), "OOD is the mean of three"
    assert (benchmark.needs, benchmark.backbone, len(benchmark.classes)) == (("domainnet",), "clip-rn50", 40)
    counts = {count.split: count.n for count in manifest.load("domainnet").counts}
    assert [split.count for split in benchmark.splits] == [
        counts[name] for name in ("sketch_train", "sketch_test", "real_test", "painting_test", "clipart_test")
    ]


def test_other_counts_are_refused(copy):
    refuse_other_counts(domainnet, {"train": 3, "id_val": 2, "real": 1, "painting": 2, "clipart": 1})


@pytest.mark.parametrize("split", ["train", "painting"])
def test_a_missing_image_is_named(copy, split):
    refuse_a_missing_image(domainnet, split)


def test_labels_follow_the_lists(copy):
    benchmark = describe(domainnet, {})
    made = loading.load(benchmark, benchmark.split("train"))
    assert [benchmark.classes[label] for label in made.labels] == ["truck", "airplane", "donut"]
    assert made.sources[2] == copy / "sketch/donut/sketch_100_000003.png"
    assert loading.load(benchmark, benchmark.split("clipart")).labels.tolist() == [33]


def test_tiny_is_written_when_it_is_read_and_says_so_in_its_identity():
    tiny = describe(domainnet, tiny=True)
    assert tiny.splits[0] == SYNTHETIC and (tiny.backbone, tiny.pretrained_by, tiny.needs) == ("digits-clip", "clip-pretrain", ())
    sizes = {split.name: np.bincount(loading.load(tiny, split).labels).tolist() for split in tiny.splits[1:]}
    assert sizes == {"train": [5] * 40, "id_val": [2] * 40, "real": [1] * 40, "painting": [1] * 40, "clipart": [1] * 40}
    assert tiny.identity() != describe(domainnet).identity()


def test_it_takes_no_options():
    with pytest.raises(UserError, match="domainnet takes no --ood"):
        domainnet.describe({"ood": "real"}, Places.find())


def test_recipes_are_those_of_the_paper():
    found = rows.rows_of("domainnet")
    assert rows.paper_of("domainnet", None).methods == ("lp", "ft", "lp-ft") and found["lp"].recipe["lp_features"] == "train"
    images = {"augment": "crop_flip", "resize": "squash", "crop_ratio": 0.875, "image_size": 224}
    assert all(images.items() <= row.recipe.items() for row in rows.table_of("domainnet").row)
    for method, winner in (("ft", 1e-3), ("lp-ft", 3e-7)):
        recipe = found[method].recipe
        assert len(recipe["lr"]) == 6 and winner in recipe["lr"] and found[method].quick == {"lr": winner}
        assert (recipe["epochs"], recipe["batch_size"]) == (50, 64)
