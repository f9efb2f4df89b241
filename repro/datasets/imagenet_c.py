"""ImageNet-C: ImageNet's validation images under 15 corruptions at their highest severity, 750,000 in all.

ImageNet-C/<corruption>/5/<wnid>/ILSVRC2012_val_<8 digits>.JPEG. AutoFT searches on 1,000 or 15,000 of them (cchoi1/auto-ft@594e6a2
autoft/src/datasets/imagenet_c.py:10-62).
"""

from __future__ import annotations

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


def _listed(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if name.endswith(".JPEG") and not name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def images(root: Path, wnid: str) -> list[Path]:
    """The images of a class, by corruption in the order of `CORRUPTIONS`, then by name; none where a folder is not there."""
    return [path for name in CORRUPTIONS for path in _listed(_folder(root, name, wnid))]


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
    """One image of each of the same classes under each corruption. `UserError` where one lacks a corruption."""
    found = {wnid: [path for name in CORRUPTIONS for path in _listed(_folder(source, name, wnid))[:1]] for wnid in TINY}
    if absent := [wnid for wnid, paths in found.items() if len(paths) < len(CORRUPTIONS)]:
        raise UserError(
            f"{len(absent):,} classes have no images under some corruption: {a_few(absent)}",
            f"looked in {source / 'ImageNet-C'} for the {len(CORRUPTIONS)} corruptions at severity {SEVERITY}",
            "put them back",
        )
    copy_all((path, root / path.relative_to(source)) for paths in found.values() for path in paths)
