"""CIFAR-10.2's reader: both files made by hand, and each way in which one can be wrong."""

from __future__ import annotations

import hand_made
import numpy as np
import pytest

from repro.datasets import cifar10_2
from repro.errors import UserError


@pytest.fixture
def root(tmp_path):
    hand_made.cifar10_2(tmp_path / "full", {"train": 150, "test": 120})
    return tmp_path / "full"


def test_each_part_is_of_its_own_file(tmp_path):
    for part, (images, labels) in hand_made.cifar10_2(tmp_path / "full", {"train": 50, "test": 20}).items():
        found, numbers = cifar10_2.read(tmp_path / "full", part)
        assert np.array_equal(found, images) and np.array_equal(numbers, labels) and len(found) == {"train": 50, "test": 20}[part]


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"images": np.zeros((2, 32, 32, 3), np.uint8)}, "labels"),
        ({"images": np.array([None]), "labels": np.zeros(1, np.int64)}, "allow_pickle=False"),
        ({"images": np.zeros((2, 32, 32, 10), np.uint8), "labels": np.zeros(2, np.int64)}, "images are uint8 (2, 32, 32, 10)"),
    ],
)
def test_a_wrong_file_is_told(root, arrays, why):
    np.savez(root / "cifar102_test.npz", **arrays)
    with pytest.raises(UserError) as caught:
        cifar10_2.read(root, "test")
    assert caught.value.what == f"{root / 'cifar102_test.npz'} is not the published file" and why in caught.value.why
    assert caught.value.cure == "repro data verify cifar10.2 --full"


@pytest.mark.parametrize("content", [None, b"PK", b""])
def test_a_file_that_is_no_archive_is_named(root, content):
    path = root / "cifar102_train.npz"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=r"cifar102_train\.npz"):
        cifar10_2.read(root, "train")


def test_the_tiny_subset_is_in_the_official_form(tmp_path):
    cifar10_2.write_tiny(tmp_path)
    for part, count in (("train", 100), ("test", 60)):
        with np.load(tmp_path / f"cifar102_{part}.npz", allow_pickle=False) as arrays:
            assert set(arrays.files) == {"images", "labels", "label_names", "ti_indices", "keywords"}
            assert arrays["label_names"].tolist() == list(hand_made.CIFAR) and arrays["labels"].dtype == np.int64
        assert np.bincount(cifar10_2.read(tmp_path, part)[1]).tolist() == [count // 10] * 10


def test_a_real_subset_is_some_of_the_full_copy(root, tmp_path):
    (tmp_path / "tiny").mkdir()
    cifar10_2.take_tiny(root, tmp_path / "tiny")
    for part in ("train", "test"):
        known = {image.tobytes(): label for image, label in zip(*cifar10_2.read(root, part), strict=True)}
        taken, numbers = cifar10_2.read(tmp_path / "tiny", part)
        assert np.bincount(numbers).tolist() == [10] * 10
        assert [known[image.tobytes()] for image in taken] == numbers.tolist()
