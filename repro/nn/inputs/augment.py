"""Batched image transforms. Each example's randomness is a row of uniform numbers, so the batch split never changes an image."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F

TRIES = 10  # torchvision's RandomResizedCrop gives up after as many
FRAMES = 64 << 20  # bytes of frames that are resized together on a GPU, where it takes some nine times as many
WEIGHTS = 2**15 - 0.5  # the largest weight, in units of the smallest, is below it
UNIFORMS = 2 * TRIES + 3  # per example: (area, ratio) per try, then row, column, flip


def _triangle(x: torch.Tensor) -> torch.Tensor:
    return (1 - x.abs()).clamp(min=0)


def _cubic(x: torch.Tensor) -> torch.Tensor:
    """Keys' kernel with a = −0.5, as in Pillow."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


KERNELS = {"bilinear": (_triangle, 1.0), "bicubic": (_cubic, 2.0)}


def resample_weights(start: torch.Tensor, length: torch.Tensor, size: int, extent: int, interpolation: str) -> torch.Tensor:
    """Weights (B, size, extent) that crop [start, start+length) of an axis of `extent` pixels and resize it to `size`, antialiased.

    Pillow's rule (src/libImaging/Resample.c): the kernel widens with the reduction, taps stay inside the crop, weights sum to 1.
    They are multiples of a power of two, as many as 15 bits tell apart: those of torch's 8-bit kernel (ATen, UpSampleKernel.cpp).
    """
    kernel, reach = KERNELS[interpolation]
    length = length.double()
    scale = (length / size)[:, None, None]
    widen = scale.clamp(min=1)
    out = torch.arange(size, device=start.device, dtype=torch.float64)[None, :, None]
    position = torch.arange(extent, device=start.device, dtype=torch.float64)[None, None, :] - start.double()[:, None, None]
    center = (out + 0.5) * scale
    # Pillow rounds the support to whole pixels before it evaluates the kernel
    low = (center - reach * widen + 0.5).floor().clamp(min=0)
    high = torch.minimum((center + reach * widen + 0.5).floor(), length[:, None, None])
    weights = kernel((position - center + 0.5) / widen) * ((position >= low) & (position < high))
    weights /= weights.sum(dim=-1, keepdim=True)
    unit = (WEIGHTS / weights.amax(dim=(1, 2), keepdim=True)).log2().floor().clamp(max=22).exp2()
    return ((weights * unit).round() / unit).float()


def random_resized_crop_boxes(
    sizes: torch.Tensor, uniforms: torch.Tensor, scale: tuple[float, float], ratio: tuple[float, float] = (3 / 4, 4 / 3)
) -> torch.Tensor:
    """Boxes (B, 4) as (top, left, height, width) for images of `sizes` (B, 2), distributed as torchvision's RandomResizedCrop draws them."""
    height, width = sizes[:, 0].double(), sizes[:, 1].double()
    uniforms = uniforms.double()
    area = (height * width)[:, None] * (scale[0] + (scale[1] - scale[0]) * uniforms[:, :TRIES])
    log_ratio = math.log(ratio[0]) + (math.log(ratio[1]) - math.log(ratio[0])) * uniforms[:, TRIES : 2 * TRIES]
    aspect = log_ratio.exp()
    w = (area * aspect).sqrt().round()
    h = (area / aspect).sqrt().round()
    fits = (w > 0) & (w <= width[:, None]) & (h > 0) & (h <= height[:, None])
    first = fits.double().argmax(dim=1, keepdim=True)
    w, h = w.gather(1, first)[:, 0], h.gather(1, first)[:, 0]
    # no try fits: the largest central crop whose ratio is allowed
    whole = width / height
    central_w = torch.where(whole > ratio[1], (height * ratio[1]).round(), width)
    central_h = torch.where(whole < ratio[0], (width / ratio[0]).round(), height)
    found = fits.any(dim=1)
    w, h = torch.where(found, w, central_w), torch.where(found, h, central_h)
    top = torch.where(found, (uniforms[:, 2 * TRIES] * (height - h + 1)).floor(), ((height - h) / 2).floor())
    left = torch.where(found, (uniforms[:, 2 * TRIES + 1] * (width - w + 1)).floor(), ((width - w) / 2).floor())
    return torch.stack([top, left, h, w], dim=1)


def crop_resize(images: torch.Tensor, boxes: torch.Tensor, size: int, interpolation: str) -> torch.Tensor:
    """Crop each uint8 image (B, H, W, 3) to its box (top, left, height, width) and resize it to (B, size, size, 3), antialiased.

    Values are whole numbers in [0, 255], rounded to 8 bits after each pass as Pillow does. Rows are resized after columns, as in every
    Pillow before 13, which the papers' numbers were made with (13 changes the order where the height shrinks more: python-pillow#9549).
    On the CPU it is torch's 8-bit kernel, image by image; on a GPU two batched matrix products.
    Their sums are of whole numbers, which float32 holds where a crop is up to four times as large as `size`: the two agree bit for bit.
    In larger crops, and in TF32, a sum next to a half may fall to its other side.
    """
    way = crop_resize_each if images.device.type == "cpu" else crop_resize_together
    return way(images, boxes, size, interpolation)


def alike(boxes: torch.Tensor, limit: int = FRAMES) -> list[torch.Tensor]:
    """Rows of `boxes` (B, 4), those of like shapes together: frames of a group's largest height and width take at most `limit` bytes, or are one."""
    shapes = boxes[:, 2:].long().tolist()
    groups: list[list[int]] = []
    tall = wide = 0
    for row in sorted(range(len(shapes)), key=lambda row: (shapes[row][0] > shapes[row][1], math.prod(shapes[row]))):
        tall, wide = max(tall, shapes[row][0]), max(wide, shapes[row][1])
        if not groups or (len(groups[-1]) + 1) * tall * wide * 3 > limit:
            groups.append([])
            tall, wide = shapes[row]
        groups[-1].append(row)
    return [torch.tensor(group) for group in groups]


def crop_resize_together(images: torch.Tensor, boxes: torch.Tensor, size: int, interpolation: str) -> torch.Tensor:
    """`crop_resize` as two batched matrix products."""
    boxes = boxes.to(images.device)
    rows = resample_weights(boxes[:, 0], boxes[:, 2], size, images.shape[1], interpolation)
    columns = resample_weights(boxes[:, 1], boxes[:, 3], size, images.shape[2], interpolation)
    across = torch.einsum("bsw,bhwc->bhsc", columns, images.float()).add(0.5).floor().clamp(0, 255)
    return torch.einsum("bsh,bhwc->bswc", rows, across).add(0.5).floor().clamp(0, 255)


def crop_resize_each(images: torch.Tensor, boxes: torch.Tensor, size: int, interpolation: str) -> torch.Tensor:
    """`crop_resize` by torch's 8-bit kernel, image by image."""
    corners = zip(images.permute(0, 3, 1, 2).split(1), boxes.long().tolist(), strict=True)
    out = torch.empty(len(images), size, size, 3, dtype=torch.uint8)
    resize_each([image[:, :, top : top + h, left : left + w] for image, (top, left, h, w) in corners], out, interpolation)
    return out


def resize_each(crops: Iterable[torch.Tensor], out: torch.Tensor, interpolation: str) -> None:
    """Resize uint8 images (1, 3, H, W), of any sizes but channels last in memory, to `out` (B, S, S, 3) by torch's 8-bit kernel, antialiased."""
    size = tuple(out.shape[1:3])
    resized = [F.interpolate(crop, size, mode=interpolation, antialias=True) for crop in crops]
    torch.cat(resized, out=out.permute(0, 3, 1, 2))


def center_crop(images: torch.Tensor, sizes: torch.Tensor, size: int) -> torch.Tensor:
    """torchvision's CenterCrop for (B, H, W, 3) images that lie in the upper left `sizes` (B, 2) of their frame; all at least `size`."""
    if tuple(images.shape[1:3]) == (size, size):
        return images
    top = ((sizes[:, 0] - size) / 2).round().long()
    left = ((sizes[:, 1] - size) / 2).round().long()
    return _windows(images, top, left, size)


def random_crop(images: torch.Tensor, sizes: torch.Tensor, uniforms: torch.Tensor, size: int) -> torch.Tensor:
    """torchvision's RandomCrop without padding, for (B, H, W, 3) images as `center_crop` takes them."""
    top, left = ((uniforms[:, 2 * TRIES + axis].double() * (sizes[:, axis] - size + 1)).long() for axis in (0, 1))
    return _windows(images, top, left, size)


def shift(images: torch.Tensor, uniforms: torch.Tensor, pixels: int) -> torch.Tensor:
    """Move each image (B, S, S, 3) by up to `pixels` in both directions, edges repeated."""
    size = images.shape[1]
    edge = torch.arange(-pixels, size + pixels, device=images.device).clamp(0, size - 1)
    padded = images[:, edge][:, :, edge]
    steps = 2 * pixels + 1
    top = (uniforms[:, 2 * TRIES] * steps).long()
    left = (uniforms[:, 2 * TRIES + 1] * steps).long()
    return _windows(padded, top, left, size)


def flip(images: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Mirror half of the images (B, H, W, 3) left to right."""
    chosen = uniforms[:, -1] < 0.5
    if images.device.type == "cpu":
        return torch.stack([image.flip(1) if mirrored else image for image, mirrored in zip(images, chosen.tolist(), strict=True)])
    return torch.where(chosen.to(images.device)[:, None, None, None], images.flip(2), images)


def _windows(images: torch.Tensor, top: torch.Tensor, left: torch.Tensor, size: int) -> torch.Tensor:
    """The square of side `size` of each image whose corner is at (top, left), which must lie inside."""
    device = images.device
    if device.type == "cpu":  # a copy of rows per image is several times faster there than one gather of pixels
        corners = zip(images, top.tolist(), left.tolist(), strict=True)
        return torch.stack([image[row : row + size, column : column + size] for image, row, column in corners])
    span = torch.arange(size, device=device)
    rows = top.to(device)[:, None, None] + span[None, :, None]
    columns = left.to(device)[:, None, None] + span[None, None, :]
    return images[torch.arange(len(images), device=device)[:, None, None], rows, columns]
