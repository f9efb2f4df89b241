"""STL-10: photographs of 96 × 96 pixels in ten classes; only its test part is read.

stl10_binary/test_X.bin: uint8, image after image, each its red, green and blue plane, each plane column by column; test_y.bin: uint8,
labels from 1; class_names.txt: a name per line. Source: cs.stanford.edu/~acoates/stl10.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.errors import UserError
from repro.reading.image_arrays import checked, cure, few_of, reading
from repro.reading.synthetic import paint

VERSION = 1  # of the synthetic subset
FOLDER = "stl10_binary"
CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
SIDE = 96
# The kinds that the synthetic images of the classes are of: CIFAR-10's, and for monkey, which is none of them, one of its own.
KINDS = (0, 2, 1, 3, 4, 5, 7, 10, 8, 9)
PER_CLASS = 6  # synthetic images


def read(root: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 96, 96, 3) uint8, mapped from the file, and labels (N,) int64 from 0 of `part`: test."""
    folder = root / FOLDER
    images, labels, names = folder / f"{part}_X.bin", folder / f"{part}_y.bin", folder / "class_names.txt"
    with reading(names, "stl10"):
        told = tuple(names.read_text(encoding="utf-8").split())
    if told != CLASSES:
        raise UserError(f"{names} is not the published file", f"it names {', '.join(told[:10])}", cure("stl10"))
    with reading(images, "stl10"):
        planes = np.memmap(images, np.uint8, mode="r").reshape(-1, 3, SIDE, SIDE)
    with reading(labels, "stl10"):
        numbers = np.fromfile(labels, np.uint8).astype(np.int64) - 1
    return checked(images, "stl10", planes.transpose(0, 3, 2, 1), numbers, SIDE, len(CLASSES))


def _write(root: Path, images: np.ndarray, labels: np.ndarray) -> None:
    (root / FOLDER).mkdir()
    (root / FOLDER / "class_names.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    images.transpose(0, 3, 2, 1).tofile(root / FOLDER / "test_X.bin")
    (labels + 1).astype(np.uint8).tofile(root / FOLDER / "test_y.bin")


def write_tiny(root: Path) -> None:
    """Synthetic images of each class in a domain of their own."""
    labels = np.arange(PER_CLASS * len(CLASSES)) % len(CLASSES)
    _write(root, np.stack([paint(KINDS[label], 3, (SIDE, SIDE), row) for row, label in enumerate(labels)]), labels)


def take_tiny(source: Path, root: Path) -> None:
    """A few test images of each class."""
    _write(root, *few_of(*read(source, "test"), 10))
