"""Things and animals of classes not trained on: Entity-30 of BREEDS, 30 superclasses of eight.

Trained on ImageNet's training images of four classes of each, the source; ID is their validation images, on which LP-FT selects, too, and
OOD the validation images of the other four, the target. No paper has prompts for it; the one here is CLIP's plain one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.reading import breeds, official
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

VERSION = 1


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record; it takes no options."""
    official.no_options("entity30", options)
    fields = {"backbone": "moco-v2-resnet50"} | official.declare(("imagenet",), breeds.splits("entity30"), places, tiny)
    return Benchmark(
        name="entity30",
        version=VERSION,
        caption="Things and animals of classes not trained on",
        title="Entity-30 (BREEDS): source → target classes",
        classes=tuple(superclass.name for superclass in breeds.superclasses("entity30")),
        templates=("a photo of {1}.",),
        methods=("lp", "ft", "lp-ft"),
        licence="ImageNet terms of access; none stated for BREEDS",
        citation="Santurkar et al. 2021, BREEDS; Russakovsky et al. 2015, ImageNet",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The photographs of one split, superclass by superclass."""
    return breeds.examples("entity30", Path(benchmark.roots["imagenet"]), split.name, whole=not benchmark.tiny)
