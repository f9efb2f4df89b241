"""PatchCamelyon as a benchmark: the published splits, counted; patches read as they are wanted; no OOD split."""

from __future__ import annotations

import hand_made
import numpy as np
import pytest
from official_splits import describe, published, refuse_other_counts

from repro.benchmarks import patchcamelyon
from repro.errors import UserError
from repro.paths import Places
from repro.reading import loading
from repro.reading.h5_arrays import H5Images
from repro.reading.official import SYNTHETIC
from repro.reading.prompts import fill

COUNTS = {"train": 30, "valid": 20, "test": 10}


@pytest.fixture
def copy():
    return hand_made.patchcamelyon(Places.find().data / "patchcamelyon", COUNTS)


def test_what_is_declared_is_what_is_published():
    benchmark = describe(patchcamelyon)
    assert published(benchmark) == {
        "train": ("train", None, "accuracy", 262_144),
        "id_val": ("id_val", None, "accuracy", 32_768),
        "id_test": ("id_test", "ID", "accuracy", 32_768),
    }
    assert (benchmark.needs, benchmark.backbone, benchmark.pretrained_by) == (("patchcamelyon",), "clip-vit-b-16", None)


def test_other_counts_are_refused(copy):
    refuse_other_counts(patchcamelyon, {"train": 30, "id_val": 20, "id_test": 10})


def test_each_split_is_its_part_and_nothing_is_read_before_it_is_wanted(copy, monkeypatch):
    benchmark = describe(patchcamelyon, {})
    read, real = [], H5Images._read
    monkeypatch.setattr(H5Images, "_read", lambda self, rows: read.extend(rows) or real(self, rows))
    for split, part in (("train", "train"), ("id_val", "valid"), ("id_test", "test")):
        read.clear()
        made = loading.load(benchmark, benchmark.split(split))
        assert len(read) <= 1 and made.labels.tolist() == copy[part][1].tolist()
        assert np.array_equal(np.stack(list(made.sources)), copy[part][0])


def test_a_missing_file_is_named(copy):
    path = Places.find().data / "patchcamelyon" / "camelyonpatch_level_2_split_test_x.h5"
    path.unlink()
    benchmark = describe(patchcamelyon, {})
    with pytest.raises(UserError, match=f"cannot read {path}"):
        loading.load(benchmark, benchmark.split("id_test"))


def test_prompts_are_flyps():
    benchmark = describe(patchcamelyon)
    assert [fill(template, name) for template in benchmark.templates for name in benchmark.classes] == [
        "this is a photo of lymph node",
        "this is a photo of lymph node containing metastatic tumor tissue",
    ]


def test_tiny_is_written_when_it_is_read_and_says_so_in_its_identity():
    tiny = describe(patchcamelyon, tiny=True)
    assert tiny.splits[0] == SYNTHETIC and (tiny.backbone, tiny.pretrained_by, tiny.needs) == ("digits-clip", "clip-pretrain", ())
    assert [len(loading.load(tiny, split).sources) for split in tiny.splits[1:]] == [72, 36, 48]
    assert tiny.identity() != describe(patchcamelyon).identity() and tiny.tiny


def test_it_takes_no_options():
    with pytest.raises(UserError, match="patchcamelyon takes no --root"):
        patchcamelyon.describe({"root": "x"}, Places.find())
