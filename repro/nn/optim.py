"""Optimisers and learning-rate schedules by recipe."""

from __future__ import annotations

import math

import torch
from torch import nn

from repro.settings import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """One optimiser over every parameter that gets a gradient; the head's group has its own factor on the learning rate.

    Weight decay reaches all of them, norms and biases too, as in the papers' code.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(recipe.head_lr_factor if name.startswith("head.") else 1.0, []).append(parameter)
    parameters = [{"params": group, "lr": recipe.lr * factor, "lr_factor": factor} for factor, group in groups.items()]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=recipe.weight_decay
        )
    return torch.optim.AdamW(parameters, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay)


def total_steps(recipe: Recipe, steps_per_epoch: int) -> int:
    """Optimiser steps of a run: `steps`, else those of its epochs."""
    return recipe.steps or recipe.epochs * steps_per_epoch


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The backbone's learning rate of optimiser step `step` (from 0).

    cosine_epoch: lr·(1+cos(πe/E))/2 in epoch e of E (LP-FT: CosineAnnealingLR stepped after each epoch, so the last epoch's is above 0).
    cosine_step: after the warm-up, lr·(1+cos(π(s−w)/(S−w)))/2 (wise-ft@58b7a4b src/models/utils.py).
    linear: after the warm-up, lr·(S−s)/(S−w) (transformers' get_scheduler("linear"), helenqu/connect-later@6a12eab
    finetune_classification.py:200-207).
    """
    total = total_steps(recipe, steps_per_epoch)
    if step < recipe.warmup_steps:
        return recipe.lr * (step + 1) / recipe.warmup_steps
    if recipe.schedule == "cosine_epoch":
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step // steps_per_epoch) / -(-total // steps_per_epoch)))
    if recipe.schedule == "cosine_step":
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - recipe.warmup_steps) / max(total - recipe.warmup_steps, 1)))
    if recipe.schedule == "linear":
        return recipe.lr * (total - step) / max(total - recipe.warmup_steps, 1)
    return recipe.lr


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_factor"]
