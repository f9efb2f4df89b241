"""ImageNet-C's reader: the images of a class, corruption by corruption."""

from __future__ import annotations

import hand_made
import pytest
from PIL import Image

from repro.data import manifest
from repro.datasets import imagenet_c
from repro.errors import UserError
from repro.reading import imagenet

WNIDS = [imagenet.wnids()[label] for label in (3, 700)]


def test_the_corruptions_are_those_of_the_manifest():
    assert {f"ImageNet-C/{name}" for name in imagenet_c.CORRUPTIONS} == set(manifest.load("imagenet-c").layout.required)
    assert len(imagenet_c.CORRUPTIONS) == 15 and list(imagenet_c.CORRUPTIONS) == sorted(imagenet_c.CORRUPTIONS)


def test_a_classs_images_are_read_corruption_by_corruption_at_the_highest_severity(tmp_path):
    hand_made.imagenet_c(tmp_path, WNIDS, imagenet_c.CORRUPTIONS, 3)
    expected = [
        f"ImageNet-C/{name}/5/{WNIDS[1]}/ILSVRC2012_val_{number:08}.JPEG" for name in imagenet_c.CORRUPTIONS for number in (4, 5, 6)
    ]
    assert [path.relative_to(tmp_path).as_posix() for path in imagenet_c.images(tmp_path, WNIDS[1])] == expected


def test_what_is_no_image_is_passed_over_and_a_corruption_may_lack(tmp_path):
    hand_made.imagenet_c(tmp_path, WNIDS[:1], imagenet_c.CORRUPTIONS[:-1])
    before = imagenet_c.images(tmp_path, WNIDS[0])
    for path in before:
        (path.parent / "._a.JPEG").touch()
        (path.parent / "a.txt").touch()
    assert imagenet_c.images(tmp_path, WNIDS[0]) == before and len(before) == 14 * 50 and imagenet_c.images(tmp_path, WNIDS[1]) == []


def test_the_tiny_subset_has_the_published_layout(tmp_path):
    imagenet_c.write_tiny(tmp_path)
    assert all((tmp_path / path).is_dir() for path in manifest.load("imagenet-c").layout.required)
    found = [path for wnid in imagenet.TINY for path in imagenet_c.images(tmp_path, wnid)]
    assert len(found) == len({path.read_bytes() for path in found}) == 15 * 17 == len(list(tmp_path.rglob("*.JPEG")))
    for path in found[::20]:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (48, 48))


def test_a_real_subset_is_one_image_of_each_class_and_corruption(tmp_path):
    hand_made.imagenet_c(tmp_path / "full", list(imagenet.TINY), imagenet_c.CORRUPTIONS, 3)
    imagenet_c.take_tiny(tmp_path / "full", tmp_path / "tiny")
    for wnid in imagenet.TINY:
        taken, whole = (imagenet_c.images(tmp_path / part, wnid) for part in ("tiny", "full"))
        assert [path.relative_to(tmp_path / "tiny") for path in taken] == [path.relative_to(tmp_path / "full") for path in whole[::3]]
    assert len(list((tmp_path / "tiny").rglob("*.JPEG"))) == 15 * 17
    whole[0].parent.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="1 classes have no images under some corruption: n02490219"):
        imagenet_c.take_tiny(tmp_path / "full", tmp_path / "again")
