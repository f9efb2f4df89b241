"""Losses that several methods share; each returns its terms by name, "loss" being the one that is minimised."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from repro.nn.job import Batch, Job
from repro.nn.networks.backbones import Backbone
from repro.nn.networks.model import Classifier


def cross_entropy(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """Mean cross-entropy of the logits (B, K) against labels (B,), smoothed and weighted by class as the recipe says.

    Weighted, it is Σ w_y·CE / Σ w_y over the batch, as torch has it. Of mixed examples it is share·CE(labels) + (1 − share)·CE(others).
    """
    outputs, smoothing = model(batch.images), job.recipe.label_smoothing
    loss = F.cross_entropy(outputs, batch.labels, job.class_weights, label_smoothing=smoothing)
    if batch.others is not None:
        other = F.cross_entropy(outputs, batch.others, job.class_weights, label_smoothing=smoothing)
        loss = batch.share * loss + (1 - batch.share) * other
    return {"loss": loss}


def supervised(model: Classifier, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    """What the benchmark's task asks for: cross-entropy, or of a regression the mean squared error of the one output."""
    if job.benchmark.task == "classification":
        return cross_entropy(model, batch, job)
    outputs = full(model(batch.images)[:, 0])
    return {"loss": F.mse_loss(outputs, batch.labels.to(outputs.dtype))}


def full(values: torch.Tensor) -> torch.Tensor:
    """What autocast has made half as wide in single precision: targets, large logits and small differences need more digits."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def frequencies(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Each class's share of the labels (N,): float32 (K,).

    Connect Later's class weights, under which a rare class counts less, not more: helenqu/connect-later@6a12eab
    finetune_classification.py:335-337.
    """
    return torch.bincount(labels, minlength=classes).float() / len(labels)


def squared_distance(model: nn.Module, origin: dict[str, torch.Tensor]) -> torch.Tensor:
    """Σ‖θ − θ0‖² over the parameters that `origin` names: a sum, neither halved nor averaged."""
    parameters = dict(model.named_parameters())
    return torch.stack([(parameters[name] - start).square().sum() for name, start in origin.items()]).sum()


def embedded(backbone: Backbone, features: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit rows (B, dim) of image features (B, dim) and (C, dim) of captions (C, L); equal captions are encoded once."""
    distinct, where = torch.unique(tokens, dim=0, return_inverse=True)
    return F.normalize(features, dim=-1), F.normalize(backbone.text(distinct), dim=-1)[where]


def similarities(backbone: Backbone, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """s·cos (B, C) of unit rows (B, dim) and (C, dim), s = exp(logit_scale)."""
    with torch.autocast(image.device.type, enabled=False):
        return backbone.logit_scale.exp() * full(image) @ full(text).T


def contrastive(backbone: Backbone, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """CLIP's symmetric loss of B image–text pairs, given as unit rows (B, dim).

    ½[CE(s·I·Tᵀ, arange) + CE(s·T·Iᵀ, arange)] with s = exp(logit_scale); pairs with equal captions count as negatives,
    as in open_clip.loss.ClipLoss.
    """
    logits = similarities(backbone, image, text)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
