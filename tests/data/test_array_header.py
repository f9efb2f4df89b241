"""The length of an array is read from its header, and only believed when the data is there too."""

from __future__ import annotations

import numpy as np
import pytest

from repro.data.array_header import axis_length, read_labels


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_length_in_both_formats(tmp_path, version):
    with (tmp_path / "x.npy").open("wb") as stream:
        np.lib.format.write_array(stream, np.zeros((7, 3), np.float32), version=version)
    assert axis_length(tmp_path / "x.npy") == 7


def test_length_of_a_large_array_reads_none_of_it(tmp_path):
    with (tmp_path / "x.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (2**33, 1)})
        stream.truncate(stream.tell() + 2**33)
    assert axis_length(tmp_path / "x.npy") == 2**33


def test_data_beyond_the_header_s_promise_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(4, np.uint8))
    with (tmp_path / "x.npy").open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(ValueError, match="promises 4 bytes of data, there are 8"):
        axis_length(tmp_path / "x.npy")


def test_a_scalar_has_no_length(tmp_path):
    np.save(tmp_path / "x.npy", np.float32(3))
    with pytest.raises(ValueError, match="no axis"):
        axis_length(tmp_path / "x.npy")


def test_pickled_arrays_are_never_loaded(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="objects"):
        axis_length(tmp_path / "x.npy")
    with pytest.raises(ValueError, match="pickle"):
        read_labels(tmp_path / "x.npy")


@pytest.mark.parametrize("labels", [np.array([0.0, 1.0]), np.array([-1, 1]), np.zeros((2, 2), int)])
def test_what_is_no_list_of_labels_is_refused(tmp_path, labels):
    np.save(tmp_path / "y.npy", labels)
    with pytest.raises(ValueError, match="labels should be"):
        read_labels(tmp_path / "y.npy")


def test_labels_are_counted_from_zero(tmp_path):
    np.savez(tmp_path / "a.npz", labels=np.array([2, 0, 2]))
    assert read_labels(tmp_path / "a.npz", "labels") == [1, 0, 2]
