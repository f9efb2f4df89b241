"""Descriptions of TorchScript's archives, written by hand: what has no place in one is refused, and no tensor reaches beyond its values."""

from __future__ import annotations

from pickle import UnpicklingError

import pytest
import torch

from repro.nn.networks.torchscript_pickle import Storage, View, described

HALF = b"(X\x07\x00\x00\x00storagectorch\nHalfStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x0ctQ"


def tensor(offset: bytes, size: bytes, stride: bytes, storage: bytes = HALF) -> bytes:
    """A module with one tensor `w` of that geometry; HALF has 12 values."""
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + size + stride + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02c__torch__.a\nA\n)\x81}X\x01\x00\x00\x00w" + rebuilt + b"sb."


@pytest.mark.parametrize(
    ("description", "why"),
    [
        (tensor(b"K\x01", b"K\x03K\x04\x86", b"K\x04K\x01\x86"), "lies beyond the 12 values"),
        (tensor(b"K\x00", b"K\x0d\x85", b"K\x01\x85"), "lies beyond the 12 values"),
        (tensor(b"K\x00", b"K\x02\x85", b"K\x0c\x85"), "lies beyond the 12 values"),
        (tensor(b"K\x00", b"J\x00\x00\x00\x7f\x85", b"K\x00\x85"), "lies beyond the 12 values"),
        (tensor(b"J\xff\xff\xff\xff", b"K\x02\x85", b"K\x01\x85"), "no tensor has size"),
        (tensor(b"K\x00", b"K\x02\x85", b"J\xff\xff\xff\xff\x85"), "no tensor has size"),
        (tensor(b"K\x00", b"K\x02\x85", b"K\x01K\x01\x86"), "no tensor has size"),
        (
            tensor(b"K\x00", b"K\x02\x85", b"K\x01\x85", HALF.replace(b"X\x01\x00\x00\x000", b"X\x04\x00\x00\x00../0")),
            "which is no storage",
        ),
        (tensor(b"K\x00", b"K\x02\x85", b"K\x01\x85", HALF.replace(b"HalfStorage", b"ComplexFloatStorage")), "torch.ComplexFloatStorage"),
        (b"\x80\x02c__torch__\nA\n)R.", "it calls __torch__.A"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "makes an object of collections.OrderedDict"),
        (b"\x80\x02cbuiltins\neval\n.", "asks for builtins.eval"),
        (b"\x80\x02c__torch__\nA\n}b.", "a Name stands where a Module belongs"),
        (b"\x80\x02c__torch__\nA\n)\x81q\x00}X\x01\x00\x00\x00mh\x00sb.", "stands in two places"),
        (b"\x80\x02(S'ls'\nios\nsystem\n.", "the instruction STRING"),
        (b"\x80\x02(ios\nsystem\n.", "the instruction INST"),
        (b"\x80\x02\x82\x01.", "the instruction EXT1"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "the instruction SHORT_BINUNICODE"),
        (b"\x80\x02K\x01.", "a int stands where a Module belongs"),
    ],
)
def test_what_no_torchscript_archive_says_is_refused(description: bytes, why: str) -> None:
    with pytest.raises(UnpicklingError, match=why):
        described(description)


def test_the_geometry_of_the_trap_is_right_where_it_fits() -> None:
    found = described(tensor(b"K\x01", b"K\x02K\x03\x86", b"K\x05K\x01\x86"))
    assert found == {"w": View(Storage(torch.float16, "0", 12), 1, (2, 3), (5, 1))}
    assert torch.arange(12).as_strided(found["w"].size, found["w"].stride, found["w"].offset).tolist() == [[1, 2, 3], [6, 7, 8]]
