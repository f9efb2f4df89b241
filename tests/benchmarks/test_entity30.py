"""Entity-30: its splits out of ImageNet's layout."""

from __future__ import annotations

import hand_made
import numpy as np
import pytest
from tiny_digits import places_at

from repro.benchmarks import entity30
from repro.errors import UserError
from repro.reading import breeds
from repro.reading.loading import load


def test_a_whole_copy_gives_the_splits_and_a_missing_class_is_named(tmp_path):
    places = places_at(tmp_path)
    target = [wnid for entry in breeds.superclasses("entity30") for wnid in entry.target]
    hand_made.imagenet(places.data / "imagenet", [], target)
    benchmark = entity30.describe({}, places)
    assert len(benchmark.classes) == 30 and benchmark.needs == ("imagenet",)
    assert np.bincount(load(benchmark, benchmark.split("ood_test")).labels).tolist() == [200] * 30
    with pytest.raises(UserError, match="120 of 120 classes"):
        load(benchmark, benchmark.split("id_val"))


def test_the_tiny_subset_holds_every_class(tmp_path):
    benchmark = entity30.describe({}, places_at(tmp_path), True)
    for split in benchmark.splits:
        assert len(np.unique(load(benchmark, split).labels)) == 30, split.name
