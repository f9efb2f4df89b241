"""Targeted augmentations, batched on the device: what an image owes to its domain is changed, what it owes to its class stays.

One draw per image decides whether the whole chain fires (i-gao/targeted-augs@f1ce502 examples/data_augmentation/transforms.py:95-107).
Each image's randomness is a row of uniform numbers (repro/nn/inputs/augment.py), so neither batches nor resuming change it. Pixels are
(B, S, S, 3) with values 0 … 255 that are whole numbers, of whatever type, which comes back.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from repro.nn.allocator import sent
from repro.nn.inputs import cutouts
from repro.nn.inputs.augment import crop_resize
from repro.nn.inputs.cutouts import Cutouts
from repro.nn.inputs.packed import Pack
from repro.reading import loading

if TYPE_CHECKING:
    from repro.nn.job import Job

UNIFORMS = 7  # per example: whether it fires, then six of the augmentation's own
CROPS = (48, 160)  # sides of the photograph's crops under digits, as repro/benchmarks/digits.py has them


class Targeted(Protocol):
    """Maps pixels (B, S, S, 3) of the examples `index` (B,) by their `uniforms`, (B, 6), or as many as it needs."""

    def __call__(self, pixels: torch.Tensor, index: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor: ...


def make(job: Job, split: str, pack: Pack, folder: Path) -> Targeted | None:
    """The recipe's targeted augmentation for a split whose pack is in `folder`; None where it has none."""
    recipe = job.recipe
    if recipe.targeted in ("none", "redshift"):  # the latter is in the files
        return None
    if recipe.targeted == "stain":
        return StainJitter(recipe.stain_sigma)
    given = loading.targets(job.benchmark, job.benchmark.split(split), recipe)
    if recipe.targeted == "paste-digits":
        return PasteDigits(given.photos)
    side, mend = job.preprocess.size, loading.cure_of_targets(job.benchmark, recipe.targeted)
    where = cutouts.folder_beside(folder, side)
    cutouts.build(where, given.outlines, side, mend, lambda done: job.on_step(done, len(pack), f"cutting out {split}"))
    masks = cutouts.open_cutouts(where)
    job.extras["packs"][f"{split}, cut-outs"] = masks.content[:16]
    job.extras["copy-paste"] = masks.counts | {"classes with grounds": sum(1 for rows in given.grounds.values() if len(rows))}
    return CopyPaste(pack, masks, given.grounds)


def apply(target: Targeted, pixels: torch.Tensor, index: torch.Tensor, uniforms: torch.Tensor, p: float) -> torch.Tensor:
    """The images of a batch, those for which the draw is below `p` augmented; `uniforms` (B, UNIFORMS)."""
    rows = (uniforms[:, 0] < p).nonzero()[:, 0]
    if not len(rows):
        return pixels
    here = rows.to(pixels.device)
    changed = pixels.clone()
    changed[here] = target(pixels[here], index[rows.to(index.device)], uniforms[rows, 1:])
    return changed


class StainJitter:
    """Stain colour jitter: S = −log(P + ε)·M⁻¹ per pixel, S' = αS + β, P' = exp(−S'·M) − ε, α ~ U(1 − σ, 1 + σ)³ and β ~ U(−σ, σ)³ per image.

    P in 0 … 255, the rows of M the optical densities of haematoxylin, eosin and DAB as the authors have them, unnormalised; the result is
    clipped and cut to 8 bits. Source: Tellez et al. 2018; i-gao/targeted-augs@f1ce502 examples/data_augmentation/stain_color_jitter.py:6-50,
    transforms.py (ToTensor, jitter, ToPILImage, which cuts). Here each image's M⁻¹·diag(α)·M is one matrix, so a pixel is multiplied once.
    """

    STAINS = torch.tensor([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], dtype=torch.float64)
    EPSILON = 1e-6

    def __init__(self, sigma: float):
        self.sigma = sigma

    def __call__(self, pixels: torch.Tensor, index: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        jitter = (2 * uniforms.double() - 1) * self.sigma
        alpha, beta = 1 + jitter[:, :3], jitter[:, 3:6]
        mixing = (torch.linalg.inv(self.STAINS) @ (alpha[:, :, None] * self.STAINS)).float().to(pixels.device)
        offset = (beta @ self.STAINS).float().to(pixels.device)
        density = -(pixels.float() + self.EPSILON).log()
        made = [
            sum(density[..., stain] * mixing[:, stain, channel, None, None] for stain in range(3)) + offset[:, channel, None, None]
            for channel in range(3)
        ]
        return ((-torch.stack(made, dim=-1)).exp() - self.EPSILON).clamp(0, 255).floor().to(pixels.dtype)


class CopyPaste:
    """Copy-Paste (Same Y): the figure is pasted, where it is, on an empty frame from a camera that has seen its class; then a flip in half.

    Unchanged, but for the flip, are images without a figure, without a usable mask, and of classes that no camera with empty frames has
    seen. Source: i-gao/targeted-augs@f1ce502 examples/data_augmentation/copy_paste.py:47-146; transforms.py, copypaste_same_y. Grounds are
    frames of the training pack, so they are resized as all images are; the authors' by Pillow's bicubic default.
    """

    def __init__(self, train: Pack, masks: Cutouts, grounds: dict[int, np.ndarray]):
        self.train, self.masks = train, masks
        self.grounds = {label: torch.from_numpy(rows) for label, rows in grounds.items() if len(rows)}
        self.usable = masks.usable

    def __call__(self, pixels: torch.Tensor, index: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        index = index.cpu()
        labels = self.train.labels[index].tolist()
        able = [
            row
            for row, (label, usable) in enumerate(zip(labels, self.usable[index].tolist(), strict=True))
            if usable and label in self.grounds
        ]
        if able:
            behind = [self._draw(self.grounds[labels[row]], float(uniforms[row, 0])) for row in able]
            frames, _ = self.train.gather(torch.tensor(behind))
            rows = torch.tensor(able, device=pixels.device)
            pasted = paste(sent(frames, pixels.device), pixels[rows], sent(self.masks.gather(index[able]), pixels.device))
            pixels = pixels.index_copy(0, rows, pasted.to(pixels.dtype))
        mirrored = (uniforms[:, 1] < 0.5).to(pixels.device)
        return torch.where(mirrored[:, None, None, None], pixels.flip(2), pixels)

    @staticmethod
    def _draw(rows: torch.Tensor, uniform: float) -> int:
        return int(rows[int(uniform * len(rows))])


def paste(ground: torch.Tensor, figure: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Pillow's `Image.paste` with a mask: ground and figure (B, H, W, 3), mask (B, H, W), all 0 … 255, to uint8, rounded as Pillow does."""
    share = mask.int()[..., None]
    sum_ = ground.int() * (255 - share) + figure.int() * share + 128
    return (((sum_ >> 8) + sum_) >> 8).to(torch.uint8)


class PasteDigits:
    """Digits, white on black, over random crops of photographs by absolute difference, as the benchmark's own shift does it."""

    def __init__(self, photos: tuple[np.ndarray, ...]):
        self.photos = [torch.from_numpy(np.array(photo)) for photo in photos]  # copies: a published array may be read-only

    def __call__(self, pixels: torch.Tensor, index: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        low, high = CROPS
        grounds = torch.stack([self._crop(draws, high, low) for draws in uniforms.double().tolist()])
        sides = (low + (uniforms[:, 1].double() * (high - low + 1)).floor()).long()
        boxes = torch.stack([torch.zeros_like(sides), torch.zeros_like(sides), sides, sides], dim=1)
        crops = crop_resize(sent(grounds, pixels.device), boxes, pixels.shape[1], "bilinear")
        return (crops.float() - pixels.float()).abs().to(pixels.dtype)

    def _crop(self, draws: list[float], high: int, low: int) -> torch.Tensor:
        """A frame (high, high, 3) whose upper left square, of the side that the second draw gives, lies anywhere in a photograph."""
        photo = self.photos[int(draws[0] * len(self.photos))]
        side = low + int(draws[1] * (high - low + 1))
        top, left = (int(draw * (extent - side + 1)) for draw, extent in zip(draws[2:4], photo.shape[:2], strict=True))
        frame = torch.zeros(high, high, 3, dtype=torch.uint8)
        frame[:side, :side] = photo[top : top + side, left : left + side]
        return frame
