"""Redshifts from light curves: one number per object, learned near, tested far (Connect Later).

The light curves of AstroClassification, whose splits these are (repro/datasets/astroclassification.py), with the redshift in the place of
the label; the metric is the root of the mean squared error, lower is better. Qu and Xie 2024.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.datasets import astroclassification
from repro.reading import official
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

VERSION = 2  # errors are taken of outputs in single precision, whatever that of the network


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options."""
    official.no_options("redshifts", options)
    fields = {"backbone": "informer", "pretrained_by": "mae-pretrain"}
    fields |= official.declare(
        ("astroclassification",), astroclassification.SPLITS, places, tiny, pretrained=("informer-small", "mae-pretrain")
    )
    return Benchmark(
        name="redshifts",
        version=VERSION,
        caption="Redshifts from light curves",
        title="Redshifts",
        classes=("redshift",),
        kind="light-curves",
        targeted={"redshift": ()},
        task="regression",
        metric="rmse",
        methods=("scratch", "lp-sgd", "ft"),
        licence="MIT (Hugging Face card)",
        citation="The PLAsTiCC team 2018, The Photometric LSST Astronomical Time-series Classification Challenge; Qu and Xie 2024",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The light curves of one split with their redshifts; those to pretrain on have none (−1)."""
    import numpy as np

    from repro.reading.examples import Examples

    curves = astroclassification.of_split(Path(benchmark.roots["astroclassification"]), split)
    known = split.role != "pretrain"
    labels = np.array([curve.redshift if known else -1.0 for curve in curves], np.float64)  # a redshift that is missing is no number
    return Examples([curve.observations for curve in curves], labels)
