"""MixUp and CutMix: every example of a batch is mixed with another of it, and so is its label.

x' = λx_i + (1 − λ)x_j, or x_i with a box of x_j; the loss is λ·CE(y_i) + (1 − λ)·CE(y_j). One λ ~ Beta(α, α), one permutation and one box
serve a batch. Zhang et al. 2018, §2; Yun et al. 2019, §3.1; i-gao/targeted-augs@f1ce502 examples/data_augmentation/batch_transform.py:26-120,
wilds/common/metrics/metric.py:86-88.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from repro.nn.allocator import sent
from repro.nn.seeding import mix

if TYPE_CHECKING:
    from repro.nn.job import Job

KINDS = ("mixup", "cutmix")


class Mixture(NamedTuple):
    """How a batch of B is mixed: `partners` (B,) is the place in it of each example's partner, `share` that of its own label.

    With a `box` (top, left, bottom, right), which may end outside the image, the partner's pixels are in it; else all pixels are mixed.
    """

    partners: torch.Tensor
    share: float
    box: tuple[int, int, int, int] | None = None

    def images(self, own: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, S, S) mixed with those of their partners; `own` is written to."""
        if self.box is None:
            return own.mul_(self.share).add_(others * (1 - self.share))
        top, left, bottom, right = self.box
        own[..., top:bottom, left:right] = others[..., top:bottom, left:right]
        return own


def draw(job: Job, step: int, count: int) -> Mixture | None:
    """The mixture of a step's batch of `count`, a function of the seed and the step; None where the recipe or the draw leaves it as it is."""
    recipe = job.recipe
    if recipe.augment not in KINDS:
        return None
    draws = np.random.default_rng(mix("mixture", job.chance, step))
    if draws.random() >= recipe.augment_p:
        return None
    partners, share = torch.from_numpy(draws.permutation(count)), float(draws.beta(recipe.mix_alpha, recipe.mix_alpha))
    if recipe.augment == "mixup":
        return Mixture(partners, share)
    place, side = (float(draws.random()), float(draws.random())), job.preprocess.size
    box = (released_box if recipe.cutmix_box == "as_released" else centred_box)(share, place, side)
    return Mixture(partners, 1 - (box[2] - box[0]) * (box[3] - box[1]) / side**2, box)


def centred_box(share: float, place: tuple[float, float], side: int) -> tuple[int, int, int, int]:
    """A square of 1 − `share` of the image's area about a pixel that `place` (in [0, 1)²) chooses, cut where the image ends."""
    half = int(0.5 * math.sqrt(1 - share) * side)
    row, column = (int(part * side) for part in place)
    return max(row - half, 0), max(column - half, 0), min(row + half, side), min(column + half, side)


def released_box(share: float, place: tuple[float, float], side: int) -> tuple[int, int, int, int]:
    """As i-gao/targeted-augs@f1ce502 has it: the first column is the box's width, not its place, and what lies outside counts as mixed.

    examples/data_augmentation/batch_transform.py:100-115 takes the third of (x, y, width, height) for the second; x and y are drawn so that
    up to half of the box is outside (utils.py:25-32).
    """
    width = side * math.sqrt(1 - share)
    row, column = (part * (side - width / 2) for part in place)
    return int(row), int(width), int(row + width), int(column + width)


def blended(mixture: Mixture, images: torch.Tensor, own: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Of made `images` (M, 3, S, S) those in the rows `own` (B,), mixed with those in the rows `others`; channels last in memory, as they are."""
    rows = images.permute(0, 2, 3, 1)
    own, others = (rows[sent(places, images.device)].permute(0, 3, 1, 2) for places in (own, others))
    return mixture.images(own, others)
