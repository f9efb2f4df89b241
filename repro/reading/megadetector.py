"""Where the animals of camera-trap photographs are: instance masks, and the boxes that MegaDetector found.

<root>/{megadetector_results.json, instance_masks/<image_id>.png}, the bundle of i-gao/targeted-augs@f1ce502. Boxes are [x, y, width,
height] in fractions of the image, as that code reads them (wilds/datasets/iwildcam_dataset.py:204-230,
examples/data_augmentation/utils.py:58-77), and count where the image's `max_detection_conf` is at least 0.5 (copy_paste.py:62).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from repro.errors import UserError
from repro.reading.targets import Outline

BOXES, MASKS = "megadetector_results.json", "instance_masks"
CERTAIN = 0.5  # a lower confidence of the surest box makes none count


def read(root: Path, names: Iterable[str | None], cure: str) -> list[Outline | None]:
    """The outline of each image by its id, None for the id None. A bundle that is not there, or not of this form, is a `UserError`."""
    found = _boxes(root / BOXES, cure)
    try:
        masks = set(os.listdir(root / MASKS))
    except OSError as error:
        raise UserError(f"cannot read {root / MASKS}", error.strerror or str(error), cure) from None
    return [
        None if name is None else Outline(root / MASKS / f"{name}.png" if f"{name}.png" in masks else None, found.get(name))
        for name in names
    ]


def _boxes(path: Path, cure: str) -> dict[str, tuple[tuple[float, float, float, float], ...]]:
    try:
        images = json.loads(path.read_text(encoding="utf-8"))["images"]
        read = {
            str(image["id"]): tuple(tuple(map(float, box["bbox"])) for box in image.get("detections", ()))
            if image.get("max_detection_conf", 0.0) >= CERTAIN
            else ()
            for image in images
        }
    except OSError as error:
        raise UserError(f"cannot read {path}", error.strerror or str(error), cure) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not MegaDetector's", f"{type(error).__name__}: {error}", cure) from None
    for name, boxes in read.items():
        if wrong := next((box for box in boxes if len(box) != 4 or max(box) > 1.001), None):
            raise UserError(
                f"{path}: image {name} has the box {list(wrong)}", "boxes are [x, y, width, height] in fractions of the image", cure
            )
    return read


def write(root: Path, boxes: dict[str, tuple[float, list[list[float]]]], masks: dict[str, object]) -> None:
    """A bundle: id → (confidence, boxes), and id → mask as a PIL image."""
    (root / MASKS).mkdir(parents=True, exist_ok=True)
    images = [
        {"id": name, "detections": [{"category": "1", "bbox": box, "conf": conf} for box in found], "max_detection_conf": conf}
        for name, (conf, found) in boxes.items()
    ]
    (root / BOXES).write_text(json.dumps({"images": images}), encoding="utf-8")
    for name, mask in masks.items():
        mask.save(root / MASKS / f"{name}.png")
