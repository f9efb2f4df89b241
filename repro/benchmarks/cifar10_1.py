"""CIFAR-10 and the test sets made after it: CIFAR-10.1 (v6, v4), CIFAR-10.2, STL-10.

Trained on CIFAR-10's training images; ID is its test images, on which LP-FT selects, too. OOD is CIFAR-10.1 v6, the version that LP-FT and
AutoFT score; the other sets are shown beside it. Of CIFAR-10.2 both files are: AutoFT's loader takes the training file for its test set
(cchoi1/auto-ft@594e6a2 autoft/src/datasets/cifar10.py), and which of them the paper scored is not known.

AutoFT searches on CIFAR-10-C, all 19 corruptions at severity 5 (cchoi1/auto-ft@8225046 autoft/src/datasets/cifar10.py:75-184,
autoft/scripts/cifar/autoft.sh:26-28). Only a search looks at that split, so only a search needs its data set.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro import plugins
from repro.reading import official
from repro.types import Benchmark, Split

if TYPE_CHECKING:
    from repro.paths import Places
    from repro.reading.examples import Examples

NAME = "cifar10.1"
VERSION = 1
HEADLINE = "v6"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# STL-10's classes as CIFAR-10's; monkey, which is none of them, is left out, and frog has no images
# (AnanyaKumar/transfer_learning@36fb2ef unlabeled_extrapolation/datasets/stl_cifar_style.py:51-63).
STL_TO_CIFAR = (0, 2, 1, 3, 4, 5, 7, -1, 8, 9)
INSIDE = (
    Split(name="train", role="train", caption="CIFAR-10 train", count=50_000, per_class=5000),
    Split(
        name="id_val",
        role="id_val",
        caption="CIFAR-10 test; selected on and reported as ID by LP-FT",
        column="ID",
        count=10_000,
        per_class=1000,
    ),
)


def _beside(name: str, caption: str, count: int, per_class: int | None = None) -> Split:
    return Split(name=name, role="ood_test", caption=caption, column="OOD", headline=name == HEADLINE, count=count, per_class=per_class)


OUTSIDE = (
    _beside("v6", "CIFAR-10.1 v6", 2000, 200),
    _beside("v4", "CIFAR-10.1 v4", 2021),
    _beside("10.2-test", "CIFAR-10.2 test", 2000, 200),
    _beside("10.2-train", "CIFAR-10.2 train, which AutoFT's loader takes for its test set", 10_000),
    _beside("stl10", "STL-10 test without monkey", 7200, 800),
)
SEVERITY = 5
SEARCHED = Split(
    name="cifar10-c",
    role="ood_val",
    caption="CIFAR-10's test set under 19 corruptions at severity 5",
    count=190_000,
    per_class=19_000,
)
# Split → data set and part of it.
PARTS = {
    "train": ("cifar10", "train"),
    "id_val": ("cifar10", "test"),
    "v6": ("cifar10.1", "v6"),
    "v4": ("cifar10.1", "v4"),
    "10.2-test": ("cifar10.2", "test"),
    "10.2-train": ("cifar10.2", "train"),
    "stl10": ("stl10", "test"),
}


def describe(options: dict[str, Any], places: Places, tiny: bool = False) -> Benchmark:
    """The benchmark's record. `ood` names the OOD splits that are wanted beside v6, so that no other data set need be here."""
    known = tuple(split.name for split in OUTSIDE)
    wanted = official.chosen(NAME, options, "ood", known, always=HEADLINE)
    splits = (*INSIDE, *(split for split in OUTSIDE if split.name in wanted))
    names = tuple(dict.fromkeys(PARTS[split.name][0] for split in splits))
    searched = SEARCHED.model_copy(update={"apart": official.apart(SEARCHED.name, places, tiny)})
    fields = {"backbone": "moco-v2-resnet50"} | official.declare(names, (*splits, searched), places, tiny)
    return Benchmark(
        name=NAME,
        version=VERSION,
        caption="CIFAR-10 and the test sets made after it",
        title="CIFAR-10 → CIFAR-10.1",
        classes=CLASSES,
        templates=("a photo of a {}.",),
        options={} if wanted == known else {"ood": wanted},
        methods=("lp", "ft", "lp-ft"),
        licence="none stated for CIFAR-10, CIFAR-10.2 and STL-10; MIT for CIFAR-10.1",
        citation="Krizhevsky 2009, CIFAR-10; Recht et al. 2018, CIFAR-10.1; Lu et al. 2020, CIFAR-10.2; Coates et al. 2011, STL-10; "
        "Hendrycks and Dietterich 2019, CIFAR-10-C",
        **fields,
    )


def examples(benchmark: Benchmark, split: Split) -> Examples:
    """The images of one split in its files' order."""
    import numpy as np

    from repro.reading.examples import Examples

    if split.apart:
        return Examples(*plugins.dataset(split.apart.name).read(Path(split.apart.root), SEVERITY))
    name, part = PARTS[split.name]
    images, labels = plugins.dataset(name).read(Path(benchmark.roots[name]), part)
    if name == "stl10":
        labels = np.array(STL_TO_CIFAR)[labels]
        images, labels = images[labels >= 0], labels[labels >= 0]
    return Examples(list(images), labels)
