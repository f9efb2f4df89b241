"""Images in HDF5 files: the same as h5py reads at once, a block at a time, with no file left open, whatever the number of threads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from repro.errors import UserError
from repro.nn.inputs import packs
from repro.reading import h5_arrays
from repro.reading.examples import Examples
from repro.reading.h5_arrays import H5Images, read_labels, write

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (23, 8, 8, 3), np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=PIXELS, chunks=(4, 8, 8, 3), compression="gzip")
    return tmp_path / "x.h5"


def images_of(path: Path, side: int = 8) -> H5Images:
    return H5Images(path, "patchcamelyon", "x", side)


def fault(path: Path, read=images_of) -> tuple[str, str, str]:
    with pytest.raises(UserError) as caught:
        read(path)
    return caught.value.lines()


@pytest.mark.parametrize(
    "part", [slice(None), slice(5, 9), slice(None, None, 7), slice(20, 99), slice(9, 5), slice(None, None, -3), slice(-4, None)]
)
def test_a_slice_is_a_sequence_of_the_same_images(path, part):
    found = images_of(path)[part]
    assert isinstance(found, H5Images) and len(found) == len(PIXELS[part])
    assert all(np.array_equal(one, other) for one, other in zip(found, PIXELS[part], strict=True))
    assert all(np.array_equal(one, other) for one, other in zip(found[1:][::2], PIXELS[part][1:][::2], strict=True))


def test_an_index_is_an_image(path):
    found = images_of(path)
    assert np.array_equal(found[3], PIXELS[3]) and np.array_equal(found[-1], PIXELS[22]) and np.array_equal(found[5:][2], PIXELS[7])
    for beyond in (23, -24):
        with pytest.raises(IndexError):
            found[beyond]


def test_a_few_images_are_read_at_once_and_no_file_stays_open(path, monkeypatch):
    monkeypatch.setattr(h5_arrays, "BLOCK", 5)
    read, real = [], H5Images._read
    monkeypatch.setattr(H5Images, "_read", lambda self, rows: read.append(len(rows)) or real(self, rows))
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else None
    walk = iter(images_of(path))
    for _ in range(7):
        next(walk)
    assert read == [5, 5]
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before
    assert len(list(walk)) == 16 and read == [5, 5, 5, 5, 3]


@pytest.mark.parametrize("side", [8, 11])  # as they are, and resized
def test_a_pack_is_the_same_as_of_arrays_in_memory_whatever_the_threads(path, tmp_path, side):
    labels = np.arange(23) % 2
    for name, sources, threads in (("array", list(PIXELS), 1), ("one", images_of(path), 1), ("four", images_of(path), 4)):
        packs.build(tmp_path / name, Examples(sources, labels), packs.Resize(side=side, mode="squash"), lambda done: None, "train", threads)
    assert len({packs.open_pack(tmp_path / name).content for name in ("array", "one", "four")}) == 1


def test_labels_are_flat_whatever_their_axes(tmp_path):
    write(tmp_path / "y.h5", "y", np.array([0, 1, 1], np.uint8).reshape(3, 1, 1, 1))
    found = read_labels(tmp_path / "y.h5", "patchcamelyon", "y", 2)
    assert found.tolist() == [0, 1, 1] and found.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (np.array([0, 2]), "labels go from 0 to 2, there are the 2 classes 0 to 1"),
        (np.array([0.0, 1.0]), "labels are float64 (2,), they should be (N,)"),
        (np.zeros((2, 2), np.uint8), "labels are uint8 (2, 2), they should be (N,)"),
    ],
)
def test_wrong_labels_are_told(tmp_path, labels, why):
    path = tmp_path / "y.h5"
    write(path, "y", labels)
    found = fault(path, lambda path: read_labels(path, "patchcamelyon", "y", 2))
    assert found == (f"{path} is not the published file", why, "repro data verify patchcamelyon --full")


def test_a_file_that_is_absent_or_another_is_named(path, tmp_path):
    assert fault(tmp_path / "no.h5") == (
        f"cannot read {tmp_path}/no.h5",
        "No such file or directory",
        "repro data verify patchcamelyon --full",
    )
    (tmp_path / "text.h5").write_text("a page of a download host")
    assert fault(tmp_path / "text.h5")[0] == f"cannot read {tmp_path}/text.h5"
    assert fault(path, lambda path: images_of(path, 96))[1] == "images are uint8 (23, 8, 8, 3), they should be uint8 (N, 96, 96, 3)"
    assert fault(path, lambda path: H5Images(path, "patchcamelyon", "z", 8))[1] == "it has no array 'z'"


def test_a_file_cut_short_is_named(path):
    path.write_bytes(path.read_bytes()[:-700])
    assert fault(path, lambda path: list(images_of(path)))[0] == f"cannot read {path}"


def test_a_chunk_that_is_damaged_is_named_when_its_turn_comes(path):
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        offset = file["x"].id.get_chunk_info(3).byte_offset
    content[offset : offset + 40] = bytes(40)
    path.write_bytes(content)
    found = images_of(path)
    assert np.array_equal(found[0], PIXELS[0])
    assert fault(path, lambda path: list(found))[0] == f"cannot read {path}"


def test_without_the_package_the_extra_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert fault(path) == ("x.h5 is an HDF5 file", "the package h5py is not installed", "pip install 'repro[h5]'")
