"""AstroClassification as a benchmark: its splits, its labels, what it starts from."""

import numpy as np
from official_splits import describe

from repro.benchmarks import astro_classification
from repro.datasets import astroclassification
from repro.paths import Places


def test_what_is_declared() -> None:
    benchmark = describe(astro_classification)
    assert (benchmark.kind, benchmark.task, benchmark.metric, len(benchmark.classes)) == ("light-curves", "classification", "accuracy", 14)
    assert (benchmark.needs, benchmark.backbone, benchmark.pretrained_by) == (("astroclassification",), "informer", "mae-pretrain")
    assert [split.name for aug in ("none", "redshift") for split in benchmark.trained_on("train", aug)] == ["train", "redshifted"]


def test_each_split_is_the_data_sets() -> None:
    places = Places.find()
    (places.data / "astroclassification").mkdir(parents=True)
    astroclassification.write_tiny(places.data / "astroclassification")
    benchmark = describe(astro_classification)
    for split in benchmark.splits:
        curves = astroclassification.of_split(places.data / "astroclassification", split)
        found = astro_classification.examples(benchmark, split)
        assert all(np.array_equal(source, curve.observations) for source, curve in zip(found.sources, curves, strict=True))
        expected = [-1] * len(curves) if split.role == "pretrain" else [curve.label for curve in curves]
        assert found.labels.tolist() == expected and found.labels.dtype == np.int64
