"""Arrays of images: what is wrong of a file is told in three lines, and few of them are chosen the same way every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from repro.errors import UserError
from repro.reading.image_arrays import checked, few_of, reading

PATH = Path("/data/images.npy")


def images(count: int = 3, side: int = 4, dtype: str = "uint8") -> np.ndarray:
    return np.zeros((count, side, side, 3), dtype)


def test_what_is_right_passes_with_labels_of_64_bits():
    found, labels = checked(PATH, "cifar10", images(), np.array([0, 9, 3], np.int32), 4, 10)
    assert found.shape == (3, 4, 4, 3) and labels.dtype == np.int64 and labels.tolist() == [0, 9, 3]


@pytest.mark.parametrize(
    ("pixels", "labels", "why"),
    [
        (images(dtype="float32"), [0, 1, 2], "images are float32 (3, 4, 4, 3), they should be uint8 (N, 4, 4, 3)"),
        (images(side=5), [0, 1, 2], "images are uint8 (3, 5, 5, 3), they should be uint8 (N, 4, 4, 3)"),
        (images()[0], [0, 1, 2], "images are uint8 (4, 4, 3), they should be uint8 (N, 4, 4, 3)"),
        (images(), [0, 1], "labels are int64 (2,), they should be 3 whole numbers"),
        (images(), [0.0, 1.0, 2.0], "labels are float64 (3,), they should be 3 whole numbers"),
        (images(), [0, 1, 10], "labels go from 0 to 10, there are the 10 classes 0 to 9"),
        (images(), [-1, 1, 9], "labels go from -1 to 9, there are the 10 classes 0 to 9"),
    ],
)
def test_what_is_wrong_is_said(pixels, labels, why):
    with pytest.raises(UserError) as caught:
        checked(PATH, "cifar10", pixels, np.array(labels), 4, 10)
    assert caught.value.lines() == (f"{PATH} is not the published file", why, "repro data verify cifar10 --full")


@pytest.mark.parametrize(
    "content", [None, b"", b"no array", b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "images.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught, reading(path, "cifar10.1"):
        np.load(path, allow_pickle=False)
    assert str(path) in caught.value.what and caught.value.cure == "repro data verify cifar10.1 --full"
    assert caught.value.what.startswith("cannot read" if content is None else str(path))


def test_few_are_the_same_every_time_and_keep_their_order():
    numbers = np.arange(90)
    pixels = np.zeros((90, 1, 1, 3), np.uint8) + numbers[:, None, None, None].astype(np.uint8)
    first, labels = few_of(pixels, numbers % 9, 4)
    again, _ = few_of(pixels, numbers % 9, 4)
    rows = first[:, 0, 0, 0].astype(int)
    assert np.bincount(labels).tolist() == [4] * 9 and np.array_equal(first, again)
    assert np.array_equal(labels, rows % 9) and rows.tolist() == sorted(rows)
