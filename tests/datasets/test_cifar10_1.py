"""CIFAR-10.1's reader: both versions from files made by hand, and each way in which one can be wrong."""

from __future__ import annotations

import hand_made
import numpy as np
import pytest

from repro.datasets import cifar10_1
from repro.errors import UserError


@pytest.fixture
def root(tmp_path):
    hand_made.cifar10_1(tmp_path / "full", {"v4": 131, "v6": 120})
    return tmp_path / "full"


def test_images_and_labels_are_those_that_were_laid_out(tmp_path):
    for part, (images, labels) in hand_made.cifar10_1(tmp_path / "full", {"v4": 21, "v6": 20}).items():
        found, numbers = cifar10_1.read(tmp_path / "full", part)
        assert np.array_equal(found, images) and np.array_equal(numbers, labels) and numbers.dtype == np.int64


@pytest.mark.parametrize("what", ["data", "labels"])
def test_a_missing_file_is_named(root, what):
    path = root / f"cifar10.1_v6_{what}.npy"
    path.unlink()
    with pytest.raises(UserError) as caught:
        cifar10_1.read(root, "v6")
    assert caught.value.lines() == (f"cannot read {path}", "No such file or directory", "repro data verify cifar10.1 --full")
    assert len(cifar10_1.read(root, "v4")[0]) == 131


def test_objects_are_not_unpickled(root):
    np.save(root / "cifar10.1_v6_labels.npy", np.array([{"a": 1}] * 120, object), allow_pickle=True)
    with pytest.raises(UserError, match=r"cifar10\.1_v6_labels\.npy is not the published file") as caught:
        cifar10_1.read(root, "v6")
    assert "allow_pickle=False" in caught.value.why


def test_a_label_out_of_range_is_told(root):
    np.save(root / "cifar10.1_v6_labels.npy", np.full(120, 10, np.int32))
    with pytest.raises(UserError) as caught:
        cifar10_1.read(root, "v6")
    assert caught.value.why == "labels go from 10 to 10, there are the 10 classes 0 to 9"


def test_the_tiny_subset_is_in_the_official_form(tmp_path):
    cifar10_1.write_tiny(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
    assert np.load(tmp_path / "cifar10.1_v6_labels.npy").dtype == np.int32
    assert np.bincount(cifar10_1.read(tmp_path, "v6")[1]).tolist() == [6] * 10
    assert len(cifar10_1.read(tmp_path, "v4")[1]) == 61


def test_a_real_subset_is_some_of_the_full_copy(root, tmp_path):
    (tmp_path / "tiny").mkdir()
    cifar10_1.take_tiny(root, tmp_path / "tiny")
    for part in ("v4", "v6"):
        known = {image.tobytes(): label for image, label in zip(*cifar10_1.read(root, part), strict=True)}
        taken, numbers = cifar10_1.read(tmp_path / "tiny", part)
        assert np.bincount(numbers).tolist() == [10] * 10
        assert [known[image.tobytes()] for image in taken] == numbers.tolist()
