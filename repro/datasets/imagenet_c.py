"""ImageNet-C: ImageNet's validation images under 15 corruptions at their highest severity, of which 15,000 are read.

ImageNet-C/<corruption>/5/<wnid>/ILSVRC2012_val_<8 digits>.JPEG. Of each class one image per corruption is drawn, no photograph twice: the
k-th corruption has the k-th of the class's photographs by the hash of its name. AutoFT, which searches on 1,000 or 15,000 of the 750,000,
would have as many of each class and corruption, and as released draws uniformly (cchoi1/auto-ft@594e6a2
autoft/src/datasets/imagenet_c.py:10-62): of these, either draw is what it would be of all, but that classes and corruptions are even.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from repro.datasets import imagenet
from repro.errors import UserError, a_few
from repro.reading.imagenet import TINY
from repro.reading.metadata import copy_all
from repro.reading.synthetic import paint

VERSION = 1  # of the synthetic subset
SEVERITY = "5"
CORRUPTIONS = (
    *("brightness", "contrast", "defocus_blur", "elastic_transform", "fog", "frost", "gaussian_noise", "glass_blur", "impulse_noise"),
    *("jpeg_compression", "motion_blur", "pixelate", "shot_noise", "snow", "zoom_blur"),
)
SIDE = 48  # of synthetic images


def _folder(root: Path, corruption: str, wnid: str) -> Path:
    return root / "ImageNet-C" / corruption / SEVERITY / wnid


def _drawn(folder: Path, position: int) -> list[Path]:
    """At most one image: of the folder's, that at `position` in the order of the names' hashes, counted round."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".JPEG") and not name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    return [folder / ordered[position % len(ordered)]] if ordered else []


def images(root: Path, wnid: str) -> list[Path]:
    """One image of the class for each corruption, in the order of `CORRUPTIONS`; none of those whose folder is empty or not there."""
    return [path for position, name in enumerate(CORRUPTIONS) for path in _drawn(_folder(root, name, wnid), position)]


def write_tiny(root: Path) -> None:
    """One synthetic image for each class and corruption."""
    from PIL import Image

    for position, name in enumerate(CORRUPTIONS):
        for number, wnid in enumerate(TINY, 1):
            folder = _folder(root, name, wnid)
            folder.mkdir(parents=True)
            image = paint(imagenet.looks()[wnid].kind, 14, (SIDE, SIDE), int(wnid[1:]), position)
            Image.fromarray(image).save(folder / f"ILSVRC2012_val_{number:08}.JPEG", quality=90)


def take_tiny(source: Path, root: Path) -> None:
    """The drawn images of each of the same classes. `UserError` where one lacks a corruption."""
    found = {wnid: images(source, wnid) for wnid in TINY}
    if absent := [wnid for wnid, paths in found.items() if len(paths) < len(CORRUPTIONS)]:
        raise UserError(
            f"{len(absent):,} classes have no images under some corruption: {a_few(absent)}",
            f"looked in {source / 'ImageNet-C'} for the {len(CORRUPTIONS)} corruptions at severity {SEVERITY}",
            "put them back",
        )
    copy_all((path, root / path.relative_to(source)) for paths in found.values() for path in paths)
