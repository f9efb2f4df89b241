"""CIFAR-10.1: new test sets for CIFAR-10, in two versions.

cifar10.1_{v4,v6}_data.npy: uint8 (N, 32, 32, 3); cifar10.1_{v4,v6}_labels.npy: int32 (N,). Source: modestyachts/CIFAR-10.1 README.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.reading.image_arrays import checked, few_of, reading
from repro.reading.synthetic import paint_in_turn

NAME = "cifar10.1"
VERSION = 1  # of the synthetic subset
SIDE, CLASSES = 32, 10  # classes in CIFAR-10's order
TINY = {"v4": 61, "v6": 60}  # synthetic images; only v6 is balanced, as in the original


def read(root: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) uint8 and labels (N,) int64 of `part`: v4 or v6."""
    data, labels = (root / f"{NAME}_{part}_{what}.npy" for what in ("data", "labels"))
    with reading(data, NAME):
        images = np.load(data, allow_pickle=False)
    with reading(labels, NAME):
        numbers = np.load(labels, allow_pickle=False)
    return checked(data, NAME, images, numbers, SIDE, CLASSES)


def _write(root: Path, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    np.save(root / f"{NAME}_{part}_data.npy", images)
    np.save(root / f"{NAME}_{part}_labels.npy", labels.astype(np.int32))


def write_tiny(root: Path) -> None:
    """Synthetic images of CIFAR-10's classes in a domain of their own."""
    for part, count in TINY.items():
        _write(root, part, *paint_in_turn(count, CLASSES, 1, SIDE, count))


def take_tiny(source: Path, root: Path) -> None:
    """A few images of each class in both versions."""
    for part in TINY:
        _write(root, part, *few_of(*read(source, part), 10))
