"""Rendered SST2's reader: a layout made by hand, the same as torchvision sees."""

from __future__ import annotations

import hand_made
import numpy as np
import pytest
from PIL import Image

from repro.datasets import rendered_sst2

COUNTS = {"train": (30, 40), "valid": (5, 7), "test": (26, 6)}


@pytest.mark.parametrize("part", COUNTS)
@pytest.mark.parametrize("origin", ["by hand", "tiny"])
def test_torchvision_sees_the_same(tmp_path, part, origin):
    from torchvision.datasets import RenderedSST2

    hand_made.rendered_sst2(tmp_path, COUNTS) if origin == "by hand" else rendered_sst2.write_tiny(tmp_path)
    theirs = RenderedSST2(str(tmp_path), {"valid": "val"}.get(part, part))
    found = [rendered_sst2.images(tmp_path, part, name) for name in ("negative", "positive")]
    assert theirs.class_to_idx == {"negative": 0, "positive": 1}
    if origin == "by hand":
        assert tuple(map(len, found)) == COUNTS[part]
    assert [(str(path), label) for label, paths in enumerate(found) for path in paths] == [
        (str(path), label) for path, label in theirs._samples
    ]


@pytest.mark.parametrize("name", ["._0001.png", "0001.jpg", "0001.png.part", "notes.txt"])
def test_what_is_no_image_is_passed_over(tmp_path, name):
    hand_made.rendered_sst2(tmp_path, COUNTS)
    (tmp_path / "rendered-sst2/valid/negative" / name).touch()
    assert [path.name for path in rendered_sst2.images(tmp_path, "valid", "negative")] == [f"{number:04}.png" for number in range(5)]


def test_a_class_whose_folder_is_absent_has_no_images(tmp_path):
    assert rendered_sst2.images(tmp_path, "train", "negative") == []


def test_the_tiny_subset_has_every_part_and_class(tmp_path):
    rendered_sst2.write_tiny(tmp_path)
    pixels = set()
    for part, each in (("train", 36), ("valid", 18), ("test", 24)):
        for name in rendered_sst2.CLASSES:
            found = rendered_sst2.images(tmp_path, part, name)
            assert len(found) == each
            pixels |= {np.asarray(Image.open(path)).tobytes() for path in found}
    assert len(pixels) == 2 * (36 + 18 + 24)


def test_a_real_subset_is_some_of_the_full_copy(tmp_path):
    hand_made.rendered_sst2(tmp_path / "full", COUNTS)
    (tmp_path / "tiny").mkdir()
    rendered_sst2.take_tiny(tmp_path / "full", tmp_path / "tiny")
    for part, counts in COUNTS.items():
        for name, count in zip(rendered_sst2.CLASSES, counts, strict=True):
            taken = rendered_sst2.images(tmp_path / "tiny", part, name)
            assert len(taken) == min(24, count)
            assert all(path.read_bytes() == (tmp_path / "full" / path.relative_to(tmp_path / "tiny")).read_bytes() for path in taken)
