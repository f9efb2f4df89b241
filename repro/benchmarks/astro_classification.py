"""Kinds of astronomical objects by their light curves: AstroClassification, labelled near, tested far (Connect Later).

repro/datasets/astroclassification.py says which light curves are in which split. Qu and Xie 2024; 14 kinds, accuracy.
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

VERSION = 1


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options."""
    official.no_options("astro-classification", options)
    fields = {"backbone": "informer", "pretrained_by": "mae-pretrain"}
    fields |= official.declare(
        ("astroclassification",), astroclassification.SPLITS, places, tiny, pretrained=("informer-small", "mae-pretrain")
    )
    return Benchmark(
        name="astro-classification",
        version=VERSION,
        caption="Kinds of astronomical objects by their light curves",
        title="AstroClassification",
        classes=astroclassification.CLASSES,
        kind="light-curves",
        targeted={"redshift": ()},
        methods=("scratch", "lp-sgd", "lp-ft"),
        licence="MIT (Hugging Face card)",
        citation="The PLAsTiCC team 2018, The Photometric LSST Astronomical Time-series Classification Challenge; Qu and Xie 2024",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The light curves of one split with their labels; those to pretrain on have none (−1)."""
    import numpy as np

    from repro.reading.examples import Examples

    curves = astroclassification.of_split(Path(benchmark.roots["astroclassification"]), split)
    known = split.role != "pretrain"
    labels = np.array([int(curve.label) if known else -1 for curve in curves], np.int64)
    return Examples([curve.observations for curve in curves], labels)
