"""ImageNet's classes, prompts and subsets against the lists that open_clip and timm install, and the layouts of its test sets."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import hand_made
import numpy as np
import pytest
from PIL import Image

from repro import paths, plugins
from repro.data import manifest
from repro.datasets import imagenet as photographs
from repro.errors import UserError
from repro.reading import imagenet

SETS = {"imagenetv2": 17, "imagenet-r": 9, "imagenet-a": 9, "imagenet-sketch": 17}  # and classes of the tiny subset


def of_timm(name: str) -> list[str]:
    return (Path(importlib.util.find_spec("timm").origin).parent / "data/_info" / name).read_text().split()


def test_classes_are_in_the_order_of_their_wnids():
    wnids = imagenet.wnids()
    assert len(wnids) == 1000 and list(wnids) == sorted(wnids) == of_timm("imagenet_synsets.txt")
    assert imagenet.wnids(tiny=True) == tuple(sorted(imagenet.TINY)) and set(imagenet.TINY) <= set(wnids) & photographs.looks().keys()


def test_names_and_prompts_are_those_of_clip():
    import open_clip

    assert list(imagenet.names()) == list(open_clip.IMAGENET_CLASSNAMES)
    assert list(imagenet.templates()) == [template("{}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    assert len(imagenet.templates()) == 80 and len(set(imagenet.names())) == 998
    twice = [label for label, name in enumerate(imagenet.names()) if imagenet.names().count(name) > 1]
    assert [imagenet.names()[label] for label in twice] == ["missile", "missile", "sunglasses", "sunglasses"] and twice == [
        657,
        744,
        836,
        837,
    ]
    assert imagenet.names(tiny=True) == tuple(imagenet.names()[imagenet.wnids().index(wnid)] for wnid in imagenet.TINY)


@pytest.mark.parametrize("letter", ["r", "a"])
def test_the_two_hundred_classes_are_those_of_timm(letter):
    labels = imagenet.subset(f"imagenet-{letter}")
    assert [imagenet.wnids()[label] for label in labels] == of_timm(f"imagenet_{letter}_synsets.txt") and len(labels) == 200
    assert list(labels) == [int(number) for number in of_timm(f"imagenet_{letter}_indices.txt")]
    inside = {imagenet.TINY[label] for label in imagenet.subset(f"imagenet-{letter}", tiny=True)}
    assert inside == set(imagenet.TINY) & set(of_timm(f"imagenet_{letter}_synsets.txt")) and len(inside) == 9


def test_data_sets_with_all_classes_have_no_subset_and_the_lists_ship():
    assert imagenet.subset("imagenetv2") is imagenet.subset("imagenet-sketch") is None
    assert "imagenet_classes.json" in manifest.load("imagenet").ships and (paths.manifests_dir() / "imagenet_classes.json").is_file()


def test_numbered_folders_are_labels_and_not_in_the_order_of_text(tmp_path):
    hand_made.imagenet_shifted(tmp_path, "imagenetv2", {0: 1, 2: 3, 10: 2, 999: 1})
    images = plugins.dataset("imagenetv2").images
    assert [len(images(tmp_path, imagenet.wnids()[label])) for label in (0, 1, 2, 10, 999)] == [1, 0, 3, 2, 1]
    assert images(tmp_path, imagenet.wnids()[10])[0] == tmp_path / "imagenetv2-matched-frequency-format-val/10/00000000.jpeg"


@pytest.mark.parametrize("name", SETS)
def test_what_is_no_image_is_passed_over(tmp_path, name):
    folder = hand_made.imagenet_shifted(tmp_path, name, {6: 2})
    before = plugins.dataset(name).images(tmp_path, imagenet.wnids()[6])
    for other in ("._00000000.jpg", "notes.txt", "00000000.jpg.part", ".hidden.JPEG"):
        (before[0].parent / other).touch()
    assert plugins.dataset(name).images(tmp_path, imagenet.wnids()[6]) == before and len(before) == 2 and folder in before[0].parents


@pytest.mark.parametrize(("name", "classes"), SETS.items())
def test_tiny_subsets_have_the_official_layout(tmp_path, name, classes):
    reader = plugins.dataset(name)
    reader.write_tiny(tmp_path)
    found = {wnid: reader.images(tmp_path, wnid) for wnid in imagenet.wnids()}
    assert {wnid for wnid, images in found.items() if images} <= set(imagenet.TINY)
    assert sum(map(bool, found.values())) == classes and sum(map(len, found.values())) == classes * imagenet.EACH
    required = manifest.load(name).layout.required
    assert all((tmp_path / path).is_dir() for path in required) and len(required) == 1
    for images in found.values():
        for path in images:
            with Image.open(path) as image:
                assert (image.format, image.mode) == ("JPEG", "RGB") and 80 <= min(image.size) <= max(image.size) <= 120


def test_a_real_subset_is_some_of_the_full_copy(tmp_path):
    reader = plugins.dataset("imagenet-a")
    hand_made.imagenet_shifted(tmp_path / "full", "imagenet-a", dict.fromkeys(imagenet.subset("imagenet-a"), 5))
    reader.take_tiny(tmp_path / "full", tmp_path / "tiny")
    taken = {wnid: reader.images(tmp_path / "tiny", wnid) for wnid in imagenet.wnids()}
    assert np.unique([len(paths) for paths in taken.values()], return_counts=True)[1].tolist() == [991, 9]
    for wnid, paths_taken in taken.items():
        whole = {path.name: path.read_bytes() for path in reader.images(tmp_path / "full", wnid)}
        assert all(whole[path.name] == path.read_bytes() for path in paths_taken)


def test_a_class_without_images_is_named_when_a_subset_is_taken(tmp_path):
    reader = plugins.dataset("imagenetv2")
    labels = [imagenet.wnids().index(wnid) for wnid in imagenet.TINY]
    hand_made.imagenet_shifted(tmp_path / "full", "imagenetv2", dict.fromkeys(labels[1:], 2))
    with pytest.raises(UserError) as caught:
        reader.take_tiny(tmp_path / "full", tmp_path / "tiny")
    folder = tmp_path / "full/imagenetv2-matched-frequency-format-val" / str(labels[0])
    assert caught.value.what == f"1 folders of classes have no images: {folder}" and ".jpeg" in caught.value.why
