"""The length of a numpy array from its header alone, in an .npy file or inside an .npz, and labels counted per class."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np


def axis_length(path: Path, key: str = "") -> int:
    """The first axis of the array in `path`, or of the array `key` of an .npz. `ValueError`: cut short, or no numpy file.

    The data must be there too: a file cut after its header would otherwise count as whole.
    """
    if not key:
        with path.open("rb") as stream:
            shape, needed = _header(stream)
            present = path.stat().st_size - stream.tell()
    else:
        with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as stream:
            shape, needed = _header(stream)
            present = archive.getinfo(f"{key}.npy").file_size - stream.tell()
    if present != needed:
        raise ValueError(f"the header promises {needed} bytes of data, there are {present}")
    if not shape:
        raise ValueError("the array has no axis")
    return shape[0]


def read_labels(path: Path, key: str = "") -> list[int]:
    """Examples per class of an array of integer labels, from label 0 to the largest."""
    loaded = np.load(path, allow_pickle=False)
    if key:
        with loaded as arrays:
            labels = arrays[key]
    else:
        labels = loaded
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or (labels < 0).any():
        raise ValueError(f"labels should be one axis of integers from 0, not {labels.dtype} {labels.shape}")
    return np.bincount(labels).tolist()


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], int]:
    """Shape, and how many bytes of data follow."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"numpy format {version[0]}.{version[1]} is not known here")
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, not numbers")
    return shape, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
