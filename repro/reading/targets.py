"""What a benchmark hands over for a targeted augmentation: where the figure of each image is, and what may stand behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Outline(NamedTuple):
    """Where the figure of an image is: the file of its mask, else `boxes` of (left, top, width, height) in fractions of the image.

    `boxes` is None where nobody looked for any, and empty where none that is certain enough was found.
    """

    mask: Path | None
    boxes: tuple[tuple[float, float, float, float], ...] | None


class Pasting(NamedTuple):
    """For copy-paste over N examples: each one's outline, None where it shows no figure; class → rows of the grounds that it may get."""

    outlines: Sequence[Outline | None]
    grounds: dict[int, np.ndarray]


class Photographs(NamedTuple):
    """For pasting over photographs: uint8 (H, W, 3), each at least 160 pixels high and wide."""

    photos: tuple[np.ndarray, ...]
