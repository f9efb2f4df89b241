"""Losses against open_clip's ClipLoss and formulas written out, values and gradients in float64."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from open_clip.loss import ClipLoss
from torch import nn

from repro.nn.job import Batch
from repro.nn.objectives.losses import contrastive, cross_entropy, embedded, frequencies, similarities, supervised


class Towers(nn.Module):
    """Linear towers in float64 that accept images (B, 3, 4, 4) and tokens (B, 5)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image = nn.Linear(48, 6).double()
        self.words = nn.Embedding(20, 6).double()
        self.logit_scale = nn.Parameter(torch.tensor(2.3, dtype=torch.float64))

    def visual(self, images: torch.Tensor) -> torch.Tensor:
        return self.image(images.flatten(1))

    def text(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.words(tokens).tanh().mean(dim=1)


def pairs(captions: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(len(captions), 3, 4, 4, generator=generator, dtype=torch.float64)
    vocabulary = torch.randint(20, (10, 5), generator=generator)
    return images, vocabulary[torch.tensor(captions)]


@pytest.mark.parametrize("captions", [[0, 1, 2, 3, 4, 5, 6], [3, 1, 3, 3, 0, 1, 8], [2, 2, 2, 2], [5]])
def test_contrastive_is_open_clips_value_and_gradient(captions: list[int]) -> None:
    images, tokens = pairs(captions)
    ours, theirs = Towers(), Towers()
    loss = contrastive(ours, *embedded(ours, ours.visual(images), tokens))
    loss.backward()
    expected = ClipLoss()(
        F.normalize(theirs.visual(images), dim=-1), F.normalize(theirs.text(tokens), dim=-1), logit_scale=theirs.logit_scale.exp()
    )
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12, abs=1e-14)
    for (name, got), want in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(got.grad, want.grad, rtol=1e-10, atol=1e-13), name


def test_similarities_are_scaled_cosines_of_every_image_and_caption() -> None:
    towers, (images, _), (_, tokens) = Towers(), pairs([0, 1, 2]), pairs([4, 4, 7, 1, 0])
    got = similarities(towers, *embedded(towers, towers.visual(images), tokens))
    want = F.cosine_similarity(towers.visual(images)[:, None], towers.text(tokens)[None], dim=-1) * towers.logit_scale.exp()
    assert got.shape == (3, 5) and torch.allclose(got, want, rtol=1e-12, atol=1e-13)


def test_equal_captions_count_as_negatives_of_each_other() -> None:
    """RECIPES §3.1: the papers' loss knows no label, so duplicates cost at least log 2 on the image side."""
    images, tokens = pairs([0, 0])
    towers = Towers()
    scale = contrastive(towers, *embedded(towers, towers.visual(images), tokens))
    assert scale.item() >= 0.5 * torch.log(torch.tensor(2.0)).item()


class Logits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(6, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.values


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_is_the_formula(smoothing: float) -> None:
    """Mean over the batch of −Σ q·log p with q = (1−s)·onehot + s/K, and gradient (p − q)/B."""
    model, labels = Logits(), torch.tensor([0, 3, 3, 1, 2, 0])
    job = SimpleNamespace(recipe=SimpleNamespace(label_smoothing=smoothing), class_weights=None)
    loss = cross_entropy(model, Batch(torch.empty(6, 3, 1, 1), labels, torch.arange(6)), job)["loss"]
    loss.backward()
    q = (1 - smoothing) * F.one_hot(labels, 4).double() + smoothing / 4
    log_p = model.values - model.values.exp().sum(dim=1, keepdim=True).log()
    assert loss.item() == pytest.approx(-(q * log_p).sum(dim=1).mean().item(), rel=1e-12)
    assert torch.allclose(model.values.grad, (log_p.exp() - q) / 6, atol=1e-14)


class Fixed(nn.Module):
    """Outputs (B, K) whatever the batch."""

    def __init__(self, outputs: torch.Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.outputs


def of_task(task: str, weights: torch.Tensor | None = None) -> SimpleNamespace:
    return SimpleNamespace(recipe=SimpleNamespace(label_smoothing=0.0), benchmark=SimpleNamespace(task=task), class_weights=weights)


def test_class_weights_are_the_shares_of_the_labels_and_weigh_as_a_weighted_mean() -> None:
    labels = torch.tensor([0, 0, 0, 2, 2, 0, 0, 0, 0, 2])
    weights = frequencies(labels, 4)
    assert weights.tolist() == pytest.approx([0.7, 0.0, 0.3, 0.0])
    logits, y = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2, 2, 0, 0, 2])
    found = supervised(Fixed(logits), Batch(torch.zeros(6), y, torch.arange(6)), of_task("classification", weights))["loss"]
    each, own = -logits.log_softmax(dim=1)[torch.arange(6), y], weights[y]
    assert found.item() == pytest.approx(((each * own).sum() / own.sum()).item())


def test_of_a_regression_it_is_the_mean_squared_error_of_the_one_output() -> None:
    outputs, labels = torch.tensor([[0.5], [1.0], [-1.0]]), torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)
    found = supervised(Fixed(outputs), Batch(torch.zeros(3), labels, torch.arange(3)), of_task("regression"))["loss"]
    assert found.item() == pytest.approx((0.25 + 0 + 4) / 3) and found.dtype == torch.float32
