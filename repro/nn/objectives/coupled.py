"""Losses that couple the examples of a batch, such as a contrastive one: computed of all their rows, while the towers take a part at a time.

Gradients of the rows are found first, without the towers' activations; then each part goes through the towers again and takes its rows'
gradients back (Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup", §3). The mathematics is that of
the whole batch: as many negatives, whatever fits into memory or onto one GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import nn

from repro.nn.job import Batch, Job

Rows = tuple[torch.Tensor, ...]


class Coupled(NamedTuple):
    """A loss in three steps; as a function it is the loss of a batch in one piece.

    pairs(batch, job) → (B, …): what is drawn for each example, such as the tokens of a caption; looks at no image. None: nothing.
    encode(model, images, pairs) → tensors of B rows each, a row made of its example alone.
    couple(model, rows, batch, job) → terms by name, "loss" being minimised; looks at no image.
    """

    pairs: Callable[[Batch, Job], torch.Tensor | None]
    encode: Callable[[nn.Module, torch.Tensor, torch.Tensor | None], Rows]
    couple: Callable[[nn.Module, Rows, Batch, Job], dict[str, torch.Tensor]]

    def __call__(self, model: nn.Module, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
        return self.couple(model, self.encode(model, batch.images, self.pairs(batch, job)), batch, job)


def loss_of(method: ModuleType) -> Any:
    """A method's loss: in three steps where it has them, else its function; None where it trains nothing by steps."""
    if hasattr(method, "couple"):
        return Coupled(method.pairs, method.encode, method.couple)
    return getattr(method, "loss", None)
