"""Tumour in patches of tissue from a few images per class: PatchCamelyon, FLYP's and AutoFT's few-shot set.

No paper tests it on another domain, so that its one column is ID. Prompts: locuslab/FLYP@215d5bb src/templates/patchcamelyon_template.py.
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
    Split(name="train", role="train", caption="train", count=262_144),
    Split(name="id_val", role="id_val", caption="valid", count=32_768),
    Split(name="id_test", role="id_test", caption="test", column="ID", count=32_768),
)
PARTS = {"train": "train", "id_val": "valid", "id_test": "test"}  # split → part of the data set


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options."""
    official.no_options("patchcamelyon", options)
    fields = {"backbone": "clip-vit-b-16"} | official.declare(("patchcamelyon",), SPLITS, places, tiny)
    return Benchmark(
        name="patchcamelyon",
        version=VERSION,
        caption="Tumour in patches of tissue, few-shot",
        title="PatchCamelyon",
        classes=("lymph node", "lymph node containing metastatic tumor tissue"),
        templates=("this is a photo of {}",),
        methods=("zero-shot", "flyp"),
        licence="CC0",
        citation="Veeling, Linmans, Winkens, Cohen, Welling 2018, Rotation Equivariant CNNs for Digital Pathology",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The patches of one split in the files' order, read from disk as they are wanted."""
    from repro.datasets import patchcamelyon
    from repro.reading.examples import Examples

    images, labels = patchcamelyon.read(Path(benchmark.roots["patchcamelyon"]), PARTS[split.name])
    return Examples(images, labels)
