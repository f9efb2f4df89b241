"""What a benchmark hands over for one split: where each image comes from and what is known about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Examples(NamedTuple):
    """`sources`: N image files, or N uint8 arrays (H, W, 3), which a sequence may read as they are asked for; `labels`: int64 (N,), −1 where there is none.

    `captions`: the texts that `caption_of` (int64, (N, T)) points into, T alternatives per image; empty where there are none.
    `groups`: name → int64 (N,), for metrics per group. `border`: pixels that are no part of an image, on each side of its file's.
    """

    sources: Sequence[Path | np.ndarray]
    labels: np.ndarray
    captions: tuple[str, ...] = ()
    caption_of: np.ndarray | None = None
    groups: dict[str, np.ndarray] = {}
    border: int = 0

    def first(self, count: int) -> Examples:
        """The first `count` examples."""
        caption_of = None if self.caption_of is None else self.caption_of[:count]
        return Examples(
            self.sources[:count],
            self.labels[:count],
            self.captions,
            caption_of,
            {name: values[:count] for name, values in self.groups.items()},
            self.border,
        )

    def only(self, rows: np.ndarray) -> Examples:
        """The examples of `rows` (M,), in that order; of sources that are read as they are asked for, no others are."""
        caption_of = None if self.caption_of is None else self.caption_of[rows]
        groups = {name: values[rows] for name, values in self.groups.items()}
        return Examples([self.sources[row] for row in rows.tolist()], self.labels[rows], self.captions, caption_of, groups)
