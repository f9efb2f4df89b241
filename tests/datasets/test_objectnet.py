"""ObjectNet's reader: the mappings of a copy followed as the authors' code follows them, and told where they are not the published ones."""

from __future__ import annotations

import json

import hand_made
import numpy as np
import pytest
from PIL import Image

from repro.data import manifest
from repro.datasets import objectnet
from repro.errors import UserError
from repro.reading import imagenet

COUNTS = {"t-shirt": 2, "chair": 3, "alarm_clock": 2, "spoon": 4}
RIGHT = {"alarm_clock": (409, 530), "chair": (423, 559, 765), "t-shirt": (610,)}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    monkeypatch.setattr(objectnet, "PUBLISHED", (3, 6))
    hand_made.objectnet(tmp_path, COUNTS)
    return tmp_path


def test_folders_have_the_classes_that_the_mappings_give_them(copy):
    assert objectnet.folders(copy) == RIGHT and list(objectnet.folders(copy)) == sorted(RIGHT)
    assert objectnet.is_mapped(copy) and not objectnet.is_mapped(copy / "objectnet-1.0")


def test_the_published_numbers_are_those_of_the_manifest():
    record = manifest.load("objectnet")
    assert objectnet.PUBLISHED[0] == record.classes and objectnet.PUBLISHED == (113, 125)
    assert any(f"{objectnet.PUBLISHED[1]} ImageNet classes" in note.text for note in record.notes)


def mapping(copy, name: str):
    return copy / "objectnet-1.0/mappings" / name


@pytest.mark.parametrize("name", ["folder_to_objectnet_label.json", "imagenet_to_label_2012_v2"])
def test_a_mapping_that_is_not_there_is_told_with_the_way_out(copy, name):
    mapping(copy, name).unlink()
    with pytest.raises(UserError) as caught:
        objectnet.folders(copy)
    assert caught.value.what == f"cannot read {mapping(copy, name)}" and caught.value.why == "No such file or directory"
    assert caught.value.cure.endswith("or leave ObjectNet out: --ood v2,r,a,sketch")


DAMAGES = {
    "objectnet_to_imagenet_1k.json": {
        "{": "is no JSON",
        "[]": "is no map from names to names",
        '{"Chair": ["folding chair"]}': "is no map from names to names",
        '{"Chair": "settee"}': "neither an object's folder nor one of ImageNet's classes: settee",
        '{"Sofa": "class 5, thing 5"}': "neither an object's folder nor one of ImageNet's classes: Sofa",
        '{"Chair": "crane"}': "classes: crane",  # two classes are called so
        '{"Chair": "class 5, thing 5"}': "has 1 folders of 1 different classes, the published one 3 of 6",
        '{"Chair": "class 5, thing 5", "T-shirt": "class 5, thing 5"}': "has 2 folders of 1 different classes",
        "{}": "has 0 folders of 0 different classes",
    },
    "pytorch_to_imagenet_2012_id.json": {
        '{"0": "1"}': "is no map from names to numbers",
        '{"0": 0}': "does not number the 1,000 classes of imagenet_to_label_2012_v2, which has 1,000 lines",
        json.dumps({str(label): label // 2 for label in range(1000)}): "does not number the 1,000 classes",
    },
}


@pytest.mark.parametrize(("name", "content", "why"), [(name, *case) for name, cases in DAMAGES.items() for case in cases.items()])
def test_another_mapping_is_refused(copy, name, content, why):
    mapping(copy, name).write_text(content)
    with pytest.raises(UserError) as caught:
        objectnet.folders(copy)
    assert caught.value.what == f"{mapping(copy, name)} is not the published mapping" and why in caught.value.why


def test_what_is_no_image_is_passed_over(copy):
    before = objectnet.images(copy, "chair")
    assert [path.name for path in before] == [f"{number:015x}.png" for number in range(3)]
    for other in ("._1.png", "notes.txt", "1.jpg"):
        (copy / "objectnet-1.0/images/chair" / other).touch()
    assert objectnet.images(copy, "chair") == before and objectnet.images(copy, "sofa") == []


def test_the_tiny_subset_has_the_published_layout(tmp_path, monkeypatch):
    objectnet.write_tiny(tmp_path)
    monkeypatch.setattr(objectnet, "PUBLISHED", (6, 12))
    labels = imagenet.wnids().index
    assert objectnet.folders(tmp_path) == {folder: tuple(map(labels, wnids)) for folder, wnids in objectnet.TINY.items()}
    assert all((tmp_path / path).is_dir() for path in manifest.load("objectnet").layout.required)
    assert {wnid for wnids in objectnet.TINY.values() for wnid in wnids} <= set(imagenet.TINY)
    assert {path.name for path in (tmp_path / "objectnet-1.0/images").iterdir()} == {*objectnet.TINY, *objectnet.OTHERS}
    for folder, wnids in objectnet.TINY.items():
        assert len(objectnet.images(tmp_path, folder)) == 2 * len(wnids)
        for path in objectnet.images(tmp_path, folder):
            with Image.open(path) as image:
                assert (image.format, image.mode) == ("PNG", "RGB")
                pixels = np.asarray(image)
            inside = np.zeros(pixels.shape[:2], bool)
            inside[2:-2, 2:-2] = True
            assert (pixels[~inside] == (255, 0, 0)).all() and len(np.unique(pixels[inside], axis=0)) > 500


def test_no_tiny_subset_is_taken_of_objects(copy):
    with pytest.raises(UserError, match="no tiny subset can be taken of"):
        objectnet.take_tiny(copy, copy / "tiny")
