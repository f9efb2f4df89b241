"""RandAugment, batched on the device: some operations of FixMatch's pool, each of a random magnitude, then a flip of half of the images.

Pixels are (B, S, S, 3) with whole values 0 … 255, of whatever type, which comes back; in between they are 8 bits, as Pillow has them. Each
operation gives Pillow's values bit for bit. Source: i-gao/targeted-augs@f1ce502 examples/data_augmentation/randaugment.py:85-124 (the pool,
without the identity), transforms.py:203-216 (the flip).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from repro.nn.allocator import sent

GREY = (19595, 38470, 7471)  # Pillow's luma, in units of 2⁻¹⁶ (src/libImaging/Convert.c, L24)
ONE = 1 << 16  # Pillow's coordinates are whole numbers of 2⁻¹⁶ pixels (src/libImaging/Geometry.c, affine_fixed)
LEVELS = torch.arange(256)


class Operation(NamedTuple):
    """Maps uint8 pixels (B, S, S, 3) by a magnitude (B,) float64 of each image, on the CPU, drawn from U(low, high)."""

    act: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    low: float
    high: float


class RandAugment:
    """`count` operations one after another, then the flip; `uniforms` (B, 2·count + 1): which and how much of each, flipped or not."""

    def __init__(self, count: int):
        self.count, self.uniforms = count, 2 * count + 1

    def __call__(self, pixels: torch.Tensor, index: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        made, draws = pixels.to(torch.uint8, copy=True), uniforms.double().cpu()
        for place in range(self.count):
            numbers, amount = (draws[:, 2 * place] * len(POOL)).long(), draws[:, 2 * place + 1]
            for number, (act, low, high) in enumerate(POOL):
                rows = (numbers == number).nonzero()[:, 0]
                if len(rows):
                    here = sent(rows, made.device)
                    made.index_copy_(0, here, act(made[here], low + (high - low) * amount[rows]))
        mirrored = sent(draws[:, -1] < 0.5, made.device)
        return torch.where(mirrored[:, None, None, None], made.flip(2), made).to(pixels.dtype)


def autocontrast(pixels: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """Each channel stretched to 0 … 255; one of a single value stays."""
    low, high = (found.double()[..., None] for found in (pixels.amin(dim=(1, 2)), pixels.amax(dim=(1, 2))))
    levels, flat = LEVELS.to(pixels.device), high <= low
    spread = torch.where(flat, 255, high - low)
    scale = torch.full_like(spread, 255) / spread  # of a number and a tensor torch multiplies by the reciprocal
    stretched = (levels * scale + -low * scale).clamp(0, 255)
    return _looked_up(pixels, torch.where(flat, levels.double(), stretched))


def brightness(pixels: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    return _looked_up(pixels, _between(torch.zeros(()), LEVELS, factors[:, None, None]))


def colour(pixels: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    return _between(_grey(pixels), pixels, factors[:, None, None, None])


def contrast(pixels: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Towards the mean of the grey image, rounded."""
    each = pixels.shape[1] * pixels.shape[2]
    mean = (2 * _grey(pixels).long().sum(dim=(1, 2, 3)) + each) // (2 * each)
    return _looked_up(pixels, _between(mean[:, None, None], LEVELS.to(pixels.device), factors[:, None, None]))


def equalize(pixels: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """Each channel's histogram made flat; one in which too few pixels differ from the brightest stays."""
    places = _places(pixels).flatten()
    counts = torch.zeros(3 * 256 * len(pixels), dtype=torch.long, device=pixels.device)
    counts = counts.scatter_add_(0, places, torch.ones_like(places)).view(-1, 3, 256)
    brightest = pixels.amax(dim=(1, 2)).long()[..., None]
    step = (pixels.shape[1] * pixels.shape[2] - counts.gather(2, brightest)) // 255
    below = counts.cumsum(dim=2) - counts
    flat = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)
    return _looked_up(pixels, torch.where(step == 0, LEVELS.to(pixels.device), flat))


def posterize(pixels: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """The upper `bits` of each value, cut to whole numbers."""
    unit = 2 ** (8 - bits.long())[:, None, None]
    return _looked_up(pixels, LEVELS // unit * unit)


def sharpness(pixels: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Towards the image smoothed by (1 1 1, 1 5 1, 1 1 1)/13; the border is not smoothed."""
    wide, inner = pixels.int(), slice(1, -1)
    rows = wide[:, :-2] + wide[:, inner] + wide[:, 2:]
    total = rows[:, :, :-2] + rows[:, :, inner] + rows[:, :, 2:] + 4 * wide[:, inner, inner]
    smooth = pixels.clone()
    smooth[:, inner, inner] = ((2 * total + 13) // 26).to(torch.uint8)
    return _between(smooth, pixels, factors[:, None, None, None])


def solarize(pixels: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    return _looked_up(pixels, torch.where(thresholds[:, None, None] > LEVELS, LEVELS, 255 - LEVELS))


def rotate(pixels: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    """About the centre, counter-clockwise; the nearest pixel, black outside, as of all that move."""
    angles = -torch.deg2rad(degrees.remainder(360))
    cos, sin = (value.round(decimals=15) for value in (angles.cos(), angles.sin()))
    centre = pixels.shape[1] / 2
    return _moved(pixels, cos, sin, centre - centre * cos - centre * sin, -sin, cos, centre + centre * sin - centre * cos)


def shear_x(pixels: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    return _moved(pixels, 1, shares, 0, 0, 1, 0)


def shear_y(pixels: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    return _moved(pixels, 1, 0, 0, shares, 1, 0)


def translate_x(pixels: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """By a share of the width, in whole pixels."""
    return _moved(pixels, 1, 0, _whole(shares * pixels.shape[2]), 0, 1, 0)


def translate_y(pixels: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    return _moved(pixels, 1, 0, 0, 0, 1, _whole(shares * pixels.shape[1]))


def _whole(steps: torch.Tensor) -> torch.Tensor:
    return (steps + 0.5).floor()


def _grey(pixels: torch.Tensor) -> torch.Tensor:
    """Pillow's mode L (B, S, S, 1), uint8."""
    red, green, blue = (weight * channel.int() for weight, channel in zip(GREY, pixels.split(1, dim=3), strict=True))
    return ((red + green + blue + ONE // 2) >> 16).to(torch.uint8)


def _between(plain: torch.Tensor, image: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Pillow's blend, uint8: cut, not rounded, in single precision."""
    plain = plain.float()
    return (plain + sent(factors.float(), image.device) * (image.float() - plain)).to(torch.uint8)


def _looked_up(pixels: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    """Each value by its image's and channel's table (B, 3, 256), or by that of the image (B, 1, 256)."""
    tables = sent(tables.to(torch.uint8), pixels.device).expand(-1, 3, -1)
    return tables.reshape(-1).take(_places(pixels))


def _places(pixels: torch.Tensor) -> torch.Tensor:
    """Where each value stands among the levels of all images and channels (B, S, S, 3): 256 of each."""
    return 256 * torch.arange(3 * len(pixels), device=pixels.device).view(-1, 1, 1, 3) + pixels


def _moved(pixels: torch.Tensor, *matrix: torch.Tensor | float) -> torch.Tensor:
    """Output (x, y) shows the pixel of (a·x + b·y + c, d·x + e·y + f), for pixels' centres; six numbers, or tensors (B,) of them."""
    side, (a, b, c, d, e, f) = pixels.shape[1], (torch.as_tensor(value, dtype=torch.float64) for value in matrix)
    terms = torch.broadcast_tensors(a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5)
    fixed = sent(torch.stack(terms).mul(ONE).add(0.5).floor().long(), pixels.device)[..., None, None]
    span = torch.arange(side, device=pixels.device)
    x, y = span[None, None, :], span[None, :, None]
    column, row = ((across * x + down * y + start) >> 16 for across, down, start in (fixed[:3], fixed[3:]))
    inside = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    source = torch.where(inside, row * side + column, 0).flatten(1)[..., None].expand(-1, -1, 3)
    return pixels.flatten(1, 2).gather(1, source).view_as(pixels) * inside[..., None]


POOL = (
    Operation(autocontrast, 0, 1),
    Operation(brightness, 0.05, 0.95),
    Operation(colour, 0.05, 0.95),
    Operation(contrast, 0.05, 0.95),
    Operation(equalize, 0, 1),
    Operation(posterize, 4, 8),
    Operation(rotate, -30, 30),
    Operation(sharpness, 0.05, 0.95),
    Operation(shear_x, -0.3, 0.3),
    Operation(shear_y, -0.3, 0.3),
    Operation(solarize, 0, 256),
    Operation(translate_x, -0.3, 0.3),
    Operation(translate_y, -0.3, 0.3),
)
