"""Images that published data sets keep in HDF5 files, read a few at a time: what they hold need not fit into memory.

A file is opened for each read and closed after it. Within one, h5py lets one thread in at a time, so threads may read; no handle is left
to a process that forks. Files are not locked: nobody writes to them, and some shared file systems know no locks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, overload

import numpy as np

from repro.errors import UserError
from repro.reading.image_arrays import cure, reading

if TYPE_CHECKING:
    import h5py

BLOCK = 512  # images that are read at once: of 96 × 96 pixels, 14 MB


def _h5py(path: Path) -> ModuleType:
    """The package, which is an extra; a `UserError` where it is not there."""
    try:
        import h5py
    except ImportError:
        raise UserError(f"{path.name} is an HDF5 file", "the package h5py is not installed", "pip install 'repro[h5]'") from None
    return h5py


@contextmanager
def opened(path: Path, name: str, key: str) -> Iterator[h5py.Dataset]:
    """The array `key` of a file of the data set `name`; a `UserError` where h5py, the file or the array is not there, or not whole."""
    h5py = _h5py(path)
    if not path.exists():  # told in h5py's words, it would be a paragraph
        raise UserError(f"cannot read {path}", "No such file or directory", cure(name))
    with reading(path, name), h5py.File(path, "r", locking=False) as file:
        if not isinstance(file.get(key), h5py.Dataset):
            raise UserError(f"{path} is not the published file", f"it has no array {key!r}", cure(name))
        yield file[key]


def write(path: Path, key: str, array: np.ndarray) -> None:
    """A file that holds one array."""
    with _h5py(path).File(path, "w") as file:
        file.create_dataset(key, data=array)


def read_labels(path: Path, name: str, key: str, classes: int) -> np.ndarray:
    """All labels, whatever the axes of length 1 that they are stored with: int64 (N,) in 0 … classes − 1."""
    with opened(path, name, key) as dataset:
        labels = dataset[:]
    if labels.dtype.kind not in "iu" or labels.size != len(labels):
        raise UserError(f"{path} is not the published file", f"labels are {labels.dtype} {labels.shape}, they should be (N,)", cure(name))
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        why = f"labels go from {labels.min()} to {labels.max()}, there are the {classes} classes 0 to {classes - 1}"
        raise UserError(f"{path} is not the published file", why, cure(name))
    return labels.reshape(-1).astype(np.int64)


class H5Images(Sequence[np.ndarray]):
    """The images of an array uint8 (N, side, side, 3), read when they are asked for; a slice is such a sequence again.

    Iteration reads `BLOCK` images at once.
    """

    def __init__(self, path: Path, name: str, key: str, side: int):
        self.path, self.name, self.key = path, name, key
        with opened(path, name, key) as dataset:
            shape, kind = dataset.shape, dataset.dtype
        if kind != np.uint8 or len(shape) != 4 or shape[1:] != (side, side, 3):
            why = f"images are {kind} {shape}, they should be uint8 (N, {side}, {side}, 3)"
            raise UserError(f"{path} is not the published file", why, cure(name))
        self.rows = range(shape[0])

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> H5Images: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | H5Images:
        if isinstance(index, slice):
            part = object.__new__(H5Images)
            part.path, part.name, part.key, part.rows = self.path, self.name, self.key, self.rows[index]
            return part
        row = self.rows[index]
        return self._read(range(row, row + 1))[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self.rows), BLOCK):
            yield from self._read(self.rows[start : start + BLOCK])

    def _read(self, rows: range) -> np.ndarray:
        if rows.step < 0:
            return self._read(rows[::-1])[::-1]
        with opened(self.path, self.name, self.key) as dataset:
            return dataset[rows.start : rows.stop : rows.step]
