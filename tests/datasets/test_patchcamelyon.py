"""PatchCamelyon's reader: a layout made by hand, the same as torchvision sees, and what is wrong of a pair of files."""

from __future__ import annotations

import h5py
import hand_made
import numpy as np
import pytest

from repro.datasets import patchcamelyon
from repro.errors import UserError

COUNTS = {"train": 60, "valid": 30, "test": 20}


def test_patches_and_labels_are_those_that_were_laid_out(tmp_path):
    for part, (images, labels) in hand_made.patchcamelyon(tmp_path / "x", COUNTS).items():
        found, numbers = patchcamelyon.read(tmp_path / "x", part)
        assert numbers.dtype == np.int64 and numbers.tolist() == labels.tolist()
        assert np.array_equal(np.stack(list(found)), images) and len(found) == COUNTS[part]


@pytest.mark.parametrize(("part", "theirs"), [("train", "train"), ("valid", "val"), ("test", "test")])
@pytest.mark.parametrize("origin", ["by hand", "tiny"])
def test_torchvision_sees_the_same(tmp_path, part, theirs, origin):
    from torchvision.datasets import PCAM

    root = tmp_path / "pcam"
    if origin == "by hand":
        hand_made.patchcamelyon(root, COUNTS)
    else:
        root.mkdir()
        patchcamelyon.write_tiny(root)
    seen = PCAM(str(tmp_path), theirs)
    images, labels = patchcamelyon.read(root, part)
    assert len(images) == len(seen) >= 20
    for image, label, (picture, target) in zip(images, labels, seen, strict=True):
        assert np.array_equal(image, np.asarray(picture)) and label == target


def test_images_and_labels_of_different_numbers_are_told(tmp_path):
    hand_made.patchcamelyon(tmp_path / "x", COUNTS)
    path = tmp_path / "x/camelyonpatch_level_2_split_valid_y.h5"
    with h5py.File(path, "w") as file:
        file["y"] = np.zeros((29, 1, 1, 1), np.uint8)
    with pytest.raises(UserError) as caught:
        patchcamelyon.read(tmp_path / "x", "valid")
    assert caught.value.lines() == (
        f"{tmp_path}/x/camelyonpatch_level_2_split_valid_x.h5 is not the published file",
        "it has 30 patches for 29 labels",
        "repro data verify patchcamelyon --full",
    )


def test_the_tiny_subset_has_every_file_and_class(tmp_path):
    patchcamelyon.write_tiny(tmp_path)
    parts = ("train", "valid", "test")
    assert {path.name for path in tmp_path.iterdir()} == {f"camelyonpatch_level_2_split_{part}_{key}.h5" for part in parts for key in "xy"}
    for part, each in zip(parts, (36, 18, 24), strict=True):
        images, labels = patchcamelyon.read(tmp_path, part)
        assert np.bincount(labels).tolist() == [each] * 2 and len({image.tobytes() for image in images}) == len(images)
        with h5py.File(tmp_path / f"camelyonpatch_level_2_split_{part}_y.h5") as file:
            assert file["y"].shape == (2 * each, 1, 1, 1)


def test_a_real_subset_is_some_of_the_full_copy(tmp_path):
    full = hand_made.patchcamelyon(tmp_path / "full", {"train": 100, "valid": 60, "test": 40})
    (tmp_path / "tiny").mkdir()
    patchcamelyon.take_tiny(tmp_path / "full", tmp_path / "tiny")
    for part, each in (("train", 24), ("valid", 24), ("test", 20)):
        known = {image.tobytes(): label for image, label in zip(*full[part], strict=True)}
        taken, labels = patchcamelyon.read(tmp_path / "tiny", part)
        assert np.bincount(labels).tolist() == [each] * 2
        assert [known[image.tobytes()] for image in taken] == labels.tolist()
