"""CIFAR-10: photographs of 32 × 32 pixels in ten classes, as Python 2 pickles.

cifar-10-batches-py/{data_batch_1 … data_batch_5, test_batch, batches.meta}: dictionaries with `data`, uint8 (N, 3072), a row's red plane
first, each plane row by row, and `labels`, a list of N numbers; `label_names` in batches.meta. Source: www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from repro.data import array_pickle
from repro.errors import UserError
from repro.reading.image_arrays import checked, cure, few_of, reading
from repro.reading.synthetic import paint_in_turn

VERSION = 1  # of the synthetic subset
FOLDER = "cifar-10-batches-py"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
SIDE = 32
PER_CLASS = 6  # synthetic images in each batch


def read(root: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) uint8 and labels (N,) int64 of `part` (train, test), batch after batch in the files' order."""
    names = _load(root / FOLDER / "batches.meta").get("label_names")
    if not isinstance(names, list) or tuple(map(_text, names)) != CLASSES:
        raise UserError(f"{root / FOLDER / 'batches.meta'} is not the published file", "its label_names are others", cure("cifar10"))
    batches = [_batch(root / FOLDER / name) for name in BATCHES[part]]
    return np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches])


def _batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    content = _load(path)
    with reading(path, "cifar10"):
        planes, labels = np.asarray(content["data"]).reshape(-1, 3, SIDE, SIDE), np.asarray(content["labels"])
    return checked(path, "cifar10", planes.transpose(0, 2, 3, 1), labels, SIDE, len(CLASSES))


def _load(path: Path) -> dict[str, Any]:
    with reading(path, "cifar10"), path.open("rb") as file:
        return {_text(key): value for key, value in array_pickle.load(file).items()}


def _text(word: str | bytes) -> str:
    """Python 2's strings come as text, those of a file that Python 3 wrote again as bytes."""
    return word.decode("latin1") if isinstance(word, bytes) else str(word)


def _write(root: Path, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    """One part in the official form, dealt out to its batches in turn."""
    names = BATCHES[part]
    for number, name in enumerate(names):
        mine = slice(number, None, len(names))
        title = f"training batch {number + 1} of {len(names)}" if part == "train" else "testing batch 1 of 1"
        rows = images[mine].transpose(0, 3, 1, 2).reshape(-1, 3 * SIDE * SIDE)
        files = [f"{CLASSES[label]}_s_{row:06}.png".encode() for row, label in enumerate(labels[mine])]
        content = {b"batch_label": title.encode(), b"labels": labels[mine].tolist(), b"data": rows, b"filenames": files}
        array_pickle.write(root / FOLDER / name, content)


def _write_all(root: Path, parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    (root / FOLDER).mkdir()
    words = [name.encode() for name in CLASSES]
    array_pickle.write(root / FOLDER / "batches.meta", {b"num_cases_per_batch": 10_000, b"label_names": words, b"num_vis": 3072})
    for part, (images, labels) in parts.items():
        _write(root, part, images, labels)


def write_tiny(root: Path) -> None:
    """Synthetic images of each class in every batch."""
    each = PER_CLASS * len(CLASSES)
    parts = {part: paint_in_turn(each * len(names), len(CLASSES), 0, SIDE, seed) for seed, (part, names) in enumerate(BATCHES.items())}
    _write_all(root, parts)


def take_tiny(source: Path, root: Path) -> None:
    """A few images of each part and class."""
    _write_all(root, {part: few_of(*read(source, part), 24) for part in BATCHES})
