"""Small image files of every kind, whole and broken, and the examples made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from repro.reading.examples import Examples


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng([height, width, channels]).integers(0, 256, (height, width, channels), dtype=np.uint8).squeeze()


def write_images(folder: Path) -> list[Path]:
    """One file of each kind that a folder of images may hold, all of different sizes."""
    kinds = {
        "photo.jpg": Image.fromarray(noise(50, 71)),
        "plain.png": Image.fromarray(noise(64, 33)),
        "grey.png": Image.fromarray(noise(41, 60, 1)),
        "grey.jpg": Image.fromarray(noise(39, 44, 1)),
        "alpha.png": Image.fromarray(noise(52, 52, 4)),
        "palette.gif": Image.fromarray(noise(45, 37)).quantize(32),
        "cmyk.jpg": Image.fromarray(noise(36, 58, 4), mode=None).convert("RGBA").convert("RGB").convert("CMYK"),
    }
    for name, image in kinds.items():
        image.save(folder / name)
    return [folder / name for name in kinds]


def examples(sources: Sequence) -> Examples:
    return Examples(sources, np.arange(len(sources), dtype=np.int64))


def broken_files(folder: Path) -> list[Path]:
    """A text file, an empty file, images cut short, a name without a file, and a PNG whose second data chunk has no name."""
    made = [folder / name for name in ("text.jpg", "empty.png", "cut.jpg", "cut.png", "missing.jpg", "chunk.png")]
    made[0].write_text("no image")
    made[1].touch()
    for path in made[2:4]:
        Image.fromarray(noise(64, 64)).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    Image.fromarray(noise(200, 200)).save(made[5])
    first, second, *rest = made[5].read_bytes().split(b"IDAT")
    made[5].write_bytes(b"IDAT".join([first, second]) + b"w5o\x8a" + b"IDAT".join(rest))
    return made
