"""STL-10's reader: files made by hand, the same as torchvision sees, and each way in which one can be wrong."""

from __future__ import annotations

import hand_made
import numpy as np
import pytest

from repro.datasets import stl10
from repro.errors import UserError

FOLDER = "stl10_binary"


@pytest.mark.parametrize("origin", ["by hand", "tiny"])
def test_torchvision_sees_the_same(tmp_path, origin, monkeypatch):
    from torchvision.datasets import stl10 as theirs

    monkeypatch.setattr(theirs, "check_integrity", lambda *arguments: True)
    hand_made.stl10(tmp_path, 20) if origin == "by hand" else stl10.write_tiny(tmp_path)
    reader = theirs.STL10(str(tmp_path), split="test")
    images, labels = stl10.read(tmp_path, "test")
    assert len(images) == len(reader) > 0 and tuple(reader.classes) == stl10.CLASSES == hand_made.STL
    assert labels.dtype == np.int64 and labels.tolist() == reader.labels.tolist()
    for number in range(len(reader)):
        assert np.array_equal(np.asarray(reader[number][0]), images[number])


def test_images_and_labels_are_those_that_were_laid_out(tmp_path):
    images, labels = hand_made.stl10(tmp_path, 20)
    found, numbers = stl10.read(tmp_path, "test")
    assert found.dtype == np.uint8 and np.array_equal(found, images) and np.array_equal(numbers, labels)


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("test_X.bin", lambda raw: raw[:-1], "cannot reshape"),
        ("test_X.bin", lambda raw: b"", "empty"),
        ("test_X.bin", lambda raw: raw[: 96 * 96 * 3 * 9], "labels are int64 (10,), they should be 9 whole numbers"),
        ("test_y.bin", lambda raw: b"\x0b" + raw[1:], "labels go from 0 to 10"),
        ("test_y.bin", lambda raw: b"\x00" + raw[1:], "labels go from -1 to 9"),
        ("class_names.txt", lambda raw: raw.replace(b"monkey", b"ape"), "it names airplane, bird, car, cat, deer, dog, horse, ape"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, name, change, why):
    hand_made.stl10(tmp_path, 10)
    path = tmp_path / FOLDER / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError) as caught:
        stl10.read(tmp_path, "test")
    assert why in caught.value.why and caught.value.cure == "repro data verify stl10 --full"


@pytest.mark.parametrize("name", ["test_X.bin", "test_y.bin", "class_names.txt"])
def test_a_missing_file_is_named(tmp_path, name):
    hand_made.stl10(tmp_path, 10)
    (tmp_path / FOLDER / name).unlink()
    with pytest.raises(UserError) as caught:
        stl10.read(tmp_path, "test")
    assert caught.value.what == f"cannot read {tmp_path / FOLDER / name}"


def test_a_real_subset_is_some_of_the_full_copy(tmp_path):
    images, labels = hand_made.stl10(tmp_path / "full", 120)
    (tmp_path / "tiny").mkdir()
    stl10.take_tiny(tmp_path / "full", tmp_path / "tiny")
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    taken, numbers = stl10.read(tmp_path / "tiny", "test")
    assert np.bincount(numbers).tolist() == [10] * 10
    assert [known[image.tobytes()] for image in taken] == numbers.tolist()
