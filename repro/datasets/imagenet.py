"""ImageNet (ILSVRC 2012): photographs in 1,000 classes, a folder each.

train/<wnid>/<wnid>_<number>.JPEG, val/<wnid>/ILSVRC2012_val_<8 digits>.JPEG
The tiny subset has the classes of Living-17 and Entity-30 (repro/reading/breeds.py).
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from repro.errors import UserError, a_few
from repro.reading import breeds
from repro.reading.metadata import copy_all, few
from repro.reading.synthetic import paint

VERSION = 1  # of the synthetic subset
TINY = {"living17": {"train": 6, "val": 3}, "entity30": {"train": 2, "val": 1}}  # images of each class; of one in both, the former
SIDES = (80, 121)  # of synthetic images, in pixels


def images(root: Path, part: str, wnid: str) -> list[Path]:
    """The images of one class in `part` (train, val), sorted by name; none where its folder is not there. Other files are passed over."""
    folder = root / part / wnid
    pattern = re.compile(rf"{wnid}_\d+\.JPEG" if part == "train" else r"ILSVRC2012_val_\d{8}\.JPEG")
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if pattern.fullmatch(name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


class Look(NamedTuple):
    """How the synthetic images of a class look: its superclass is the kind, whether it is source or target the domain."""

    kind: int
    domain: int
    counts: dict[str, int]


@cache
def looks() -> dict[str, Look]:
    """wnid → look. Entity-30's kinds come after Living-17's; a class of both looks as Living-17 has it."""
    looks: dict[str, Look] = {}
    first = 0
    for name, counts in TINY.items():
        superclasses = breeds.superclasses(name)
        for label, superclass in enumerate(superclasses):
            for domain, side in ((0, "source"), (4, "target")):
                for position, wnid in enumerate(superclass.wnids(side)):
                    looks.setdefault(wnid, Look(first + label, domain + position, counts))
        first += len(superclasses)
    return looks


def write_tiny(root: Path) -> None:
    """Synthetic photographs of different sizes; the same superclass looks alike but for the ground that its classes stand on."""
    import numpy as np
    from PIL import Image

    rng, validation = np.random.default_rng(0), 0
    for wnid, look in looks().items():
        for part, count in look.counts.items():
            folder = root / part / wnid
            folder.mkdir(parents=True)
            for number in range(count):
                size = tuple(rng.integers(*SIDES, size=2).tolist())
                validation += part == "val"
                name = f"{wnid}_{number + 1}" if part == "train" else f"ILSVRC2012_val_{validation:08}"
                image = paint(look.kind, look.domain, size, int(wnid[1:]), number, part == "val")
                Image.fromarray(image).save(folder / f"{name}.JPEG", quality=90)


def take_tiny(source: Path, root: Path) -> None:
    """A few images of each of the same classes. `UserError` where neither benchmark has images of each of its classes."""
    import pandas as pd

    found = {(part, wnid): images(source, part, wnid) for wnid, look in looks().items() for part in look.counts}
    _check_classes(source, {key for key, paths in found.items() if not paths})
    for (part, wnid), paths in found.items():
        chosen = few(pd.DataFrame({"path": paths, "part": part}), ("part",), looks()[wnid].counts[part])["path"]
        copy_all((path, root / part / wnid / path.name) for path in chosen)


def _check_classes(source: Path, empty: set[tuple[str, str]]) -> None:
    """A copy may have the classes of one benchmark alone."""
    absent = min((_lacking(name, empty) for name in TINY), key=len)
    if absent:
        raise UserError(
            f"{len(absent):,} folders of classes have no images: {a_few(absent)}",
            f"looked in {source} for images by their official names",
            "put them back",
        )


def _lacking(name: str, empty: set[tuple[str, str]]) -> list[str]:
    """Of the folders that a benchmark reads, those in `empty`."""
    read = [(part, wnid) for entry in breeds.superclasses(name) for side, part in breeds.PARTS.values() for wnid in entry.wnids(side)]
    return [f"{part}/{wnid}" for part, wnid in read if (part, wnid) in empty]
