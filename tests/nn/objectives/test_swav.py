"""SwAV's assignments and loss against numpy, as the release writes them, and what the network does with views and prototypes."""

import numpy as np
import pytest
import torch
from torch import nn

from repro.nn.objectives.swav import SwAV, sinkhorn, swapped_prediction

RNG = np.random.default_rng(0)


def released_sinkhorn(scores: np.ndarray, epsilon: float, iterations: int) -> np.ndarray:
    """Prototypes × images, as p-lambda/wilds@4726775 examples/pretraining/swav/main_swav.py:410-432 describes it."""
    plan = np.exp(scores / epsilon).T
    plan /= plan.sum()
    prototypes, images = plan.shape
    for _ in range(iterations):
        for row in range(prototypes):
            plan[row] /= plan[row].sum() * prototypes
        for column in range(images):
            plan[:, column] /= plan[:, column].sum() * images
    return (plan * images).T


@pytest.mark.parametrize(("epsilon", "iterations", "shape"), [(0.03, 3, (12, 5)), (0.05, 1, (7, 9)), (0.5, 10, (16, 4))])
def test_assignments_are_the_releases(epsilon: float, iterations: int, shape: tuple[int, int]) -> None:
    scores = RNG.uniform(-1, 1, shape)
    found = sinkhorn(torch.from_numpy(scores), epsilon, iterations).numpy()
    assert np.allclose(found, released_sinkhorn(scores, epsilon, iterations), rtol=1e-12)


def test_images_are_wholly_assigned_and_prototypes_equally() -> None:
    scores = torch.from_numpy(RNG.uniform(-1, 1, (40, 8)))
    few, many = (sinkhorn(scores, 0.05, count) for count in (3, 200))
    for plan in (few, many):
        assert torch.allclose(plan.sum(dim=1), torch.ones(40).double(), atol=1e-12) and plan.min() >= 0
    uneven = [(plan.sum(dim=0) - 5).abs().max().item() for plan in (few, many)]
    assert uneven[1] < 1e-3 < uneven[0] < 3
    assert torch.isfinite(sinkhorn(torch.tensor([[1.0, -1.0], [1.0, 1.0]]), 0.03, 3)).all()


def test_the_loss_is_the_mean_over_assigned_views_and_all_others() -> None:
    scores = [RNG.uniform(-1, 1, (6, 4)) for _ in range(5)]
    terms = []
    for assigned in (0, 1):
        target = released_sinkhorn(scores[assigned], 0.03, 3)
        for view in (number for number in range(5) if number != assigned):
            scaled = scores[view] / 0.1
            log = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
            terms.append(-np.mean((target * log).sum(axis=1)))
    assert len(terms) == 8
    found = swapped_prediction([torch.from_numpy(view) for view in scores], 0.1, 0.03, 3)
    assert found.item() == pytest.approx(np.mean(terms), rel=1e-12)


def test_no_gradient_flows_through_the_assignments() -> None:
    scores = [torch.from_numpy(RNG.uniform(-1, 1, (6, 4))).requires_grad_() for _ in range(2)]
    swapped_prediction(scores, 0.1, 0.03, 3).backward()
    target = torch.from_numpy(released_sinkhorn(scores[1].detach().numpy(), 0.03, 3))
    expected = (torch.softmax(scores[0].detach() / 0.1, dim=1) - target) / 0.1 / 6 / 2
    assert torch.allclose(scores[0].grad, expected, rtol=1e-10)


class Mean(nn.Module):
    """An image tower that takes images of any size and counts how often it is called."""

    dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[int, ...]] = []

    def visual(self, images: torch.Tensor) -> torch.Tensor:
        self.calls.append(tuple(images.shape))
        return images.mean(dim=(2, 3))


def test_views_of_a_size_go_through_the_tower_together_and_come_back_apart() -> None:
    torch.manual_seed(0)
    model = SwAV(Mean(), 8, 5, 7).eval()
    views = [torch.randn(4, 3, side, side) for side in (16, 16, 8, 8, 8)]
    scores = model(views)
    assert model.backbone.calls == [(8, 3, 16, 16), (12, 3, 8, 8)]
    assert [tuple(view.shape) for view in scores] == [(4, 7)] * 5
    for view, found in zip(views, scores, strict=True):
        assert torch.allclose(model([view])[0], found, atol=1e-6)
    model.normalise_prototypes()
    assert torch.allclose(model.prototypes.weight.norm(dim=1), torch.ones(7))
    assert torch.stack(model(views)).abs().max() <= 1 + 1e-6


def test_frozen_prototypes_get_no_gradient() -> None:
    model = SwAV(Mean(), 8, 5, 7)
    views = [torch.randn(4, 3, 8, 8) for _ in range(2)]
    swapped_prediction(model(views, train_prototypes=False), 0.1, 0.05, 3).backward()
    assert model.prototypes.weight.grad is None and model.projection[0].weight.grad is not None
    swapped_prediction(model(views), 0.1, 0.05, 3).backward()
    assert model.prototypes.weight.grad is not None
