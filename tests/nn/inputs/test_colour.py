"""Colours and blur against torchvision and scipy, and how often each happens."""

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as oracle

from repro.nn.inputs import colour

IMAGES = torch.rand(6, 17, 13, 3, generator=torch.Generator().manual_seed(0))
FACTORS = torch.tensor([0.2, 0.7, 1.0, 1.3, 1.8, 0.0])
TURNS = torch.tensor([-0.2, -0.05, 0.0, 0.1, 0.2, 0.03])


@pytest.mark.parametrize(
    ("mine", "theirs", "amounts"),
    [
        (colour.brightness, oracle.adjust_brightness, FACTORS),
        (colour.contrast, oracle.adjust_contrast, FACTORS),
        (colour.saturation, oracle.adjust_saturation, FACTORS),
        (colour.hue, oracle.adjust_hue, TURNS),
    ],
)
def test_each_operation_is_torchvisions(mine, theirs, amounts: torch.Tensor) -> None:
    found = mine(IMAGES, amounts)
    for image, amount, result in zip(IMAGES, amounts.tolist(), found, strict=True):
        assert torch.allclose(result.permute(2, 0, 1), theirs(image.permute(2, 0, 1), amount), atol=2e-6)


def test_grey_images_keep_their_hue() -> None:
    grey = torch.full((1, 3, 3, 3), 0.4)
    assert torch.equal(colour.hue(grey, torch.tensor([0.2])), grey)


def test_blur_is_scipys_gaussian() -> None:
    from scipy.ndimage import gaussian_filter

    sigmas = torch.tensor([0.1, 0.3, 0.8, 1.2, 1.7, 2.0])
    found = colour.blur(IMAGES, sigmas)
    for image, sigma, result in zip(IMAGES, sigmas.tolist(), found, strict=True):
        expected = gaussian_filter(image.double().numpy(), (sigma, sigma, 0), mode="nearest", radius=(6, 6, 0))
        assert np.abs(result.numpy() - expected).max() < 1e-6


def test_an_image_is_distorted_by_its_own_row_alone() -> None:
    draws = torch.rand(6, colour.UNIFORMS, generator=torch.Generator().manual_seed(1))
    whole = colour.distort(IMAGES, draws)
    for row in range(6):
        assert torch.allclose(colour.distort(IMAGES[row : row + 1], draws[row : row + 1])[0], whole[row], atol=1e-6)
    assert whole.min() >= 0 and whole.max() <= 1


def test_how_often_each_happens() -> None:
    """Without jitter, in a fifth of the images; grey in a fifth; blurred in half: of these nothing else is done to the image."""
    count = 4000
    draws = torch.rand(count, colour.UNIFORMS, generator=torch.Generator().manual_seed(2))
    images = IMAGES[:1, :3, :3].expand(count, -1, -1, -1)
    made = colour.distort(images, draws)
    same = (made - images).abs().amax(dim=(1, 2, 3)) < 1e-6
    grey = (made.amax(dim=-1) - made.amin(dim=-1)).amax(dim=(1, 2)) < 1e-5
    assert same.float().mean().item() == pytest.approx(0.2 * 0.8 * 0.5, abs=0.02)  # a blur of 0.1 pixels, too, is none
    assert grey.float().mean().item() == pytest.approx(0.2, abs=0.03)


def test_jitter_is_in_the_drawn_order() -> None:
    draws = torch.full((1, colour.UNIFORMS), 0.9)
    draws[0, :5] = torch.tensor([0.0, 0.75, 0.25, 0.6, 0.8])  # jitter; factors 1.4, 0.6, 1.16; hue +0.12
    draws[0, 5:9] = torch.tensor([0.3, 0.1, 0.4, 0.2])  # contrast, hue, brightness, saturation
    image = IMAGES[:1].permute(0, 3, 1, 2)
    expected = oracle.adjust_hue(oracle.adjust_contrast(image, 0.6), 0.12)
    expected = oracle.adjust_saturation(oracle.adjust_brightness(expected, 1.4), 1.16)
    assert torch.allclose(colour.distort(IMAGES[:1], draws).permute(0, 3, 1, 2), expected, atol=1e-5)
