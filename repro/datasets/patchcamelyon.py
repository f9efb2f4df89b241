"""PatchCamelyon: lymph-node patches of 96 × 96 pixels, tumour in the middle or not, in HDF5 files.

camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5: `x`, uint8 (N, 96, 96, 3), and `y`, (N, 1, 1, 1), 1 where the central 32 × 32
pixels hold tumour. Source: github.com/basveeling/pcam; FLYP and AutoFT read JPEGs made of them, which lose detail.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.errors import UserError
from repro.reading import h5_arrays
from repro.reading.h5_arrays import H5Images
from repro.reading.image_arrays import cure
from repro.reading.synthetic import paint_in_turn

VERSION = 1  # of the synthetic subset
PARTS = {"train": 72, "valid": 36, "test": 48}  # part → its synthetic patches
CLASSES = 2
SIDE = 96


def _file(root: Path, part: str, key: str) -> Path:
    return root / f"camelyonpatch_level_2_split_{part}_{key}.h5"


def read(root: Path, part: str) -> tuple[H5Images, np.ndarray]:
    """The patches of `part` (train, valid, test), read when they are asked for, and their labels (N,) int64, in the files' order."""
    path = _file(root, part, "x")
    images = H5Images(path, "patchcamelyon", "x", SIDE)
    labels = h5_arrays.read_labels(_file(root, part, "y"), "patchcamelyon", "y", CLASSES)
    if len(images) != len(labels):
        why = f"it has {len(images):,} patches for {len(labels):,} labels"
        raise UserError(f"{path} is not the published file", why, cure("patchcamelyon"))
    return images, labels


def _write(root: Path, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    h5_arrays.write(_file(root, part, "x"), "x", images)
    h5_arrays.write(_file(root, part, "y"), "y", labels.astype(np.uint8).reshape(-1, 1, 1, 1))


def write_tiny(root: Path) -> None:
    """Synthetic patches of both classes in turn."""
    for seed, (part, count) in enumerate(PARTS.items()):
        _write(root, part, *paint_in_turn(count, CLASSES, 0, SIDE, seed))


def take_tiny(source: Path, root: Path) -> None:
    """A few patches of each part and class."""
    import pandas as pd

    from repro.reading.metadata import few

    for part in PARTS:
        images, labels = read(source, part)
        rows = few(pd.DataFrame({"label": labels}), ("label",), 24).index.to_numpy()
        _write(root, part, np.stack([images[int(row)] for row in rows]), labels[rows])
