"""ObjectNet: photographs of everyday objects in odd places; 113 of its 313 folders are of ImageNet's classes.

objectnet-1.0/images/<folder>/*.png, objectnet-1.0/mappings/{folder_to_objectnet_label.json, objectnet_to_imagenet_1k.json,
pytorch_to_imagenet_2012_id.json, imagenet_to_label_2012_v2}: folder → object → names of classes → lines of a list → ImageNet's labels.
Source: mlfoundations/wise-ft@58b7a4b, locuslab/FLYP@215d5bb src/datasets/objectnet.py:16-49 and cchoi1/auto-ft@594e6a2
autoft/src/datasets/objectnet.py, whose maps are the same, and abarbu/objectnet-template-tensorflow mapping_files, which agree with them.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from repro.datasets import imagenet
from repro.errors import UserError, a_few
from repro.reading.imagenet import wnids
from repro.reading.synthetic import paint

VERSION = 1  # of the synthetic subset
BORDER = 2  # pixels on each side, red in the published files, which FLYP and AutoFT cut off (src/datasets/objectnet.py:52-56)
PUBLISHED = (113, 125)  # folders that are ImageNet's, and its classes that are theirs
MAPPINGS = "objectnet-1.0/mappings"
OBJECTS, CLASSES, NUMBERS, LINES = (
    *("folder_to_objectnet_label.json", "objectnet_to_imagenet_1k.json"),
    *("pytorch_to_imagenet_2012_id.json", "imagenet_to_label_2012_v2"),
)
CURE = "put back the mappings of objectnet-1.0.zip, or leave ObjectNet out: --ood v2,r,a,sketch"
TINY = {  # synthetic folder → classes of tiny subsets; of the published folders none is an animal's
    "aquarium": ("n01978287",),
    "hive": ("n02174001", "n02280649"),
    "kennel": ("n02088466", "n02114367", "n02119022"),
    "perch": ("n01796340", "n01820546"),
    "sofa": ("n02123394",),
    "terrarium": ("n01669191", "n01694178", "n01735189"),
}
OTHERS = ("curtain", "spoon")  # synthetic folders of no ImageNet class
EACH = 2  # synthetic images of a class


def images(root: Path, folder: str) -> list[Path]:
    """The images of one folder, sorted by name; none where it is not there. Other files are passed over."""
    where = root / "objectnet-1.0" / "images" / folder
    try:
        return [where / name for name in sorted(os.listdir(where)) if name.endswith(".png") and not name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_mapped(root: Path) -> bool:
    """Whether a copy has mappings, right or wrong."""
    return (root / MAPPINGS).is_dir()


def folders(root: Path) -> dict[str, tuple[int, ...]]:
    """Folder → ImageNet's labels that are right for its images, ascending; folders sorted. `UserError` where the mappings do not say so."""
    named = _objects(root)
    labels = _labels(root)
    found: dict[str, tuple[int, ...]] = {}
    unknown: list[str] = []
    for thing, names in _read(root, CLASSES).items():
        classes = names.split("; ")
        unknown += [name for name in classes if name not in labels] + ([] if thing in named else [thing])
        found[named.get(thing, "")] = tuple(sorted(labels.get(name, -1) for name in classes))
    if unknown:
        raise _wrong(root, CLASSES, f"names what is neither an object's folder nor one of ImageNet's classes: {a_few(unknown)}")
    counted = Counter(label for classes in found.values() for label in classes)
    if max(counted.values(), default=0) > 1 or (len(found), len(counted)) != PUBLISHED:
        why = f"has {len(found):,} folders of {len(counted):,} different classes, the published one {PUBLISHED[0]} of {PUBLISHED[1]}"
        raise _wrong(root, CLASSES, why)
    return dict(sorted(found.items()))


def _objects(root: Path) -> dict[str, str]:
    """What objects are called → their folder."""
    return {thing: folder for folder, thing in _read(root, OBJECTS).items()}


def _labels(root: Path) -> dict[str, int]:
    """Name of an ImageNet class → its label, of those names that one class alone has."""
    lines, numbers = _text(root, LINES).splitlines(), _read(root, NUMBERS, int)
    label_of = {line: int(label) for label, line in numbers.items() if label.isdecimal()}
    if not sorted(label_of) == sorted(label_of.values()) == list(range(len(lines))) == list(range(1000)):
        raise _wrong(root, NUMBERS, f"does not number the 1,000 classes of {LINES}, which has {len(lines):,} lines")
    names = [line.strip() for line in lines]
    once = Counter(names)
    return {name: label_of[line] for line, name in enumerate(names) if once[name] == 1}


def _read(root: Path, name: str, kind: type = str) -> dict[str, Any]:
    try:
        content = json.loads(_text(root, name))
    except ValueError as error:
        raise _wrong(root, name, f"is no JSON: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(value, kind) for value in content.values()):
        raise _wrong(root, name, f"is no map from names to {'names' if kind is str else 'numbers'}")
    return content


def _text(root: Path, name: str) -> str:
    try:
        return (root / MAPPINGS / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"cannot read {root / MAPPINGS / name}", why, CURE) from None


def _wrong(root: Path, name: str, why: str) -> UserError:
    return UserError(f"{root / MAPPINGS / name} is not the published mapping", f"it {why}", CURE)


def write_tiny(root: Path) -> None:
    """Synthetic images in a red frame, which look within it as the tiny ImageNet's of one of the folder's classes; and the mappings."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(13)
    for folder in (*TINY, *OTHERS):
        where = root / "objectnet-1.0" / "images" / folder
        where.mkdir(parents=True)
        for wnid in TINY.get(folder, ("n01632777",)):
            for number in range(EACH):
                size = tuple(rng.integers(*imagenet.SIDES, size=2).tolist())
                framed = np.full((size[0] + 2 * BORDER, size[1] + 2 * BORDER, 3), (255, 0, 0), np.uint8)
                framed[BORDER:-BORDER, BORDER:-BORDER] = paint(imagenet.looks()[wnid].kind, 13, size, int(wnid[1:]), number)
                Image.fromarray(framed).save(where / f"{wnid[1:]}{number}.png")
    write_mappings(root, TINY, OTHERS)


def write_mappings(root: Path, classes: dict[str, tuple[str, ...]], others: Iterable[str]) -> None:
    """Mappings in the published form, in which a class is called by its wnid."""
    lines = sorted(wnids(), key=lambda wnid: wnid[::-1])  # in an order that is not the labels'
    files = {
        OBJECTS: {folder: folder.capitalize() for folder in (*classes, *others)},
        CLASSES: {folder.capitalize(): "; ".join(names) for folder, names in classes.items()},
        NUMBERS: {str(label): lines.index(wnid) for label, wnid in enumerate(wnids())},
    }
    (root / MAPPINGS).mkdir(parents=True)
    for name, content in files.items():
        (root / MAPPINGS / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    (root / MAPPINGS / LINES).write_text("".join(f"{wnid}\n" for wnid in lines), encoding="utf-8")


def take_tiny(source: Path, root: Path) -> None:
    """`UserError`: tiny subsets have animals, and no folder of ObjectNet is an animal's."""
    raise UserError(f"no tiny subset can be taken of {source}", "tiny subsets of ImageNet are of animals, ObjectNet of objects", CURE)
