"""CIFAR-10-C: CIFAR-10's test images under 19 corruptions at 5 severities.

CIFAR-10-C/<corruption>.npy: uint8 (5N, 32, 32, 3), all N images at severity 1 first, then all at severity 2, up to 5; CIFAR-10-C/labels.npy:
uint8 (5N,), the same for every corruption. N is 10,000. Source: zenodo.org/records/2535967.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.errors import UserError
from repro.reading.image_arrays import MappedImages, checked, cure, reading
from repro.reading.metadata import few
from repro.reading.synthetic import paint_in_turn

NAME = "cifar10-c"
VERSION = 1  # of the synthetic subset
FOLDER = "CIFAR-10-C"
SIDE, CLASSES, SEVERITIES = 32, 10, 5  # classes in CIFAR-10's order
# In the order of AutoFT's loader (cchoi1/auto-ft@8225046 autoft/src/datasets/cifar10.py:17-19), which is the alphabet's.
CORRUPTIONS = (
    "brightness",
    "contrast",
    "defocus_blur",
    "elastic_transform",
    "fog",
    "frost",
    "gaussian_blur",
    "gaussian_noise",
    "glass_blur",
    "impulse_noise",
    "jpeg_compression",
    "motion_blur",
    "pixelate",
    "saturate",
    "shot_noise",
    "snow",
    "spatter",
    "speckle_noise",
    "zoom_blur",
)
TINY = 20  # synthetic images at each severity


def read(root: Path, severity: int) -> tuple[MappedImages, np.ndarray]:
    """Images of one severity, corruption after corruption, read as they are asked for, and their labels (19 N,) int64."""
    paths, labels = [root / FOLDER / f"{name}.npy" for name in CORRUPTIONS], root / FOLDER / "labels.npy"
    arrays = [_mapped(path) for path in paths]
    numbers = _mapped(labels)
    if not len(numbers) or len(numbers) % SEVERITIES:
        raise UserError(f"{labels} is not the published file", f"its {len(numbers)} labels are not those of 5 severities", cure(NAME))
    for path, array in zip(paths, arrays, strict=True):
        checked(path, NAME, array, numbers, SIDE, CLASSES)
    each = len(numbers) // SEVERITIES
    rows = range((severity - 1) * each, severity * each)
    return MappedImages(arrays, rows), np.tile(numbers[rows.start : rows.stop].astype(np.int64), len(arrays))


def _mapped(path: Path) -> np.ndarray:
    with reading(path, NAME):
        return np.load(path, mmap_mode="r", allow_pickle=False)


def write_tiny(root: Path) -> None:
    """Synthetic images of CIFAR-10's classes in a domain of their own, others for each corruption."""
    (root / FOLDER).mkdir()
    for seed, name in enumerate(CORRUPTIONS):
        images, labels = paint_in_turn(TINY * SEVERITIES, CLASSES, 3, SIDE, seed)
        np.save(root / FOLDER / f"{name}.npy", images)
    np.save(root / FOLDER / "labels.npy", labels.astype(np.uint8))


def take_tiny(source: Path, root: Path) -> None:
    """A few images of each class under every corruption, at all severities."""
    import pandas as pd

    read(source, 1)  # whose checks are those of all
    labels = _mapped(source / FOLDER / "labels.npy").reshape(SEVERITIES, -1)
    kept = few(pd.DataFrame({"label": labels[0]}), ("label",), TINY // CLASSES).index.to_numpy()
    (root / FOLDER).mkdir()
    for name in CORRUPTIONS:
        images = _mapped(source / FOLDER / f"{name}.npy").reshape(*labels.shape, SIDE, SIDE, 3)
        np.save(root / FOLDER / f"{name}.npy", images[:, kept].reshape(-1, SIDE, SIDE, 3))
    np.save(root / FOLDER / "labels.npy", labels[:, kept].reshape(-1))
