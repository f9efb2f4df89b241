"""What makes features or classifiers alike across domains: CORAL's distance, IRM's penalty, DANN's discriminator behind a reversed gradient."""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from repro.nn.job import Job
from repro.nn.networks.model import Classifier


def penalty_weight(job: Job) -> float:
    """The recipe's weight; with penalty_schedule=sigmoid times 2/(1+exp(−10p))−1, p the share of steps done (Ganin et al. 2016, §5.2.2)."""
    if job.recipe.penalty_schedule == "constant":
        return job.recipe.penalty_weight
    return job.recipe.penalty_weight * (2 / (1 + math.exp(-10 * job.step / max(job.total_steps, 1))) - 1)


def by_domain(values: torch.Tensor, domains: torch.Tensor) -> list[torch.Tensor]:
    """The rows of `values` (B, …) of each domain in the batch, in the order of their numbers."""
    return [values[domains == domain] for domain in torch.unique(domains)]


def coral_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """mean((μa − μb)²) + mean((Ca − Cb)²) of features (n, d) and (m, d): means over d and over d² entries, C with divisor n − 1."""
    means, covariances = zip(*((part.mean(dim=0), _covariance(part)) for part in (a, b)), strict=True)
    return (means[0] - means[1]).square().mean() + (covariances[0] - covariances[1]).square().mean()


def _covariance(features: torch.Tensor) -> torch.Tensor:
    centred = features - features.mean(dim=0)
    return centred.T @ centred / (len(features) - 1)


def mean_coral_distance(features: torch.Tensor, domains: torch.Tensor) -> torch.Tensor:
    """`coral_distance` averaged over the pairs of domains in a batch: features (B, d), domains (B,)."""
    pairs = itertools.combinations(by_domain(features, domains), 2)
    with torch.autocast(features.device.type, enabled=False):  # a difference of two nearly equal matrices
        return torch.stack([coral_distance(a, b) for a, b in pairs]).mean()


def irm_terms(
    logits: torch.Tensor, labels: torch.Tensor, domains: torch.Tensor, smoothing: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Risk and penalty, each the mean over the domains of a batch: logits (B, K), labels (B,), domains (B,).

    The penalty of a domain is g₁·g₂, the derivatives at s = 1 of the mean cross-entropy of s·logits over its even and over its odd rows:
    an unbiased estimate of the squared derivative.
    """
    scale = torch.ones((), device=logits.device, dtype=logits.dtype, requires_grad=True)
    losses = F.cross_entropy(scale * logits, labels, reduction="none", label_smoothing=smoothing)
    parts = by_domain(losses, domains)
    halves = [[torch.autograd.grad(part[first::2].mean(), scale, create_graph=True)[0] for first in (0, 1)] for part in parts]
    return torch.stack([part.mean() for part in parts]).mean(), torch.stack([even * odd for even, odd in halves]).mean()


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: torch.Tensor) -> torch.Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return -gradient


def reverse_gradient(values: torch.Tensor) -> torch.Tensor:
    """The same values; what flows back through them changes its sign."""
    return _Reversed.apply(values)


class DomainAdversarial(Classifier):
    """A classifier with a discriminator of domains on its features: features → two layers of `hidden` with BatchNorm → domains (B, D)."""

    def __init__(self, classifier: Classifier, domains: int, hidden: int = 1024):
        nn.Module.__init__(self)
        self.backbone, self.head = classifier.backbone, classifier.head
        self.normalize, self.dropout = classifier.normalize, classifier.dropout
        self.discriminator = nn.Sequential(
            nn.Linear(classifier.head.in_features, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, domains),
        ).to(classifier.head.weight.device)

    def classifier(self) -> Classifier:
        """The classifier alone, the very same weights."""
        plain = Classifier(self.backbone, self.head.out_features, self.normalize, self.dropout)
        plain.head = self.head
        return plain
