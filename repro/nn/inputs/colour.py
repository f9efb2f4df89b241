"""Random colours and blur of batched images, as contrastive pretraining draws them: (B, H, W, 3) in [0, 1], a row of uniform numbers each."""

from __future__ import annotations

import torch
import torch.nn.functional as F

UNIFORMS = 12  # of `distort`: jitter or not, four factors, four for their order, grey or not, blur or not, its width
LUMA = (0.2989, 0.587, 0.114)  # torchvision.transforms.functional.rgb_to_grayscale of tensors
SIGMAS = (0.1, 2.0)


def distort(images: torch.Tensor, uniforms: torch.Tensor, strength: float = 1.0) -> torch.Tensor:
    """Jitter with p 0.8, grey with p 0.2, blur with p 0.5: SimCLR's, as SwAV has it. `uniforms` (B, 12).

    Jitter: brightness, contrast and saturation times U(1 ± 0.8s), hue plus U(±0.2s) of a turn, in a random order. Blur: a Gaussian of
    U(0.1, 2) pixels. p-lambda/wilds@4726775 examples/pretraining/swav/src/multicropdataset.py:89-170, which rounds to 8 bits after
    each and blurs by PIL's approximation.
    """
    draws = uniforms.to(images.device)
    factors = 1 + 0.8 * strength * (2 * draws[:, 1:4] - 1)
    turn = 0.2 * strength * (2 * draws[:, 4] - 1)
    operations = [brightness, contrast, saturation, hue]
    amounts = [*factors.clamp(min=0).unbind(dim=1), turn]
    order = torch.where(draws[:, :1] < 0.8, draws[:, 5:9].argsort(dim=1), -1)
    for place in range(4):
        for number, (operation, amount) in enumerate(zip(operations, amounts, strict=True)):
            rows = torch.nonzero(order[:, place] == number).flatten()
            if len(rows):
                images = images.index_copy(0, rows, operation(images[rows], amount[rows]))
    images = torch.where((draws[:, 9] < 0.2)[:, None, None, None], grey(images).expand_as(images), images)
    low, high = SIGMAS
    blurred = blur(images, low + (high - low) * draws[:, 11])
    return torch.where((draws[:, 10] < 0.5)[:, None, None, None], blurred, images)


def grey(images: torch.Tensor) -> torch.Tensor:
    """Luma (B, H, W, 1)."""
    return (images * torch.tensor(LUMA, device=images.device)).sum(dim=-1, keepdim=True)


def _between(images: torch.Tensor, other: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    factors = factors[:, None, None, None]
    return (factors * images + (1 - factors) * other).clamp(0, 1)


def brightness(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    return _between(images, torch.zeros_like(images), factors)


def contrast(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    return _between(images, grey(images).mean(dim=(1, 2, 3), keepdim=True), factors)


def saturation(images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    return _between(images, grey(images), factors)


def hue(images: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Rotate by `turns` (B,) in HSV; channel c of (h, s, v) is v − v·s·max(0, min(1, k, 4 − k)), k = (n_c + 6h) mod 6, n = 5, 3, 1."""
    value, least = images.amax(dim=-1), images.amin(dim=-1)
    spread = value - least
    safe = torch.where(spread > 0, spread, torch.ones_like(spread))
    red, green, blue = images.unbind(dim=-1)
    sector = torch.where(
        value == red, (green - blue) / safe, torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    )
    sector = torch.where(spread > 0, sector, torch.zeros_like(sector)) + 6 * turns[:, None, None]
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (offset + sector) % 6
        channels.append(value - spread * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels, dim=-1)


def blur(images: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Gaussian of `sigmas` (B,) pixels, cut at three of the widest, edges repeated: two passes of one-dimensional sums."""
    reach = int(3 * SIGMAS[1])
    taps = torch.arange(-reach, reach + 1, device=images.device)
    weights = torch.exp(-0.5 * (taps[None] / sigmas[:, None]) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)
    planes = images.permute(3, 0, 1, 2)  # (3, B, H, W): a group of the convolution per image
    for kernel, pad in ((weights[:, None, None, :], (reach, reach, 0, 0)), (weights[:, None, :, None], (0, 0, reach, reach))):
        planes = F.conv2d(F.pad(planes, pad, mode="replicate"), kernel, groups=len(images))
    return planes.permute(1, 2, 3, 0)
