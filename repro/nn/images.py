"""From packed examples to the tensors that a network sees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from repro.nn import augment, targeted
from repro.nn.decoding import Resize
from repro.nn.packed import Pack
from repro.nn.seeding import generator
from repro.nn.targeted import Targeted
from repro.settings import Recipe


class Preprocess(NamedTuple):
    """What a backbone expects: side in pixels, channel mean and deviation of values in [0, 1], interpolation, crop ratio of evaluation."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bilinear"
    crop_ratio: float = 0.875

    def with_recipe(self, recipe: Recipe) -> Preprocess:
        """The recipe's own values where it has them."""
        return Preprocess(
            recipe.image_size or self.size,
            recipe.mean or self.mean,
            recipe.std or self.std,
            self.interpolation,
            recipe.crop_ratio or self.crop_ratio,
        )

    def resize(self, recipe: Recipe, augmented: bool = False) -> Resize:
        """How packs are made: the evaluation transform's resize, from whose full, uncropped frame a random resized crop samples.

        With `pack_side` it samples from the original frame, or from one no smaller than that, as torchvision's RandomResizedCrop does.
        Random crops of a squashed frame need one that is larger than the crop.
        """
        if augmented and recipe.augment.startswith("rrc") and recipe.pack_side is not None:
            limit = Resize(side=recipe.pack_side, mode="limit", interpolation=self.interpolation)
            return limit if limit.side else limit.model_copy(update={"interpolation": "bilinear"})  # nothing is resized
        whole = recipe.resize == "squash" and not (augmented and recipe.augment.startswith("crop"))
        side = self.size if whole else round(self.size / self.crop_ratio)
        return Resize(side=side, mode=recipe.resize, interpolation=self.interpolation)


class Images:
    """One split as batches: gather, transform, normalise. `augment` is that of the recipe, or "none" for evaluation.

    `target` is the recipe's targeted augmentation, which acts on the cropped image, before shifts and flips.
    """

    def __init__(
        self, pack: Pack, preprocess: Preprocess, device: torch.device, recipe: Recipe, augmented: bool, target: Targeted | None = None
    ):
        self.target = target
        self.pack, self.preprocess, self.device, self.recipe = pack, preprocess, device, recipe
        self.augment = recipe.augment if augmented else "none"
        self.labels = pack.labels.to(device)
        if pack.uniform and device.type == "cuda" and pack.images.numel() < 0.5 * torch.cuda.mem_get_info(device)[0]:
            self.pack = pack.on(device)
        scale = [1 / (255 * std) for std in preprocess.std]
        offset = [-mean / std for mean, std in zip(preprocess.mean, preprocess.std, strict=True)]
        self._scale = torch.tensor(scale, device=device)
        self._offset = torch.tensor(offset, device=device)

    def only(self, rows: torch.Tensor) -> Images:
        """The examples of `rows` (B,) alone, in that order."""
        return Images(self.pack.only(rows), self.preprocess, self.device, self.recipe, self.augment != "none")

    def __len__(self) -> int:
        return len(self.pack)

    @property
    def groups(self) -> dict[str, np.ndarray]:
        """Name → (N,): what is known of the examples besides their labels."""
        return self.pack.groups

    def uniforms(self, *seed: int | str) -> torch.Tensor | None:
        """The random numbers of one pass, a row per example; None where the transform is not random."""
        if self.augment == "none" and self.target is None:
            return None
        drawn = torch.rand(len(self), augment.UNIFORMS, generator=generator("augment", *seed))
        if self.target is None:
            return drawn
        return torch.cat([drawn, torch.rand(len(self), targeted.UNIFORMS, generator=generator("targeted", *seed))], dim=1)

    def batch(self, index: torch.Tensor, uniforms: torch.Tensor | None) -> torch.Tensor:
        """Normalised float images (B, 3, S, S), channels last in memory, for the examples of `index` (B,)."""
        size = self.preprocess.size
        beside = None
        if uniforms is not None:
            uniforms, beside = uniforms[:, : augment.UNIFORMS], uniforms[index][:, augment.UNIFORMS :]
        if self.augment.startswith("rrc") and uniforms is not None:
            boxes = augment.random_resized_crop_boxes(self.pack.sizes(index), uniforms[index], self.recipe.rrc_scale)
            if self.recipe.pack_side is None:
                frames, _ = self.pack.gather(index)
            else:  # of frames that may be large, only the crops are read
                frames, boxes = self.pack.gather_boxes(index, boxes)
            pixels = augment.crop_resize(frames.to(self.device, non_blocking=True), boxes, size, self.preprocess.interpolation)
        elif self.augment.startswith("rrc") and self.recipe.pack_side is not None:
            raise ValueError("frames that were packed for random resized crops have no evaluation transform")
        else:
            frames, sizes = self.pack.gather(index)
            frames = frames.to(self.device, non_blocking=True)
            if self.augment.startswith("crop") and uniforms is not None:
                pixels = augment.random_crop(frames, sizes, uniforms[index], size)
            else:
                pixels = augment.center_crop(frames, sizes, size)
        if self.target is not None and uniforms is not None:
            pixels = targeted.apply(self.target, pixels, index, beside, self.recipe.targeted_p)
        if self.augment.startswith("shift") and uniforms is not None:
            pixels = augment.shift(pixels, uniforms[index], self.recipe.shift)
        if self.augment.endswith("flip") and uniforms is not None:
            pixels = augment.flip(pixels, uniforms[index])
        return self.normalised(pixels)

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """What the network sees of pixels (B, S, S, 3) in [0, 255]: (B, 3, S, S)."""
        size = pixels.shape[1]
        rows = pixels.reshape(len(pixels), size, size * 3)  # long rows: much faster on a CPU than to repeat three numbers
        scaled = (rows * self._scale.repeat(size)).add_(self._offset.repeat(size))
        return scaled.view(-1, size, size, 3).permute(0, 3, 1, 2)
