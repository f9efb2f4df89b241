"""Losses that several methods share; each returns its terms by name, "loss" being the one that is minimised."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from repro.nn.backbones import Backbone
from repro.nn.job import Batch, Job
from repro.nn.model import Classifier


def cross_entropy(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy of the logits (B, K) against labels (B,), smoothed as the recipe says."""
    return {"loss": F.cross_entropy(model(batch.images), batch.labels, label_smoothing=job.recipe.label_smoothing)}


def contrastive(backbone: Backbone, images: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """CLIP's symmetric loss of B image–text pairs: images (B, 3, S, S), tokens (B, T).

    ½[CE(s·I·Tᵀ, arange) + CE(s·T·Iᵀ, arange)] with unit rows and s = exp(logit_scale); pairs with equal captions count as negatives,
    as in open_clip.loss.ClipLoss. Equal captions are encoded once, which changes no value.
    """
    image = F.normalize(backbone.visual(images), dim=-1)
    distinct, where = torch.unique(tokens, dim=0, return_inverse=True)
    text = F.normalize(backbone.text(distinct), dim=-1)[where]
    logits = backbone.logit_scale.exp() * image @ text.T
    target = torch.arange(len(images), device=images.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
