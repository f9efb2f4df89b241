"""Several splits as one to train on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from repro.nn.inputs.images import Images

Views = torch.Tensor | list[torch.Tensor]


class Joined:
    """The examples of `parts` one after another, with `labels` (N,) for all of them; None: their own.

    Each part makes its own images; as `repro.nn.inputs.images.Images` to the training loop. Groups are those that all parts have.
    """

    def __init__(self, parts: Sequence[Images], labels: torch.Tensor | None = None):
        self.parts = parts
        self.labels = torch.cat([part.labels for part in parts]) if labels is None else labels
        self.starts = np.cumsum([0, *map(len, parts)])
        names = set.intersection(*(set(part.groups) for part in parts))
        self.groups = {name: np.concatenate([part.groups[name] for part in parts]) for name in sorted(names)}

    def leave_device(self) -> bool:
        """As `Images.leave_device`, of all parts."""
        return any([part.leave_device() for part in self.parts])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def uniforms(self, *seed: int | str) -> list[Any]:
        """The random numbers of one pass, part by part."""
        return [part.uniforms(*seed, *([f"part {number}"] if number else [])) for number, part in enumerate(self.parts)]

    def batch(self, index: torch.Tensor, uniforms: Sequence[Any] | None) -> Views:
        """Images (B, 3, S, S) of the examples of `index` (B,), in that order; a list of such tensors where the parts make several."""
        found = []
        for number, part in enumerate(self.parts):
            rows = torch.nonzero((index >= self.starts[number]) & (index < self.starts[number + 1])).flatten()
            if len(rows):
                made = part.batch(index[rows] - int(self.starts[number]), uniforms[number] if uniforms else None)
                found.append((rows, made))
        back = torch.argsort(torch.cat([rows for rows, _ in found]))
        views = zip(*([made] if isinstance(made, torch.Tensor) else made for _, made in found), strict=True)
        joined = [torch.cat(view)[back.to(view[0].device)] for view in views]
        return joined[0] if isinstance(found[0][1], torch.Tensor) else joined
