"""Several random views of each image, of several sizes: what SwAV learns from."""

from __future__ import annotations

import numpy as np
import torch

from repro.nn.inputs import augment, colour
from repro.nn.inputs.images import Images
from repro.nn.seeding import mix, uniforms


class MultiCrop:
    """A split whose batches are lists of views (B, 3, S, S), of the recipe's kinds one after another, each with its own crop and colours.

    To the training loop as `repro.nn.inputs.images.Images`. A view is a function of the example, its number and the seed.
    """

    def __init__(self, images: Images):
        recipe, side = images.recipe, images.preprocess.size
        self.images, self.labels = images, images.labels
        sides = recipe.crop_sides or (side,) * len(recipe.crops)
        kinds = zip(recipe.crops, sides, recipe.crop_min, recipe.crop_max, strict=True)
        self.views = [(side, (low, high)) for count, side, low, high in kinds for _ in range(count)]

    def leave_device(self) -> bool:
        """As `Images.leave_device`."""
        return self.images.leave_device()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def groups(self) -> dict[str, np.ndarray]:
        return self.images.groups

    def uniforms(self, *seed: int | str) -> int:
        """What the random numbers of one pass follow from."""
        return mix("views", *seed)

    def batch(self, index: torch.Tensor, key: int) -> list[torch.Tensor]:
        """Every view of the examples of `index` (B,)."""
        draws = uniforms(index, len(self.views) * (augment.UNIFORMS + colour.UNIFORMS), key).chunk(len(self.views), dim=1)
        return [self._view(index, side, scale, draw) for (side, scale), draw in zip(self.views, draws, strict=True)]

    def _view(self, index: torch.Tensor, side: int, scale: tuple[float, float], draw: torch.Tensor) -> torch.Tensor:
        images, pack = self.images, self.images.pack
        crop, colours = draw.split([augment.UNIFORMS, colour.UNIFORMS], dim=1)
        pixels = images.crops(index, augment.random_resized_crop_boxes(pack.sizes(index), crop, scale), side)
        if images.augment.endswith("flip"):
            pixels = augment.flip(pixels, crop)
        return images.normalised(255 * colour.distort(pixels / 255, colours))
