"""Rendered SST2: sentences of film reviews drawn as images of 448 × 448 pixels, negative or positive.

rendered-sst2/{train,valid,test}/{negative,positive}/<name>.png
Source: openai/CLIP data/rendered-sst2.md; FLYP and AutoFT call the folder sst2 and the part valid "val".
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from repro.reading.metadata import few
from repro.reading.synthetic import paint

VERSION = 1  # of the synthetic subset
FOLDER = "rendered-sst2"
CLASSES = ("negative", "positive")
PARTS = {"train": 36, "valid": 18, "test": 24}  # part → its synthetic images of each class
SIDE = 112  # of synthetic images


def images(root: Path, part: str, name: str) -> list[Path]:
    """The images of one class in `part` (train, valid, test), sorted by name; none where its folder is not there. Others are passed over."""
    folder = root / FOLDER / part / name
    try:
        return [folder / file for file in sorted(os.listdir(folder)) if file.endswith(".png") and not file.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def write_tiny(root: Path) -> None:
    """Synthetic images instead of sentences."""
    from PIL import Image

    for seed, (part, count) in enumerate(PARTS.items()):
        for label, name in enumerate(CLASSES):
            folder = root / FOLDER / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(paint(label, 0, (SIDE, SIDE), seed, number)).save(folder / f"{number:04}.png")


def take_tiny(source: Path, root: Path) -> None:
    """A few images of each part and class."""
    import pandas as pd

    for part in PARTS:
        for name in CLASSES:
            found = pd.DataFrame({"path": images(source, part, name)})
            for path in few(found.assign(part=part), ("part",), 24)["path"]:
                (root / FOLDER / part / name).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, root / FOLDER / part / name / path.name)
