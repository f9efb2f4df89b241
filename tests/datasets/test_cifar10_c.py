"""CIFAR-10-C's reader: severities and corruptions out of files made by hand, only what is asked for read, and each way to be wrong."""

from __future__ import annotations

import hand_made
import numpy as np
import pytest

from repro.data import manifest
from repro.datasets import cifar10_c
from repro.errors import UserError


@pytest.fixture
def root(tmp_path):
    hand_made.cifar10_c(tmp_path / "full", 30)
    return tmp_path / "full"


def refused(root) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        cifar10_c.read(root, 5)
    return caught.value.lines()


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_a_severity_is_its_own_rows_of_every_corruption_in_the_order_of_the_alphabet(tmp_path, severity):
    arrays, labels = hand_made.cifar10_c(tmp_path / "full", 30)
    images, numbers = cifar10_c.read(tmp_path / "full", severity)
    mine = slice((severity - 1) * 30, severity * 30)
    assert len(images) == len(numbers) == 19 * 30 and numbers.dtype == np.int64
    assert np.array_equal(np.stack(list(images)), np.concatenate([arrays[name][mine] for name in sorted(arrays)]))
    assert numbers.tolist() == 19 * labels[:30].tolist()


def test_the_corruptions_are_those_of_the_manifest():
    required = manifest.load("cifar10-c").layout.required
    assert sorted(required) == sorted(f"CIFAR-10-C/{name}.npy" for name in (*cifar10_c.CORRUPTIONS, "labels"))
    assert len(cifar10_c.CORRUPTIONS) == 19 and list(cifar10_c.CORRUPTIONS) == sorted(cifar10_c.CORRUPTIONS)


def test_images_are_mapped_and_copied_one_by_one(root):
    images, _ = cifar10_c.read(root, 5)
    assert all(isinstance(array, np.memmap) for array in images.arrays)
    assert type(images[7]) is np.ndarray and np.array_equal(images[7:9][0], images[7])


def test_a_missing_corruption_is_named(root):
    path = root / "CIFAR-10-C" / "fog.npy"
    path.unlink()
    assert refused(root) == (f"cannot read {path}", "No such file or directory", "repro data verify cifar10-c --full")


def test_a_file_that_is_cut_short_is_told_before_it_is_read(root):
    path = root / "CIFAR-10-C" / "fog.npy"
    path.write_bytes(path.read_bytes()[:-1])
    what, why, cure = refused(root)
    assert what == f"{path} is not the published file" and "mmap" in why and cure == "repro data verify cifar10-c --full"


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (np.zeros(149, np.uint8), "its 149 labels are not those of 5 severities"),
        (np.zeros(0, np.uint8), "its 0 labels are not those of 5 severities"),
        (np.zeros(145, np.uint8), "labels are uint8 (145,), they should be 150 whole numbers"),
        (np.full(150, 10, np.uint8), "labels go from 10 to 10, there are the 10 classes 0 to 9"),
    ],
)
def test_labels_that_do_not_fit_are_told(root, labels, why):
    np.save(root / "CIFAR-10-C" / "labels.npy", labels)
    assert refused(root)[1] == why


def test_the_tiny_subset_is_in_the_official_form(tmp_path):
    cifar10_c.write_tiny(tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.npy")) == sorted(
        manifest.load("cifar10-c").layout.required
    )
    images, labels = cifar10_c.read(tmp_path, 5)
    assert np.bincount(labels).tolist() == [38] * 10 and len({image.tobytes() for image in images}) == 380
    assert np.load(tmp_path / "CIFAR-10-C" / "labels.npy").dtype == np.uint8


def test_a_real_subset_is_the_same_few_images_at_every_severity(root, tmp_path):
    (tmp_path / "tiny").mkdir()
    cifar10_c.take_tiny(root, tmp_path / "tiny")
    rows = []
    for severity in range(1, 6):
        every, _ = cifar10_c.read(root, severity)
        known = {image.tobytes(): row for row, image in enumerate(every)}
        images, labels = cifar10_c.read(tmp_path / "tiny", severity)
        rows.append([known[image.tobytes()] for image in images])
        assert np.bincount(labels).tolist() == [38] * 10
    assert rows[1:] == rows[:1] * 4
