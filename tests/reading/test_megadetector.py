"""Masks and boxes of the bundle, by the image's id; what is not of its form is told."""

import json

import pytest
from PIL import Image

from repro.errors import UserError
from repro.reading import megadetector
from repro.reading.targets import Outline

BOX = [0.1, 0.2, 0.3, 0.4]


@pytest.fixture
def root(tmp_path):
    boxes = {"a": (0.97, [BOX, [0.5, 0.5, 0.1, 0.1]]), "b": (0.49, [BOX]), "c": (0.5, [BOX]), "d": (0.0, [])}
    megadetector.write(tmp_path, boxes, {"a": Image.new("L", (8, 6), 1), "e": Image.new("L", (8, 6), 2)})
    return tmp_path


def test_outlines_follow_the_ids(root):
    masks = root / "instance_masks"
    assert megadetector.read(root, ["a", None, "b", "c", "d", "e", "f"], "mend") == [
        Outline(masks / "a.png", (tuple(BOX), (0.5, 0.5, 0.1, 0.1))),
        None,
        Outline(None, ()),  # its boxes are not certain
        Outline(None, (tuple(BOX),)),
        Outline(None, ()),
        Outline(masks / "e.png", None),  # nobody looked for boxes
        Outline(None, None),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not MegaDetector's"),
        ('{"pictures": []}', "is not MegaDetector's"),
        (json.dumps({"images": [{"id": "a", "max_detection_conf": 1, "detections": [{"bbox": [3, 5, 200, 100]}]}]}), "image a has the box"),
    ],
)
def test_another_file_is_refused(root, content, said):
    (root / megadetector.BOXES).write_text(content)
    with pytest.raises(UserError, match=said) as caught:
        megadetector.read(root, ["a"], "repro data verify iwildcam-copypaste --full")
    assert caught.value.cure == "repro data verify iwildcam-copypaste --full"


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*megadetector_results\.json"):
        megadetector.read(tmp_path, ["a"], "mend")
    (tmp_path / megadetector.BOXES).write_text('{"images": []}')
    with pytest.raises(UserError, match=r"cannot read .*instance_masks"):
        megadetector.read(tmp_path, ["a"], "mend")
