"""Crops, resizes, flips and shifts on batches, against Pillow and torchvision one image at a time."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as TF

from repro.nn.inputs import augment

BOXES = [  # top, left, height, width in a frame of 60 × 80: whole, corners, edges, one pixel, no change of size, extreme ratios
    (0, 0, 60, 80),
    (0, 0, 20, 20),
    (40, 60, 20, 20),
    (0, 30, 60, 13),
    (17, 0, 9, 80),
    (31, 41, 1, 1),
    (5, 7, 32, 32),
    (3, 2, 50, 33),
]


def noise(height: int, width: int, count: int = 1) -> np.ndarray:
    """Hard edges everywhere: the worst case for rounding."""
    return np.random.default_rng(height * width + count).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def columns_first(image: np.ndarray, box: tuple[int, ...], size: int, interpolation: str) -> np.ndarray:
    """Pillow's crop and resize, one axis per call: the order of every Pillow before 13."""
    top, left, height, width = box
    crop = Image.fromarray(image).crop((left, top, left + width, top + height))
    kernel = Image.Resampling[interpolation.upper()]
    return np.asarray(crop.resize((size, height), kernel).resize((size, size), kernel)).astype(np.float32)


both = pytest.mark.parametrize("way", [augment.crop_resize_each, augment.crop_resize_together])  # on the CPU, and on a GPU


@both
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [8, 32, 96])
def test_crop_resize_is_pillows_within_one_level(way, interpolation: str, size: int) -> None:
    images = noise(60, 80, len(BOXES))
    ours = way(torch.from_numpy(images), torch.tensor(BOXES, dtype=torch.float64), size, interpolation).numpy()
    for image, box, got in zip(images, BOXES, ours, strict=True):
        difference = np.abs(got - columns_first(image, box, size, interpolation))
        assert difference.max() <= 1, box
        assert difference.mean() < 0.05, box


@both
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_crop_resize_of_square_boxes_is_torchvisions_resized_crop(way, interpolation: str) -> None:
    """Square boxes are resized columns first by every version of Pillow, so torchvision can be asked itself."""
    boxes = [(0, 0, 20, 20), (40, 60, 20, 20), (3, 11, 57, 57), (25, 30, 33, 33)]
    images = noise(60, 80, len(boxes))
    for size in (16, 48, 80):
        ours = way(torch.from_numpy(images), torch.tensor(boxes, dtype=torch.float64), size, interpolation).numpy()
        for image, box, got in zip(images, boxes, ours, strict=True):
            expected = TF.resized_crop(Image.fromarray(image), *box, [size, size], InterpolationMode(interpolation), antialias=True)
            assert np.abs(got - np.asarray(expected).astype(np.float32)).max() <= 1, (box, size)


@both
def test_a_crop_that_keeps_its_size_is_copied(way) -> None:
    images = noise(40, 40)
    for interpolation in ("bilinear", "bicubic"):
        crop = way(torch.from_numpy(images), torch.tensor([[3.0, 5.0, 16.0, 16.0]]), 16, interpolation)
        assert np.array_equal(crop[0].numpy(), images[0, 3:19, 5:21])


@both
def test_crop_resize_ignores_the_padding_of_ragged_batches(way) -> None:
    images = torch.from_numpy(noise(30, 20))
    framed = torch.full((1, 50, 50, 3), 255, dtype=torch.uint8)
    framed[:, :30, :20] = images
    box = torch.tensor([[0.0, 0.0, 30.0, 20.0]])
    assert torch.equal(way(framed, box, 24, "bicubic"), way(images, box, 24, "bicubic"))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_gpus_crops_are_those_of_torchs_8_bit_kernel(interpolation: str) -> None:
    """Bit for bit up to four times the size, in extremes of black and white, too; within one level, and almost nowhere, beyond it."""
    draw = np.random.default_rng(7)
    frame = torch.from_numpy(np.concatenate([noise(130, 130), noise(130, 130) // 128 * 255]))
    other = total = 0
    for height, width in [(7, 14), (28, 56), (112, 21), (8, 18), (14, 29), *draw.integers(1, 131, (100, 2)).tolist()]:
        box = torch.tensor([[0.0, 0.0, height, width]]).expand(2, 4)
        one, both = (
            augment.crop_resize_each(frame, box, 28, interpolation).float(),
            augment.crop_resize_together(frame, box, 28, interpolation),
        )
        if max(height, width) <= 4 * 28:
            assert torch.equal(one, both), (height, width)
        other, total = other + int((one != both).sum()), total + both.numel()
        assert (one - both).abs().max() <= 1
    assert other < 1e-5 * total


def test_resample_weights_sum_to_one_and_stay_inside_the_crop() -> None:
    weights = augment.resample_weights(torch.tensor([4.0, 0.0]), torch.tensor([11.0, 30.0]), 7, 30, "bicubic")
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 7), atol=18 * 2**-16)  # half a unit per tap
    assert (weights[0, :, :4] == 0).all() and (weights[0, :, 15:] == 0).all()


DRAWS = 4000


def boxes_of_torchvision(height: int, width: int, scale: tuple[float, float]) -> np.ndarray:
    torch.manual_seed(0)
    frame = torch.empty(3, height, width)
    return np.array([RandomResizedCrop.get_params(frame, list(scale), [3 / 4, 4 / 3]) for _ in range(DRAWS)], dtype=float)


def boxes_of_ours(height: int, width: int, scale: tuple[float, float]) -> np.ndarray:
    uniforms = torch.rand(DRAWS, augment.UNIFORMS, generator=torch.Generator().manual_seed(1))
    return augment.random_resized_crop_boxes(torch.tensor([[height, width]]).expand(DRAWS, 2), uniforms, scale).numpy()


@pytest.mark.parametrize(("height", "width"), [(200, 200), (150, 260), (40, 400), (400, 40)])
@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.6, 1.0)])
def test_random_resized_crops_are_distributed_as_torchvisions(height: int, width: int, scale: tuple[float, float]) -> None:
    """Kolmogorov–Smirnov per coordinate; the two long frames make tries fail, so the central fallback is drawn, too."""
    theirs, ours = boxes_of_torchvision(height, width, scale), boxes_of_ours(height, width, scale)
    for column, name in enumerate(("top", "left", "height", "width")):
        assert stats.ks_2samp(theirs[:, column], ours[:, column]).pvalue > 1e-3, name
    for values in (ours, theirs):
        assert (values[:, :2] >= 0).all() and (values[:, 2:] >= 1).all()
        assert (values[:, 0] + values[:, 2] <= height).all() and (values[:, 1] + values[:, 3] <= width).all()
    areas = [(boxes[:, 2] * boxes[:, 3] / (height * width)).mean() for boxes in (theirs, ours)]
    assert areas[0] == pytest.approx(areas[1], abs=0.02)


@pytest.mark.parametrize(("height", "width"), [(10, 300), (300, 10), (11, 301)])
def test_where_no_try_fits_the_crop_is_torchvisions_central_one(height: int, width: int) -> None:
    assert len({tuple(box) for box in boxes_of_torchvision(height, width, (0.9, 1.0))[:20]}) == 1
    assert np.array_equal(boxes_of_ours(height, width, (0.9, 1.0))[:20], boxes_of_torchvision(height, width, (0.9, 1.0))[:20])


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 32), (37, 50), (51, 36), (64, 35)])
def test_center_crop_is_torchvisions(height: int, width: int) -> None:
    images = torch.from_numpy(noise(height, width, 2))
    ours = augment.center_crop(images, torch.tensor([[height, width]] * 2), 32)
    theirs = TF.center_crop(images.permute(0, 3, 1, 2), [32, 32]).permute(0, 2, 3, 1)
    assert torch.equal(ours, theirs)


def test_center_crop_of_ragged_images_uses_each_ones_own_size() -> None:
    sizes = [(40, 44), (36, 60), (61, 33)]
    singles = [torch.from_numpy(noise(*size)) for size in sizes]
    framed = torch.zeros(3, 61, 60, 3, dtype=torch.uint8)
    for row, (image, (height, width)) in enumerate(zip(singles, sizes, strict=True)):
        framed[row, :height, :width] = image[0]
    ours = augment.center_crop(framed, torch.tensor(sizes), 32)
    for row, image in enumerate(singles):
        assert torch.equal(ours[row], TF.center_crop(image[0].permute(2, 0, 1), [32, 32]).permute(1, 2, 0))


def uniforms(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, augment.UNIFORMS, generator=torch.Generator().manual_seed(seed))


def test_flip_mirrors_half_of_the_images_and_nothing_else() -> None:
    images, rows = torch.from_numpy(noise(6, 5, 2000)), uniforms(2000)
    flipped = augment.flip(images, rows)
    mirrored = np.array([torch.equal(a, TF.hflip(b.permute(2, 0, 1)).permute(1, 2, 0)) for a, b in zip(flipped, images, strict=True)])
    kept = np.array([torch.equal(a, b) for a, b in zip(flipped, images, strict=True)])
    assert (mirrored ^ kept).all()
    assert abs(mirrored.mean() - 0.5) < 4 * math.sqrt(0.25 / 2000)


def test_shift_moves_by_every_offset_equally_often_and_repeats_edges() -> None:
    pixels, size, count = 2, 8, 5000
    image = torch.from_numpy(noise(size, size))
    shifted = augment.shift(image.expand(count, -1, -1, -1), uniforms(count), pixels)
    padded = np.pad(image[0].numpy(), ((pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
    windows = {padded[top : top + size, left : left + size].tobytes(): (top, left) for top in range(5) for left in range(5)}
    offsets = [windows[one.to(torch.uint8).numpy().tobytes()] for one in shifted]
    counts = np.unique([5 * top + left for top, left in offsets], return_counts=True)[1]
    assert len(counts) == 25
    assert stats.chisquare(counts).pvalue > 1e-3


def test_shift_by_no_pixels_changes_nothing() -> None:
    images = torch.from_numpy(noise(8, 8, 3))
    assert torch.equal(augment.shift(images, uniforms(3), 0), images)


def test_an_image_does_not_depend_on_its_batch() -> None:
    images, rows = torch.from_numpy(noise(48, 40, 12)), uniforms(12)
    sizes = torch.tensor([[48, 40]] * 12)

    def transform(part: slice) -> torch.Tensor:
        boxes = augment.random_resized_crop_boxes(sizes[part], rows[part], (0.08, 1.0))
        cropped = augment.crop_resize(images[part], boxes, 24, "bilinear")
        return augment.flip(augment.shift(cropped, rows[part], 3), rows[part])

    whole = transform(slice(None))
    for split in (1, 5, 7):
        parts = torch.cat([transform(slice(start, start + split)) for start in range(0, 12, split)])
        assert torch.equal(parts, whole), split


def test_boxes_of_like_shapes_are_resized_together_within_bounds() -> None:
    sides = torch.randint(1, 400, (64, 2), generator=torch.Generator().manual_seed(0))
    boxes, limit = torch.cat([torch.zeros(64, 2), sides], dim=1), 16 * 200 * 200 * 3
    groups = augment.alike(boxes, limit)
    assert sorted(torch.cat(groups).tolist()) == list(range(64)) and 2 <= len(groups) <= 40
    taken = [len(rows) * int(sides[rows].amax(dim=0).prod()) * 3 for rows in groups]
    assert all(size <= limit or len(rows) == 1 for size, rows in zip(taken, groups, strict=True))
    assert len(augment.alike(boxes, 2**40)) == 1 and len(augment.alike(boxes, 1)) == 64
