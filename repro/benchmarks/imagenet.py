"""ImageNet and the test sets made after it: V2, R, A, Sketch.

Trained on ImageNet's training images; ID is its validation images, which papers report and, where they choose anything, choose on. The
predictions on ImageNet-R and -A are restricted to their 200 classes. ObjectNet, the papers' fifth shift, is not among the splits: its
classes are unions of ImageNet's, and its images have a border to be cut off.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro import plugins
from repro.reading import imagenet, official
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

NAME = "imagenet"
VERSION = 1
ALWAYS = "v2"
INSIDE = (
    Split(name="train", role="train", caption="ImageNet train", count=1_281_167),
    Split(
        name="id_val",
        role="id_val",
        caption="ImageNet val; reported as ID, and selected on by LP-FT",
        column="ID",
        count=50_000,
        per_class=50,
    ),
)
OUTSIDE = (
    Split(name="v2", role="ood_test", caption="ImageNetV2, matched frequency", column="OOD", count=10_000, per_class=10),
    Split(name="r", role="ood_test", caption="ImageNet-R, among its 200 classes", column="OOD", count=30_000),
    Split(name="a", role="ood_test", caption="ImageNet-A, among its 200 classes", column="OOD", count=7500),
    Split(name="sketch", role="ood_test", caption="ImageNet-Sketch", column="OOD", count=50_889),
)
DATA_SETS = {"v2": "imagenetv2", "r": "imagenet-r", "a": "imagenet-a", "sketch": "imagenet-sketch"}  # of other splits imagenet


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record. `ood` names the OOD splits that are wanted beside V2, so that no other data set need be here."""
    known = tuple(split.name for split in OUTSIDE)
    wanted = official.chosen(NAME, options, "ood", known, always=ALWAYS)
    outside = tuple(
        split.model_copy(update={"classes": imagenet.subset(DATA_SETS[split.name], tiny)}) for split in OUTSIDE if split.name in wanted
    )
    fields = official.declare((NAME, *(DATA_SETS[split.name] for split in outside)), (*INSIDE, *outside), places, tiny)
    return Benchmark(
        name=NAME,
        version=VERSION,
        caption="ImageNet and the test sets made after it",
        title="ImageNet → V2, R, A, Sketch",
        classes=imagenet.names(tiny),
        templates=imagenet.templates(),
        options={} if wanted == known else {"ood": wanted},
        methods=("zero-shot", "ft", "flyp"),
        licence="ImageNet terms of access; MIT for the repositories of V2, R, A and Sketch",
        citation="Russakovsky et al. 2015, ImageNet; Recht et al. 2019, V2; Hendrycks et al. 2021, R and A; Wang et al. 2019, Sketch",
        **({"backbone": "clip-vit-b-16"} | fields),
    )


def _lister(benchmark: Benchmark, split: Split) -> Callable[[str], list[Path]]:
    """From a wnid to its images in that split."""
    name = DATA_SETS.get(split.name, NAME)
    reader, root = plugins.dataset(name), Path(benchmark.roots[name])
    if name == NAME:
        return lambda wnid: reader.images(root, "train" if split.name == "train" else "val", wnid)
    return lambda wnid: reader.images(root, wnid)


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The images of one split, class by class."""
    import numpy as np

    from repro.reading.examples import Examples

    listed = _lister(benchmark, split)
    found = [listed(wnid) for wnid in imagenet.wnids(benchmark.tiny)]
    labels = np.repeat(np.arange(len(found)), [len(images) for images in found])
    return Examples([path for images in found for path in images], labels.astype(np.int64))
