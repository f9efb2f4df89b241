"""CIFAR-10's reader: a layout made by hand, the same as torchvision sees, and each way in which a file can be wrong."""

from __future__ import annotations

import os
import pickle
import warnings

import hand_made
import numpy as np
import pytest

from repro.datasets import cifar10
from repro.errors import UserError

FOLDER = "cifar-10-batches-py"


def torchvision_reads(root, train, monkeypatch):
    """The same files through torchvision, whose md5s of the real ones are passed over."""
    from torchvision.datasets import cifar

    monkeypatch.setattr(cifar, "check_integrity", lambda *arguments: True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of the flags that Python 2 wrote as numbers
        return cifar.CIFAR10(str(root), train=train)


def refused(root) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        cifar10.read(root, "train")
    return caught.value.lines()


@pytest.fixture
def root(tmp_path):
    hand_made.cifar10(tmp_path, 20)
    return tmp_path


def test_images_and_labels_are_those_that_were_laid_out(tmp_path):
    parts = hand_made.cifar10(tmp_path, 30)
    for part, (images, labels) in parts.items():
        found, numbers = cifar10.read(tmp_path, part)
        assert found.dtype == np.uint8 and numbers.dtype == np.int64
        assert np.array_equal(found, images) and np.array_equal(numbers, labels)


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("origin", ["by hand", "tiny"])
def test_torchvision_sees_the_same(tmp_path, part, origin, monkeypatch):
    hand_made.cifar10(tmp_path, 10) if origin == "by hand" else cifar10.write_tiny(tmp_path)
    theirs = torchvision_reads(tmp_path, part == "train", monkeypatch)
    images, labels = cifar10.read(tmp_path, part)
    assert len(images) == len(theirs) > 0 and tuple(theirs.classes) == cifar10.CLASSES == hand_made.CIFAR
    assert np.array_equal(images, theirs.data) and labels.tolist() == theirs.targets
    assert np.array_equal(np.asarray(theirs[3][0]), images[3])


def test_batches_that_a_newer_python_wrote_again_are_read(root):
    before = cifar10.read(root, "train")
    path = root / FOLDER / "data_batch_2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = pickle.loads(path.read_bytes(), encoding="bytes")
    path.write_bytes(pickle.dumps(content, protocol=4))
    for ours, theirs in zip(cifar10.read(root, "train"), before, strict=True):
        assert np.array_equal(ours, theirs)


def test_a_pickle_that_would_run_something_is_refused_by_name(root, tmp_path):
    class Command:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    path = root / FOLDER / "data_batch_1"
    path.write_bytes(pickle.dumps({"data": Command(), "labels": []}, protocol=2))
    what, why, cure = refused(root)
    assert what == f"{path} is not the published file" and f"{os.name}.system" in why and "nothing was run" in why
    assert cure == "repro data verify cifar10 --full" and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["data_batch_4", "batches.meta"])
def test_a_missing_file_is_named(root, name):
    (root / FOLDER / name).unlink()
    assert refused(root)[:2] == (f"cannot read {root / FOLDER / name}", "No such file or directory")


def test_a_file_cut_short_is_named(root):
    path = root / FOLDER / "data_batch_5"
    path.write_bytes(path.read_bytes()[:-500])
    assert refused(root)[0] == f"{path} is not the published file"


@pytest.mark.parametrize(
    ("labels", "rows", "why"),
    [
        ([3, 10], np.zeros((2, 3072), np.uint8), "labels go from 3 to 10, there are the 10 classes 0 to 9"),
        ([3], np.zeros((2, 3072), np.uint8), "labels are int64 (1,), they should be 2 whole numbers"),
        ([3, 4], np.zeros((2, 1024), np.uint8), "cannot reshape"),
    ],
)
def test_a_wrong_batch_is_told(root, labels, rows, why):
    (root / FOLDER / "data_batch_3").write_bytes(hand_made.python2_batch("wrong", rows, labels))
    assert why in refused(root)[1]


@pytest.mark.parametrize("content", [b"I1\n.", pickle.dumps({"no": "data"}), pickle.dumps([1])])
def test_a_pickle_of_something_else_is_told(root, content):
    (root / FOLDER / "data_batch_1").write_bytes(content)
    assert refused(root)[0] == f"{root / FOLDER / 'data_batch_1'} is not the published file"


def test_classes_of_another_order_are_refused(root):
    path = root / FOLDER / "batches.meta"
    path.write_bytes(path.read_bytes().replace(b"cat", b"cow"))
    assert refused(root)[:2] == (f"{path} is not the published file", "its label_names are others")


def test_the_tiny_subset_has_every_file_and_class(tmp_path):
    cifar10.write_tiny(tmp_path)
    names = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert names == {"batches.meta", "test_batch", *(f"data_batch_{number}" for number in range(1, 6))}
    for part, each in (("train", 30), ("test", 6)):
        images, labels = cifar10.read(tmp_path, part)
        assert np.bincount(labels).tolist() == [each] * 10 and len(np.unique(images, axis=0)) == len(images)


def test_a_real_subset_is_some_of_the_full_copy(tmp_path):
    full = hand_made.cifar10(tmp_path / "full", 300)
    (tmp_path / "tiny").mkdir()
    cifar10.take_tiny(tmp_path / "full", tmp_path / "tiny")
    for part, (images, labels) in full.items():
        known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
        taken, numbers = cifar10.read(tmp_path / "tiny", part)
        assert np.bincount(numbers).tolist() == [24] * 10
        assert [known[image.tobytes()] for image in taken] == numbers.tolist()
