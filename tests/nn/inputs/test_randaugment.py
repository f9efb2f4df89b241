"""RandAugment's operations against Pillow's, bit for bit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from repro.nn.inputs import randaugment
from repro.nn.inputs.randaugment import POOL, RandAugment

SIDES = (20, 31, 64)


def affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix)


PILLOWS = {  # the authors' pool: operation → what it does with an image and a magnitude, from where to where
    "autocontrast": (lambda image, v: ImageOps.autocontrast(image), 0, 1),
    "brightness": (lambda image, v: ImageEnhance.Brightness(image).enhance(v), 0.05, 0.95),
    "colour": (lambda image, v: ImageEnhance.Color(image).enhance(v), 0.05, 0.95),
    "contrast": (lambda image, v: ImageEnhance.Contrast(image).enhance(v), 0.05, 0.95),
    "equalize": (lambda image, v: ImageOps.equalize(image), 0, 1),
    "posterize": (lambda image, v: ImageOps.posterize(image, int(v)), 4, 8),
    "rotate": (lambda image, v: image.rotate(v), -30, 30),
    "sharpness": (lambda image, v: ImageEnhance.Sharpness(image).enhance(v), 0.05, 0.95),
    "shear_x": (lambda image, v: affine(image, 1, v, 0, 0, 1, 0), -0.3, 0.3),
    "shear_y": (lambda image, v: affine(image, 1, 0, 0, v, 1, 0), -0.3, 0.3),
    "solarize": (lambda image, v: ImageOps.solarize(image, v), 0, 256),
    "translate_x": (lambda image, v: affine(image, 1, 0, v * image.width, 0, 1, 0), -0.3, 0.3),
    "translate_y": (lambda image, v: affine(image, 1, 0, 0, 0, 1, v * image.height), -0.3, 0.3),
}
NAMES = [operation.act.__name__ for operation in POOL]


def pictures(count: int, side: int, seed: int = 0) -> np.ndarray:
    """Slopes with noise, of all contrasts; of the first few some channels are of one value, or nearly so."""
    rng = np.random.default_rng([seed, side])
    down, across = np.mgrid[:side, :side][..., None] / side
    slopes = rng.uniform(-200, 200, (2, count, 1, 1, 3))
    made = rng.uniform(0, 255, (count, 1, 1, 3)) + slopes[0] * down + slopes[1] * across
    made = np.clip(made + rng.normal(0, 1, made.shape) * rng.choice([0, 3, 40], (count, 1, 1, 1)), 0, 255).astype(np.uint8)
    made[0], made[1], made[2, ..., 1], made[3] = 0, 255, 77, made[3] // 200
    made[4] = 10
    made[4, 0, 0] = 200
    return made


def by_pillow(image: np.ndarray, name: str, magnitude: float) -> np.ndarray:
    return np.asarray(PILLOWS[name][0](Image.fromarray(image), magnitude))


def test_the_pool_is_the_authors() -> None:
    assert len(POOL) == 13 and list(PILLOWS) == NAMES
    assert [(operation.low, operation.high) for operation in POOL] == [(low, high) for _, low, high in PILLOWS.values()]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_each_operation_is_pillows_bit_for_bit(name: str, side: int) -> None:
    images, (_, low, high) = pictures(80, side), PILLOWS[name]
    uniforms = torch.rand(80, generator=torch.Generator().manual_seed(side))
    uniforms[10:13] = torch.tensor([0.0, 0.5, 1 - 2**-24])
    magnitudes = low + (high - low) * uniforms.double()
    got = getattr(randaugment, name)(torch.from_numpy(images), magnitudes).numpy()
    expected = np.stack([by_pillow(image, name, value) for image, value in zip(images, magnitudes.tolist(), strict=True)])
    assert got.dtype == np.uint8 and np.array_equal(got, expected)
    assert (expected != images).any(axis=(1, 2, 3)).sum() > 40, "it does something"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_operations_follow_one_another_and_the_flip_comes_last(count: int) -> None:
    images = pictures(120, 24, count)
    chain = RandAugment(count)
    uniforms = torch.rand(120, chain.uniforms, generator=torch.Generator().manual_seed(count))
    got = chain(torch.from_numpy(images), torch.arange(120), uniforms).numpy()
    for image, row, made in zip(images, uniforms.double().tolist(), got, strict=True):
        for which, amount in zip(row[:-1:2], row[1:-1:2], strict=True):
            name = NAMES[int(which * 13)]
            _, low, high = PILLOWS[name]
            image = by_pillow(image, name, low + (high - low) * amount)
        assert np.array_equal(made, image[:, ::-1] if row[-1] < 0.5 else image)


def test_pixels_stay_as_they_were_and_their_type_comes_back() -> None:
    images, chain = torch.from_numpy(pictures(20, 16)), RandAugment(2)
    before, uniforms = images.clone(), torch.rand(20, chain.uniforms, generator=torch.Generator().manual_seed(0))
    made = chain(images, torch.arange(20), uniforms)
    assert torch.equal(images, before) and not torch.equal(made, before)
    in_float = chain(images.float(), torch.arange(20), uniforms)
    assert in_float.dtype == torch.float32 and torch.equal(in_float, made.float())


def test_every_operation_is_drawn_as_often_and_half_are_flipped(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[str] = Counter()

    def counting(name: str):
        return lambda pixels, magnitudes: seen.update({name: len(pixels)}) or pixels

    monkeypatch.setattr(randaugment, "POOL", tuple(one._replace(act=counting(one.act.__name__)) for one in POOL))
    chain, images = RandAugment(2), torch.arange(2, dtype=torch.uint8)[None, None, :, None].expand(13_000, 2, 2, 3)
    made = chain(images, torch.arange(13_000), torch.rand(13_000, 5, generator=torch.Generator().manual_seed(0)))
    assert len(seen) == 13 and sum(seen.values()) == 26_000
    assert max(abs(count - 2000) for count in seen.values()) < 200
    assert abs((made[:, 0, 0, 0] == 1).float().mean() - 0.5) < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_off_the_cpu_pixels_stay_there(name: str) -> None:
    """On torch's device without memory: nothing of an operation is computed elsewhere and nothing is asked of the pixels."""
    made = getattr(randaugment, name)(
        torch.zeros(4, 16, 16, 3, dtype=torch.uint8, device="meta"), torch.full((4,), 0.5, dtype=torch.float64)
    )
    assert made.is_meta and made.shape == (4, 16, 16, 3) and made.dtype == torch.uint8
