"""From packed examples to the tensors that a network sees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from repro.nn.allocator import gpu_room, sent
from repro.nn.inputs import augment, mixup, pieces, targeted
from repro.nn.inputs.decoding import Resize
from repro.nn.inputs.packed import Pack
from repro.nn.inputs.randaugment import RandAugment
from repro.nn.inputs.targeted import Targeted
from repro.nn.seeding import generator
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
            recipe.interpolation or self.interpolation,
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


def fits(size: int, free: int, total: int) -> bool:
    """Whether a device with `free` bytes of `total` takes a pack of `size`: half of it stays for what is computed there."""
    return size <= free - total // 2


class Images:
    """One split as batches: gather, transform, normalise. `augment` is that of the recipe, or "none" for evaluation.

    `target` is the recipe's targeted augmentation, which acts on the cropped image, before shifts and flips; RandAugment takes its place.
    What mixes whole batches is left to the training loop.
    """

    def __init__(
        self, pack: Pack, preprocess: Preprocess, device: torch.device, recipe: Recipe, augmented: bool, target: Targeted | None = None
    ):
        self.pack = self._mapped = pack
        self.preprocess, self.device, self.recipe = preprocess, device, recipe
        self.augment = recipe.augment if augmented and recipe.augment not in mixup.KINDS else "none"
        self.target, self.target_p, self.target_uniforms = target, recipe.targeted_p, targeted.UNIFORMS
        if self.augment == "randaugment":
            self.target, self.target_p = RandAugment(recipe.randaugment_n), recipe.augment_p
            self.target_uniforms = 1 + self.target.uniforms
        self.labels = pack.labels.to(device)
        if device.type == "cuda" and fits(pack.images.nbytes, *gpu_room(device)):
            self.pack = pack.on(device)
        scale = [1 / (255 * std) for std in preprocess.std]
        offset = [-mean / std for mean, std in zip(preprocess.mean, preprocess.std, strict=True)]
        self._crop_interpolation = recipe.rrc_interpolation or preprocess.interpolation
        self._scale = torch.tensor(scale, device=device)
        self._offset = torch.tensor(offset, device=device)

    def only(self, rows: torch.Tensor) -> Images:
        """The examples of `rows` (B,) alone, in that order."""
        return Images(self._mapped.only(rows), self.preprocess, self.device, self.recipe, self.augment != "none")

    def leave_device(self) -> bool:
        """Give back the device's memory that the pack takes, and gather from the map of it; False where it takes none."""
        held = self.pack is not self._mapped
        self.pack = self._mapped
        return held

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
        return torch.cat([drawn, torch.rand(len(self), self.target_uniforms, generator=generator("targeted", *seed))], dim=1)

    def batch(self, index: torch.Tensor, uniforms: torch.Tensor | None) -> torch.Tensor:
        """Normalised float images (B, 3, S, S), channels last in memory, for the examples of `index` (B,)."""
        drawn = None if uniforms is None else uniforms[index]
        boxes = None
        if self.augment.startswith("rrc") and drawn is not None:
            boxes = augment.random_resized_crop_boxes(self.pack.sizes(index), drawn[:, : augment.UNIFORMS], self.recipe.rrc_scale)
        elif self.augment.startswith("rrc") and self.recipe.pack_side is not None:
            raise ValueError("frames that were packed for random resized crops have no evaluation transform")
        if self.device.type != "cpu":
            return self.normalised(self._pixels(index, boxes, drawn))

        def make(rows: slice, part: torch.Tensor) -> None:
            self.normalised(self._pixels(index[rows], *(None if one is None else one[rows] for one in (boxes, drawn))), part)

        size = self.preprocess.size
        out = torch.empty(len(index), size, size, 3)
        pieces.fill(out, make)
        return out.permute(0, 3, 1, 2)

    def _pixels(self, index: torch.Tensor, boxes: torch.Tensor | None, drawn: torch.Tensor | None) -> torch.Tensor:
        """(B, S, S, 3) in [0, 255]: cropped to `boxes` (B, 4), if there are any, and augmented by the uniform numbers of each example."""
        size, kind = self.preprocess.size, self.augment
        if boxes is not None:
            pixels = self.crops(index, boxes, size)
        else:
            frames, sizes = self.pack.gather(index)
            frames = sent(frames, self.device)
            if kind.startswith("crop") and drawn is not None:
                pixels = augment.random_crop(frames, sizes, drawn[:, : augment.UNIFORMS], size)
            else:
                pixels = augment.center_crop(frames, sizes, size)
        if drawn is None:
            return pixels
        drawn, beside = drawn[:, : augment.UNIFORMS], drawn[:, augment.UNIFORMS :]
        if self.target is not None:
            pixels = targeted.apply(self.target, pixels, index, beside, self.target_p)
        if kind.startswith("shift"):
            pixels = augment.shift(pixels, drawn, self.recipe.shift)
        return augment.flip(pixels, drawn) if kind.endswith("flip") else pixels

    def crops(self, index: torch.Tensor, boxes: torch.Tensor, side: int) -> torch.Tensor:
        """The `boxes` (B, 4) of the packed frames of `index`, resized to (B, side, side, 3) in [0, 255]; `augment.crop_resize` says how."""
        interpolation = self._crop_interpolation
        if self.device.type == "cpu":
            out = torch.empty(len(index), side, side, 3, dtype=torch.uint8)
            pieces.fill(out, lambda rows, part: augment.resize_each(self.pack.crops(index[rows], boxes[rows]), part, interpolation))
            return out
        return self.crops_together(index, boxes, side)

    def crops_together(self, index: torch.Tensor, boxes: torch.Tensor, side: int) -> torch.Tensor:
        """As `crops`, many at once, as a GPU likes it."""
        made, groups = [], [torch.arange(len(index))] if self.pack.uniform else augment.alike(boxes)
        for rows in groups:
            frames, places = self.pack.gather_boxes(index[rows], boxes[rows])
            made.append(augment.crop_resize_together(sent(frames, self.device), places, side, self._crop_interpolation))
        return made[0] if self.pack.uniform else torch.cat(made)[torch.argsort(torch.cat(groups)).to(self.device)]

    def normalised(self, pixels: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """What the network sees of pixels (B, S, S, 3) in [0, 255]: (B, 3, S, S), in the memory of `out` (B, S, S, 3) if that is given."""
        size = pixels.shape[1]
        rows = pixels.reshape(len(pixels), size, size * 3)  # long rows: much faster on a CPU than to repeat three numbers
        out = None if out is None else out.view(rows.shape)
        scaled = torch.mul(rows, self._scale.repeat(size), out=out).add_(self._offset.repeat(size))
        return scaled.view(-1, size, size, 3).permute(0, 3, 1, 2)
