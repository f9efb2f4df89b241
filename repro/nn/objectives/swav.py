"""SwAV: features are assigned to prototypes by an optimal transport, and each view is to predict the assignment of the others."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from repro.nn.networks.backbones import Backbone

ASSIGNED = 2  # of the views, the first ones


class SwAV(nn.Module):
    """An image tower, a projection head (linear, BatchNorm, ReLU, linear) to unit length, and prototypes (K, D) of unit length."""

    def __init__(self, backbone: Backbone, hidden: int, dim: int, prototypes: int):
        super().__init__()
        self.backbone = backbone
        self.projection = nn.Sequential(nn.Linear(backbone.dim, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.prototypes = nn.Linear(dim, prototypes, bias=False)

    def normalise_prototypes(self) -> None:
        """Scale each prototype to length 1, in place."""
        with torch.no_grad():
            self.prototypes.weight.copy_(F.normalize(self.prototypes.weight, dim=1))

    def forward(self, views: list[torch.Tensor], train_prototypes: bool = True) -> list[torch.Tensor]:
        """Cosines (B, K) of every view with every prototype; neighbouring views of one size go through the tower together."""
        kinds = [torch.cat(list(alike)) for _, alike in itertools.groupby(views, key=lambda view: view.shape[-1])]
        embedded = F.normalize(self.projection(torch.cat([self.backbone.visual(kind) for kind in kinds])), dim=1)
        weight = self.prototypes.weight if train_prototypes else self.prototypes.weight.detach()
        return list(F.linear(embedded, weight).float().split(len(views[0])))


@torch.no_grad()
def sinkhorn(scores: torch.Tensor, epsilon: float, iterations: int) -> torch.Tensor:
    """Assignments (B, K) of scores (B, K): exp(scores/ε) scaled so that prototypes get equal shares, then images one each, in turns.

    Rows sum to 1; columns to B/K, as nearly as the iterations come.
    """
    plan = torch.exp(scores / epsilon)
    plan = plan / plan.sum()
    images, prototypes = plan.shape
    for _ in range(iterations):
        plan = plan / (plan.sum(dim=0, keepdim=True) * prototypes)
        plan = plan / (plan.sum(dim=1, keepdim=True) * images)
    return plan * images


def swapped_prediction(scores: list[torch.Tensor], temperature: float, epsilon: float, iterations: int) -> torch.Tensor:
    """−mean over the first two views i, all views v ≠ i and images of Σ_k q_ik·log softmax(s_v/τ)_k, with q_i of `sinkhorn`."""
    losses = []
    for assigned in range(ASSIGNED):
        target = sinkhorn(scores[assigned].detach(), epsilon, iterations)
        others = [view for number, view in enumerate(scores) if number != assigned]
        losses += [-(target * F.log_softmax(view / temperature, dim=1)).sum(dim=1).mean() for view in others]
    return torch.stack(losses).mean()
