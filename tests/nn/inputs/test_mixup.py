"""MixUp and CutMix: against torchvision's with the same λ and partners, and pixel by pixel."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import v2

from repro.nn.inputs import mixup
from repro.nn.inputs.mixup import Mixture, blended, centred_box, draw, released_box
from repro.nn.job import Batch
from repro.nn.objectives.losses import cross_entropy
from repro.settings import Recipe

COUNT, SIDE, CLASSES = 6, 21, 4


def job(seed: int | str = 0, side: int = SIDE, **recipe) -> SimpleNamespace:
    return SimpleNamespace(recipe=Recipe(**recipe), chance=seed, preprocess=SimpleNamespace(size=side), class_weights=None)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Images channels last in memory, labels."""
    draws = torch.Generator().manual_seed(0)
    images = torch.randn(COUNT, SIDE, SIDE, 3, generator=draws).permute(0, 3, 1, 2)
    return images, torch.randint(CLASSES, (COUNT,), generator=draws)


def rolled(share: float, box: tuple[int, int, int, int] | None = None) -> Mixture:
    """Each with the one before it, as torchvision pairs them."""
    return Mixture(torch.arange(COUNT).roll(1), share, box)


def whole(mixture: Mixture, images: torch.Tensor) -> torch.Tensor:
    return blended(mixture, images, torch.arange(COUNT), mixture.partners)


def loss_of(mixture: Mixture, labels: torch.Tensor, logits: torch.Tensor) -> float:
    mixed = Batch(logits, labels, torch.arange(COUNT), others=labels[mixture.partners], share=mixture.share)
    return float(cross_entropy(lambda given: given, mixed, job())["loss"])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.75, 1.0])
def test_mixup_is_torchvisions(share: float) -> None:
    images, labels = batch()
    theirs = v2.MixUp(num_classes=CLASSES)
    theirs._dist = SimpleNamespace(sample=lambda size: share)
    expected, target = theirs(images, labels)
    before, logits = images.clone(), torch.randn(COUNT, CLASSES, generator=torch.Generator().manual_seed(1))
    got = whole(rolled(share), images)
    assert torch.equal(got, expected) and torch.equal(images, before)
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert loss_of(rolled(share), labels, logits) == pytest.approx(float(F.cross_entropy(logits, target)), rel=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_cutmix_is_torchvisions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision draws the centre's column before its row."""
    share, row, column = np.random.default_rng(seed).random(3)
    places = iter([int(column * SIDE), int(row * SIDE)])
    images, labels = batch()
    theirs = v2.CutMix(num_classes=CLASSES)
    theirs._dist = SimpleNamespace(sample=lambda size: share)
    monkeypatch.setattr(torch, "randint", lambda high, size: torch.tensor([next(places)]))
    expected, target = theirs(images, labels)
    box = centred_box(share, (row, column), SIDE)
    mixture = rolled(1 - (box[2] - box[0]) * (box[3] - box[1]) / SIDE**2, box)
    assert torch.equal(whole(mixture, images), expected) and not torch.equal(expected, images)
    logits = torch.randn(COUNT, CLASSES, generator=torch.Generator().manual_seed(1))
    assert loss_of(mixture, labels, logits) == pytest.approx(float(F.cross_entropy(logits, target)), rel=1e-6)


@pytest.mark.parametrize("augment", ["mixup", "cutmix"])
def test_pixel_by_pixel_it_is_the_definition(augment: str) -> None:
    """The share of labels is that of pixels, whatever the box; partners are a permutation."""
    images, _ = batch()
    for step in range(20):
        mixture = draw(job(augment=augment), step, COUNT)
        got, given = whole(mixture, images).numpy(), images.numpy()
        expected = np.empty_like(given)
        kept = 0
        for place in np.ndindex(COUNT, SIDE, SIDE):
            example, row, column = place
            partner = int(mixture.partners[example])
            if augment == "mixup":
                own = np.float32(mixture.share)
            else:
                top, left, bottom, right = mixture.box
                own = np.float32(not (top <= row < bottom and left <= column < right))
                kept += int(own)
            expected[example, :, row, column] = own * given[example, :, row, column] + (1 - own) * given[partner, :, row, column]
        assert np.abs(got - expected).max() < 1e-6
        assert sorted(mixture.partners.tolist()) == list(range(COUNT))
        if augment == "cutmix":
            assert np.array_equal(got, expected) and mixture.share == pytest.approx(kept / COUNT / SIDE**2)


def test_the_released_box_begins_at_its_width() -> None:
    """Written out from the authors' words: (x, y, w, h), rows from x to x + w, columns from w to y + h, their product taken off λ."""
    assert released_box(0.75, (0.5, 0.5), 96) == (36, 48, 84, 84)
    assert released_box(0.0, (0.5, 0.5), 96) == (24, 96, 120, 120), "nothing of it is inside"
    assert released_box(1.0, (0.5, 0.5), 96) == (48, 0, 48, 48)
    assert centred_box(0.75, (0.5, 0.5), 96) == (24, 24, 72, 72) and centred_box(0.75, (0.0, 0.99), 96) == (0, 71, 24, 96)
    found = [draw(job(augment="cutmix", cutmix_box="as_released"), step, COUNT) for step in range(200)]
    images, outside = batch()[0], 0
    for mixture in found:
        top, left, bottom, right = mixture.box
        assert left <= right and mixture.share == 1 - (bottom - top) * (right - left) / SIDE**2 >= 0.5 - 2 / SIDE
        outside += max(bottom, right) > SIDE
        assert whole(mixture, images).shape == images.shape
    assert outside > 20


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_are_beta_of_alpha_and_follow_from_seed_and_step(alpha: float) -> None:
    """Of Beta(α, α) the mean is 1/2 and the variance 1/(4(2α + 1))."""
    mixtures = [draw(job(augment="mixup", mix_alpha=alpha), step, 2) for step in range(3000)]
    shares = torch.tensor([mixture.share for mixture in mixtures])
    assert abs(shares.mean() - 0.5) < 0.02 and abs(shares.var() - 1 / (4 * (2 * alpha + 1))) < 0.01
    again, other = draw(job(augment="mixup", mix_alpha=alpha), 7, 2), draw(job(1, augment="mixup", mix_alpha=alpha), 7, 2)
    assert again.share == mixtures[7].share and torch.equal(again.partners, mixtures[7].partners)
    assert len({mixtures[7].share, mixtures[8].share, other.share}) == 3


def test_a_share_of_batches_is_mixed_and_without_such_an_augmentation_none() -> None:
    mixed = [draw(job(augment="cutmix", augment_p=0.3), step, COUNT) is not None for step in range(2000)]
    assert abs(np.mean(mixed) - 0.3) < 0.03
    assert draw(job(augment="mixup", augment_p=0.0), 0, COUNT) is None
    assert all(draw(job(augment=name), 0, COUNT) is None for name in ("none", "flip", "randaugment"))
    assert set(mixup.KINDS) < set(Recipe.model_fields["augment"].annotation.__args__)
