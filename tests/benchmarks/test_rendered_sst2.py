"""Rendered SST2 as a benchmark: the published splits, counted; no OOD split."""

from __future__ import annotations

import hand_made
import pytest
from official_splits import describe, published, refuse_other_counts

from repro.benchmarks import rendered_sst2
from repro.errors import UserError
from repro.paths import Places
from repro.reading import loading
from repro.reading.official import SYNTHETIC
from repro.reading.prompts import fill


@pytest.fixture
def copy():
    root = Places.find().data / "rendered-sst2"
    hand_made.rendered_sst2(root, {"train": (5, 4), "valid": (3, 2), "test": (1, 2)})
    return root


def test_what_is_declared_is_what_is_published():
    benchmark = describe(rendered_sst2)
    assert published(benchmark) == {
        "train": ("train", None, "accuracy", 3310 + 3610),
        "id_val": ("id_val", None, "accuracy", 428 + 444),
        "id_test": ("id_test", "ID", "accuracy", 912 + 909),
    }
    assert (benchmark.needs, benchmark.backbone, benchmark.pretrained_by) == (("rendered-sst2",), "clip-vit-b-16", None)


def test_other_counts_are_refused(copy):
    refuse_other_counts(rendered_sst2, {"train": 9, "id_val": 5, "id_test": 3})


def test_labels_are_those_of_the_folders(copy):
    benchmark = describe(rendered_sst2, {})
    for split, part, labels in (
        ("train", "train", [0] * 5 + [1] * 4),
        ("id_val", "valid", [0] * 3 + [1] * 2),
        ("id_test", "test", [0, 1, 1]),
    ):
        made = loading.load(benchmark, benchmark.split(split))
        assert made.labels.tolist() == labels
        folders = [copy / "rendered-sst2" / part / ("negative", "positive")[label] for label in labels]
        assert [path.parent for path in made.sources] == folders


def test_a_split_without_images_is_named(copy):
    for path in (copy / "rendered-sst2/test").rglob("*.png"):
        path.unlink()
    benchmark = describe(rendered_sst2, {})
    with pytest.raises(UserError, match="id_test of rendered-sst2 has no examples"):
        loading.load(benchmark, benchmark.split("id_test"))


def test_prompts_are_flyps():
    benchmark = describe(rendered_sst2)
    spoken = [fill(template, name) for template in benchmark.templates for name in benchmark.classes]
    assert spoken == ["a negative review of a movie.", "a positive review of a movie."]


def test_tiny_is_written_when_it_is_read_and_says_so_in_its_identity():
    tiny = describe(rendered_sst2, tiny=True)
    assert tiny.splits[0] == SYNTHETIC and (tiny.backbone, tiny.pretrained_by, tiny.needs) == ("digits-clip", "clip-pretrain", ())
    assert [len(loading.load(tiny, split).sources) for split in tiny.splits[1:]] == [72, 36, 48]
    assert tiny.identity() != describe(rendered_sst2).identity() and tiny.tiny


def test_it_takes_no_options():
    with pytest.raises(UserError, match="rendered-sst2 takes no --root"):
        rendered_sst2.describe({"root": "x"}, Places.find())
