"""ImageNet's reader: a folder per class, names as the archives have them, and tiny subsets of the classes that BREEDS uses."""

from __future__ import annotations

import re

import hand_made
import numpy as np
import pytest
from PIL import Image

from repro.datasets import imagenet
from repro.reading import breeds

WNIDS = ["n01631663", "n01632777"]


def listed(name: str) -> set[str]:
    return {wnid for entry in breeds.superclasses(name) for wnid in (*entry.source, *entry.target)}


def test_images_of_a_class_are_listed_by_name(tmp_path):
    hand_made.imagenet(tmp_path, WNIDS, WNIDS, 3, 2)
    assert [path.name for path in imagenet.images(tmp_path, "train", WNIDS[1])] == [f"n01632777_{n}.JPEG" for n in (0, 14, 7)]
    found = imagenet.images(tmp_path, "val", WNIDS[1])
    assert found == [tmp_path / "val" / WNIDS[1] / f"ILSVRC2012_val_{n:08}.JPEG" for n in (3, 4)]


@pytest.mark.parametrize("name", ["._n01631663_1.JPEG", "n01632777_1.JPEG", "n01631663_1.jpg", "n01631663_1.JPEG.part", "notes.txt"])
def test_what_is_no_image_of_the_class_is_passed_over(tmp_path, name):
    hand_made.imagenet(tmp_path, WNIDS, WNIDS, 3, 2)
    for part in ("train", "val"):
        before = imagenet.images(tmp_path, part, WNIDS[0])
        (tmp_path / part / WNIDS[0] / name).touch()
        assert imagenet.images(tmp_path, part, WNIDS[0]) == before


def test_a_class_whose_folder_is_absent_has_no_images(tmp_path):
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / WNIDS[0]).touch()
    assert imagenet.images(tmp_path, "val", WNIDS[0]) == imagenet.images(tmp_path, "train", WNIDS[1]) == []


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("imagenet")
    imagenet.write_tiny(root)
    return root


def test_the_tiny_subset_has_every_class_of_both_benchmarks(tiny):
    wanted = listed("living17") | listed("entity30")
    assert (len(listed("living17")), len(listed("entity30")), len(wanted)) == (68, 240, 290)
    for part, pattern in (("train", r"n\d{8}_\d+\.JPEG"), ("val", r"ILSVRC2012_val_\d{8}\.JPEG")):
        assert {path.name for path in (tiny / part).iterdir()} == wanted
        names = [path.name for path in (tiny / part).rglob("*.JPEG")]
        assert len(names) == len(set(names)) == sum(len(imagenet.images(tiny, part, wnid)) for wnid in wanted)
        assert all(re.fullmatch(pattern, name) for name in names)


def test_tiny_images_are_photographs_of_different_sizes(tiny):
    sizes = set()
    for wnid in listed("living17"):
        for path in imagenet.images(tiny, "train", wnid):
            with Image.open(path) as image:
                assert (image.format, image.mode) == ("JPEG", "RGB")
                sizes.add(image.size)
    assert len(sizes) > 100 and np.min(list(sizes)) == 80 and np.max(list(sizes)) == 120


def test_a_real_subset_is_some_of_the_full_copy(tmp_path):
    wnids = sorted(listed("living17"))
    hand_made.imagenet(tmp_path / "full", wnids, wnids, 12, 5)
    (tmp_path / "full" / "train" / wnids[0] / f"{wnids[0]}_7.JPEG").write_bytes(b"its content")
    imagenet.take_tiny(tmp_path / "full", tmp_path / "tiny")
    for part, count in (("train", 6), ("val", 3)):
        for wnid in wnids:
            taken = imagenet.images(tmp_path / "tiny", part, wnid)
            assert len(taken) == count and {path.name for path in taken} < {
                path.name for path in (tmp_path / "full" / part / wnid).iterdir()
            }
            assert all(path.read_bytes() == (tmp_path / "full" / part / wnid / path.name).read_bytes() for path in taken)
