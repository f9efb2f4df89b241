"""ImageNet's 1,000 classes with their names and prompts, and the test sets made after it: a folder per class.

The lists ship as data_manifests/imagenet_classes.json, which tells where they are from. Labels are positions in the sorted wnids.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from repro.errors import UserError, a_few
from repro.paths import manifests_dir
from repro.reading.metadata import copy_all, few
from repro.reading.synthetic import paint

# Of tiny subsets: a class of each superclass of Living-17, which the tiny ImageNet has; 9 are in ImageNet-R, 9 in ImageNet-A.
TINY = (
    *("n01632777", "n01669191", "n01694178", "n01735189", "n01774750", "n01796340", "n01820546", "n01978287", "n02088466"),
    *("n02114367", "n02119022", "n02123394", "n02134084", "n02174001", "n02280649", "n02483362", "n02490219"),
)
EACH = 2  # images of a class in the tiny subset of a test set


@cache
def _lists() -> dict[str, list[str]]:
    return json.loads((manifests_dir() / "imagenet_classes.json").read_text(encoding="utf-8"))


def wnids(tiny: bool = False) -> tuple[str, ...]:
    """The classes by label: all 1,000, or those of tiny subsets."""
    return TINY if tiny else tuple(_lists()["wnids"])


def names(tiny: bool = False) -> tuple[str, ...]:
    """What the classes are called in prompts, by label."""
    named = dict(zip(_lists()["wnids"], _lists()["names"], strict=True))
    return tuple(named[wnid] for wnid in wnids(tiny))


def templates() -> tuple[str, ...]:
    """CLIP's 80 prompts."""
    return tuple(_lists()["templates"])


def subset(data_set: str, tiny: bool = False) -> tuple[int, ...] | None:
    """Labels of the classes that a data set has, ascending; None where it has all."""
    listed = _lists().get(data_set)
    return None if listed is None else tuple(label for label, wnid in enumerate(wnids(tiny)) if wnid in set(listed))


class ClassFolders(NamedTuple):
    """A test set of ImageNet's classes: `<folder>/<wnid>/*<suffix>`, or `<folder>/<label>/*<suffix>` where folders are `numbered`."""

    data_set: str
    folder: str
    suffix: str
    domain: int  # of synthetic images
    numbered: bool = False

    def _of(self, root: Path, wnid: str) -> Path:
        return root / self.folder / (str(wnids().index(wnid)) if self.numbered else wnid)

    def images(self, root: Path, wnid: str) -> list[Path]:
        """The images of one class, sorted by name; none where its folder is not there. Other files are passed over."""
        folder = self._of(root, wnid)
        try:
            return [folder / name for name in sorted(os.listdir(folder)) if name.endswith(self.suffix) and not name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _tiny(self) -> tuple[str, ...]:
        inside = subset(self.data_set, tiny=True)
        return TINY if inside is None else tuple(TINY[label] for label in inside)

    def write_tiny(self, root: Path) -> None:
        """Synthetic images, which look as the tiny ImageNet's of the same class do, in a domain of their own."""
        import numpy as np
        from PIL import Image

        from repro.datasets import imagenet

        rng = np.random.default_rng(self.domain)
        for wnid in self._tiny():
            self._of(root, wnid).mkdir(parents=True)
            for number in range(EACH):
                size = tuple(rng.integers(*imagenet.SIDES, size=2).tolist())
                image = paint(imagenet.looks()[wnid].kind, self.domain, size, int(wnid[1:]), number)
                Image.fromarray(image).save(self._of(root, wnid) / f"{number:08}{self.suffix}", format="JPEG", quality=90)

    def take_tiny(self, source: Path, root: Path) -> None:
        """A few images of each of the same classes. `UserError` where one has none."""
        import pandas as pd

        rows = [(wnid, path) for wnid in self._tiny() for path in self.images(source, wnid)]
        found = pd.DataFrame(rows, columns=["wnid", "path"])
        if absent := [str(self._of(source, wnid)) for wnid in self._tiny() if wnid not in set(found["wnid"])]:
            raise UserError(
                f"{len(absent):,} folders of classes have no images: {a_few(absent)}",
                f"looked for names that end in {self.suffix}",
                "put them back",
            )
        copy_all((row.path, self._of(root, row.wnid) / row.path.name) for row in few(found, ("wnid",), EACH).itertuples())
