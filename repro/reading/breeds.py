"""BREEDS: superclasses of ImageNet that are trained on with some of their classes and tested on with others.

The lists ship as data_manifests/breeds_splits.json: those that MadryLab/robustness@a954124 robustness/tools/breeds_helpers.py draws for
split="rand", as LP-FT asks for them (AnanyaKumar/transfer_learning@36fb2ef unlabeled_extrapolation/datasets/breeds.py:63-92).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from repro.errors import UserError
from repro.paths import manifests_dir
from repro.types import Split

if TYPE_CHECKING:
    from repro.reading.examples import Examples

Side = Literal["source", "target"]
LEAST_TRAIN, EXACT_VAL = 100, 50  # images of a class; breeds.py:20-22, 57-60
PARTS: dict[str, tuple[Side, str]] = {"train": ("source", "train"), "id_val": ("source", "val"), "ood_test": ("target", "val")}


class Superclass(NamedTuple):
    """One class of a BREEDS benchmark and the ImageNet classes (wnids) that it is made of."""

    name: str
    source: tuple[str, ...]
    target: tuple[str, ...]

    def wnids(self, side: Side) -> tuple[str, ...]:
        return self.source if side == "source" else self.target


@cache
def superclasses(name: str) -> tuple[Superclass, ...]:
    """The superclasses of `living17` or `entity30` by label, each named by its first synonym."""
    lists = json.loads((manifests_dir() / "breeds_splits.json").read_text(encoding="utf-8"))[name]
    return tuple(
        Superclass(entry["superclass_name"].split(",")[0], tuple(entry["source_wnids"]), tuple(entry["target_wnids"])) for entry in lists
    )


def splits(name: str) -> tuple[Split, ...]:
    """Training on source classes; ImageNet's validation images of source (ID) and target classes (OOD)."""
    source, target = (sum(len(entry.wnids(side)) for entry in superclasses(name)) for side in ("source", "target"))
    return (
        Split(name="train", role="train", caption=f"{source} source classes, ImageNet train"),
        Split(
            name="id_val",
            role="id_val",
            caption=f"{source} source classes, ImageNet val; selected on and reported as ID by LP-FT",
            column="ID",
            count=source * EXACT_VAL,
        ),
        Split(name="ood_test", role="ood_test", caption=f"{target} target classes, ImageNet val", column="OOD", count=target * EXACT_VAL),
    )


def examples(name: str, root: Path, split: str, whole: bool) -> Examples:
    """The images of one split, superclass by superclass. `whole`: each class must have as many as LP-FT asserts, else `UserError`."""
    import numpy as np

    from repro.datasets import imagenet
    from repro.reading.examples import Examples

    side, part = PARTS[split]
    sources: list[Path] = []
    labels: list[int] = []
    counts: dict[str, int] = {}
    for label, superclass in enumerate(superclasses(name)):
        for wnid in superclass.wnids(side):
            found = imagenet.images(root, part, wnid)
            counts[wnid] = len(found)
            sources += found
            labels += [label] * len(found)
    if whole:
        _check(root / part, counts, part)
    return Examples(sources, np.array(labels, np.int64))


def _check(folder: Path, counts: dict[str, int], part: str) -> None:
    wrong = {wnid: count for wnid, count in counts.items() if (count < LEAST_TRAIN if part == "train" else count != EXACT_VAL)}
    if wrong:
        shown = ", ".join(f"{wnid} {count:,}" for wnid, count in list(wrong.items())[:8]) + (", …" if len(wrong) > 8 else "")
        wanted = f"at least {LEAST_TRAIN}" if part == "train" else f"exactly {EXACT_VAL}"
        raise UserError(
            f"{len(wrong)} of {len(counts)} classes in {folder} have another number of images: {shown}",
            f"each should have {wanted}, in a folder of its own",
            "repro data verify imagenet --full",
        )
