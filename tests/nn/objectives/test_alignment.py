"""CORAL's distance, IRM's penalty and the reversed gradient against numpy, finite differences and plain formulas in float64."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from repro.nn.networks.model import Classifier
from repro.nn.objectives import alignment

RNG = np.random.default_rng(0)


def tensor(*shape: int) -> torch.Tensor:
    return torch.from_numpy(RNG.normal(size=shape))


@pytest.mark.parametrize("domains", [[3, 0, 3, 0, 3, 0, 0], [5, 1, 2, 2, 1, 5, 5, 1, 2]])
def test_coral_is_numpys_means_and_covariances_over_all_pairs(domains: list[int]) -> None:
    features, where = tensor(len(domains), 6), np.array(domains)
    parts = [features.numpy()[where == domain] for domain in np.unique(where)]
    pairs = [
        np.mean((a.mean(0) - b.mean(0)) ** 2) + np.mean((np.cov(a, rowvar=False) - np.cov(b, rowvar=False)) ** 2)
        for a, b in itertools.combinations(parts, 2)
    ]
    assert len(pairs) in (1, 3)
    found = alignment.mean_coral_distance(features, torch.tensor(domains))
    assert found.item() == pytest.approx(np.mean(pairs), rel=1e-12)


def entropy(logits: np.ndarray, label: int) -> float:
    return math.log(np.exp(logits).sum()) - logits[label]


def test_irm_is_the_product_of_the_slopes_of_alternate_examples() -> None:
    logits, labels = tensor(10, 4).numpy(), RNG.integers(0, 4, 10)
    domains = np.array([7, 7, 7, 7, 2, 2, 2, 2, 2, 2])
    risks, penalties, step = [], [], 1e-5
    for domain in (2, 7):
        rows = np.flatnonzero(domains == domain)
        risks.append(np.mean([entropy(logits[row], labels[row]) for row in rows]))
        slopes = [
            np.mean([entropy((1 + step) * logits[row], labels[row]) - entropy((1 - step) * logits[row], labels[row]) for row in half])
            / (2 * step)
            for half in (rows[::2], rows[1::2])
        ]
        penalties.append(slopes[0] * slopes[1])
    risk, penalty = alignment.irm_terms(torch.from_numpy(logits), torch.from_numpy(labels), torch.from_numpy(domains))
    assert risk.item() == pytest.approx(np.mean(risks), rel=1e-12)
    assert penalty.item() == pytest.approx(np.mean(penalties), rel=1e-7)


def test_the_penalty_of_irm_has_a_gradient() -> None:
    labels, domains = torch.tensor([0, 2, 1, 1]), torch.tensor([0, 0, 1, 1])
    assert torch.autograd.gradcheck(
        lambda logits: alignment.irm_terms(logits, labels, domains)[1], tensor(4, 3).requires_grad_(), eps=1e-6, atol=1e-7
    )


def test_a_reversed_gradient_is_minus_the_finite_difference() -> None:
    values, step = tensor(5).requires_grad_(), 1e-6
    alignment.reverse_gradient(values).pow(3).sum().backward()
    with torch.no_grad():
        slope = torch.stack([((values + step * one) ** 3).sum() - ((values - step * one) ** 3).sum() for one in torch.eye(5).double()])
    assert torch.allclose(values.grad, -slope / (2 * step), rtol=1e-6)
    assert torch.equal(alignment.reverse_gradient(values), values)


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (50, 0.5), (100, 1.0)])
def test_a_growing_weight_is_ganins(step: int, share: float) -> None:
    job = SimpleNamespace(recipe=SimpleNamespace(penalty_weight=0.3, penalty_schedule="sigmoid"), step=step, total_steps=100)
    assert alignment.penalty_weight(job) == pytest.approx(0.3 * math.tanh(5 * share), abs=1e-12)  # 2/(1+exp(−10p))−1 = tanh(5p)
    job.recipe.penalty_schedule = "constant"
    assert alignment.penalty_weight(job) == 0.3


def test_the_discriminator_is_two_hidden_layers_and_the_classifier_goes_without_it() -> None:
    backbone = nn.Module()
    backbone.dim, backbone.visual = 8, nn.Flatten()
    plain = Classifier(backbone, 3)
    model = alignment.DomainAdversarial(plain, 5)
    shapes = [tuple(layer.weight.shape) for layer in model.discriminator if isinstance(layer, nn.Linear)]
    assert shapes == [(1024, 8), (1024, 1024), (5, 1024)]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in model.discriminator) == 2
    images = torch.randn(4, 8, 1, 1)
    assert torch.equal(model(images), plain(images))
    assert set(model.classifier().state_dict()) == {"head.weight", "head.bias"} and model.classifier().head is plain.head
