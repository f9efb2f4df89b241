"""CIFAR-10.2: a second new set for CIFAR-10, with a training part.

cifar102_{train,test}.npz with `images`, uint8 (N, 32, 32, 3), `labels`, int64 (N,), `label_names`, and `ti_indices` and `keywords` of the
80 million tiny images that they are from. Source: modestyachts/cifar-10.2@521467a README.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.datasets.cifar10 import CLASSES
from repro.reading.image_arrays import checked, few_of, reading
from repro.reading.synthetic import paint_in_turn

NAME = "cifar10.2"
VERSION = 1  # of the synthetic subset
SIDE = 32
TINY = {"train": 100, "test": 60}  # synthetic images


def read(root: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) uint8 and labels (N,) int64 of `part`: train or test."""
    path = root / f"cifar102_{part}.npz"
    with reading(path, NAME), np.load(path, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return checked(path, NAME, images, labels, SIDE, len(CLASSES))


def _write(root: Path, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    told = {"label_names": np.array(CLASSES), "ti_indices": np.arange(len(labels)), "keywords": np.array(CLASSES)[labels]}
    np.savez(root / f"cifar102_{part}.npz", images=images, labels=labels.astype(np.int64), **told)


def write_tiny(root: Path) -> None:
    """Synthetic images of CIFAR-10's classes in a domain of their own."""
    for part, count in TINY.items():
        _write(root, part, *paint_in_turn(count, len(CLASSES), 2, SIDE, count))


def take_tiny(source: Path, root: Path) -> None:
    """A few images of each class in both parts."""
    for part in TINY:
        _write(root, part, *few_of(*read(source, part), 10))
