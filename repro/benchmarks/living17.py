"""Animals of classes not trained on: Living-17 of BREEDS, 17 superclasses of four ImageNet classes.

Trained on ImageNet's training images of two classes of each, the source; ID is their validation images, on which LP-FT selects, too, and
OOD the validation images of the other two, the target. No paper has prompts for it; the one here is CLIP's plain one.
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
    official.no_options("living17", options)
    fields = {"backbone": "moco-v2-resnet50"} | official.declare(("imagenet",), breeds.splits("living17"), places, tiny)
    return Benchmark(
        name="living17",
        version=VERSION,
        caption="Animals of classes not trained on",
        title="Living-17 (BREEDS): source → target classes",
        classes=tuple(superclass.name for superclass in breeds.superclasses("living17")),
        templates=("a photo of {1}.",),
        methods=("lp", "ft", "lp-ft"),
        licence="ImageNet terms of access; none stated for BREEDS",
        citation="Santurkar et al. 2021, BREEDS; Russakovsky et al. 2015, ImageNet",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The photographs of one split, superclass by superclass."""
    return breeds.examples("living17", Path(benchmark.roots["imagenet"]), split.name, whole=not benchmark.tiny)
