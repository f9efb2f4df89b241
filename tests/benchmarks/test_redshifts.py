"""Redshifts as a benchmark: its splits, its targets, what it starts from."""

import numpy as np
import pytest
from official_splits import describe

from repro.benchmarks import redshifts
from repro.datasets import astroclassification
from repro.errors import UserError
from repro.paths import Places
from repro.reading import light_curves, loading


def test_what_is_declared() -> None:
    benchmark = describe(redshifts)
    assert (benchmark.kind, benchmark.task, benchmark.metric, len(benchmark.classes)) == ("light-curves", "regression", "rmse", 1)
    assert (benchmark.needs, benchmark.backbone, benchmark.pretrained_by) == (("astroclassification",), "informer", "mae-pretrain")
    assert [split.name for aug in ("none", "redshift") for split in benchmark.trained_on("train", aug)] == ["train", "redshifted"]


def test_each_split_is_the_data_sets() -> None:
    places = Places.find()
    (places.data / "astroclassification").mkdir(parents=True)
    astroclassification.write_tiny(places.data / "astroclassification")
    benchmark = describe(redshifts)
    for split in benchmark.splits:
        curves = astroclassification.of_split(places.data / "astroclassification", split)
        found = redshifts.examples(benchmark, split)
        assert all(np.array_equal(source, curve.observations) for source, curve in zip(found.sources, curves, strict=True))
        expected = [-1] * len(curves) if split.role == "pretrain" else [curve.redshift for curve in curves]
        assert found.labels.tolist() == expected and found.labels.dtype == np.float64


def test_an_object_without_redshift_is_told() -> None:
    places = Places.find()
    (places.data / "astroclassification").mkdir(parents=True)
    astroclassification.write_tiny(places.data / "astroclassification")
    file = places.data / "astroclassification" / astroclassification.TEST
    light_curves.write(file, [curve._replace(redshift=None) for curve in light_curves.read(file)])
    benchmark = describe(redshifts)
    with pytest.raises(UserError, match="56 examples whose target is no number"):
        loading.load(benchmark, benchmark.split("ood_test"))
