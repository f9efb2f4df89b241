"""Images that published data sets keep in arrays: read with what is wrong of them told, checked, thinned for tiny subsets."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import overload

import numpy as np

from repro.errors import UserError
from repro.reading.metadata import few

# What readers raise for files that are cut short or no such files; unpickling runs into all but the second of them.
BROKEN = (ValueError, zipfile.BadZipFile, EOFError, KeyError, IndexError, TypeError, AttributeError, pickle.UnpicklingError)


def cure(name: str) -> str:
    """The command that tells which file of the data set `name` is not the published one."""
    return f"repro data verify {name} --full"


@contextmanager
def reading(path: Path, name: str) -> Iterator[None]:
    """Turn a failure to read `path`, of data set `name`, into the error that names it."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {path}", error.strerror or str(error), cure(name)) from None
    except BROKEN as error:
        raise UserError(f"{path} is not the published file", f"{type(error).__name__}: {error}", cure(name)) from None


def checked(path: Path, name: str, images: np.ndarray, labels: np.ndarray, side: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images, which must be uint8 (N, side, side, 3), and their N labels, which must be whole numbers from 0, as int64."""
    wrong = None
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (side, side, 3):
        wrong = f"images are {images.dtype} {images.shape}, they should be uint8 (N, {side}, {side}, 3)"
    elif labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        wrong = f"labels are {labels.dtype} {labels.shape}, they should be {len(images):,} whole numbers"
    elif len(labels) and (labels.min() < 0 or labels.max() >= classes):
        wrong = f"labels go from {labels.min()} to {labels.max()}, there are the {classes} classes 0 to {classes - 1}"
    if wrong:
        raise UserError(f"{path} is not the published file", wrong, cure(name))
    return images, labels.astype(np.int64)


def few_of(images: np.ndarray, labels: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` images of each class, the same every time, in their order."""
    import pandas as pd

    rows = few(pd.DataFrame({"label": labels}), ("label",), most).index.to_numpy()
    return images[rows], labels[rows]


class MappedImages(Sequence[np.ndarray]):
    """The images `rows` of each of several arrays (N, H, W, 3), one array after another, copied when they are asked for; a slice is such a sequence again.

    Of arrays that are mapped from disk nothing else is read.
    """

    def __init__(self, arrays: Sequence[np.ndarray], rows: range):
        self.arrays, self.rows = arrays, rows
        self.places = range(len(arrays) * len(rows))

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> MappedImages: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | MappedImages:
        if isinstance(index, slice):
            part = MappedImages(self.arrays, self.rows)
            part.places = self.places[index]
            return part
        number, row = divmod(self.places[index], len(self.rows))
        return np.array(self.arrays[number][self.rows[row]])
