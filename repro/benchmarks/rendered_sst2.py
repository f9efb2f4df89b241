"""The sentiment of film reviews drawn as images: Rendered SST2, FLYP's and AutoFT's few-shot set.

No paper tests it on another domain, so that its one column is ID. Prompts: locuslab/FLYP@215d5bb src/templates/sst2_template.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.reading import official
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

VERSION = 1
SPLITS = (
    Split(name="train", role="train", caption="train", count=6920),
    Split(name="id_val", role="id_val", caption="valid", count=872),
    Split(name="id_test", role="id_test", caption="test", column="ID", count=1821),
)
PARTS = {"train": "train", "id_val": "valid", "id_test": "test"}  # split → part of the data set


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options."""
    official.no_options("rendered-sst2", options)
    fields = {"backbone": "clip-vit-b-16"} | official.declare(("rendered-sst2",), SPLITS, places, tiny)
    return Benchmark(
        name="rendered-sst2",
        version=VERSION,
        caption="Sentiment of sentences drawn as images, few-shot",
        title="Rendered SST2",
        classes=("negative", "positive"),
        templates=("a {} review of a movie.",),
        methods=("zero-shot", "flyp"),
        licence="not stated",
        citation="Radford et al. 2021, CLIP; Socher et al. 2013, Stanford Sentiment Treebank",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The images of one split, class after class, sorted by name."""
    import numpy as np

    from repro.datasets import rendered_sst2
    from repro.reading.examples import Examples

    root = Path(benchmark.roots["rendered-sst2"])
    found = [rendered_sst2.images(root, PARTS[split.name], name) for name in benchmark.classes]
    labels = np.repeat(np.arange(len(found)), [len(paths) for paths in found]).astype(np.int64)
    return Examples([path for paths in found for path in paths], labels)
