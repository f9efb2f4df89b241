"""Optimisers and learning-rate schedules by recipe."""

from __future__ import annotations

import math

import torch
from torch import nn

from repro.settings import Recipe


class Larc(torch.optim.SGD):
    """SGD whose gradient g of each tensor θ becomes t·‖θ‖/(‖g‖ + w‖θ‖ + 1e-8)·(g + wθ), t = 0.001, w the weight decay, before momentum.

    A tensor that is zero, or whose gradient is, keeps g, without decay. NVIDIA/apex@0bfb830 apex/parallel/LARC.py with clip=False, as
    p-lambda/wilds@4726775 examples/pretraining/swav/main_swav.py:216-223 calls it.
    """

    TRUST = 0.001

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        decays = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._rescale(parameter, group["weight_decay"])
            group["weight_decay"] = 0.0
        super().step(closure)
        for group, decay in zip(self.param_groups, decays, strict=True):
            group["weight_decay"] = decay

    def _rescale(self, parameter: nn.Parameter, decay: float) -> None:
        weight, slope = parameter.norm(), parameter.grad.norm()
        adapted = (self.TRUST * weight / (slope + decay * weight + 1e-8)) * (parameter.grad + decay * parameter)
        parameter.grad.copy_(torch.where((weight > 0) & (slope > 0), adapted, parameter.grad))


def _factor(name: str, recipe: Recipe) -> float:
    """What a parameter's learning rate is multiplied by."""
    if name.startswith("discriminator.") and recipe.discriminator_lr is not None:
        return recipe.discriminator_lr / recipe.lr
    return recipe.head_lr_factor if name.startswith("head.") else 1.0


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """One optimiser over every parameter that gets a gradient; head and discriminator have their own factors on the learning rate.

    Weight decay reaches all of them, norms and biases too, as in the papers' code.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(_factor(name, recipe), []).append(parameter)
    parameters = [{"params": group, "lr": recipe.lr * factor, "lr_factor": factor} for factor, group in groups.items()]
    fused = all(parameter.is_cuda for group in groups.values() for parameter in group) or None  # on a CPU as torch has it
    if recipe.optimizer in ("sgd", "larc"):
        kind = Larc if recipe.optimizer == "larc" else torch.optim.SGD
        made = kind(
            parameters, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=recipe.weight_decay, fused=fused
        )
        return _remembering(made, "momentum_buffer") if recipe.momentum else made
    made = torch.optim.AdamW(parameters, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay, fused=fused)
    return _remembering(made, "exp_avg", "exp_avg_sq", counted=True)


def _remembering(optimizer: torch.optim.Optimizer, *moments: str, counted: bool = False) -> torch.optim.Optimizer:
    """With what it remembers of all parameters there from the start, 0, whose first step is torch's own.

    Memory for it then runs out before the first step, which could not be taken again once some weights had changed. Fused SGD of torch, besides, fails
    where a parameter has its first gradient after others (one that was frozen for a while), and where the first step of fp16 is skipped, it goes on
    from memory that nobody wrote.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if counted:
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device if group["fused"] else "cpu")
            state |= {name: torch.zeros_like(parameter, memory_format=torch.preserve_format) for name in moments}
    return optimizer


def total_steps(recipe: Recipe, steps_per_epoch: int) -> int:
    """Optimiser steps of a run: `steps`, else those of its epochs."""
    return recipe.steps or recipe.epochs * steps_per_epoch


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The backbone's learning rate of optimiser step `step` (from 0).

    With end = lr·lr_end, 0 by default –
    cosine_epoch: end + (lr−end)·(1+cos(πe/E))/2 in epoch e of E (LP-FT: CosineAnnealingLR stepped after each epoch, so the last epoch's is above 0).
    cosine_step: after the warm-up, end + (lr−end)·(1+cos(π(s−w)/(S−w)))/2 (wise-ft@58b7a4b src/models/utils.py).
    exponential_epoch: lr·lr_gammaᵉ in epoch e (StepLR with a step of one epoch, as p-lambda/wilds runs FMoW).
    linear: after the warm-up, lr·(S−s)/(S−w) (transformers' get_scheduler("linear"), helenqu/connect-later@6a12eab
    finetune_classification.py:200-207).
    """
    total = total_steps(recipe, steps_per_epoch)
    if step < recipe.warmup_steps:
        return recipe.lr * (step + 1) / recipe.warmup_steps
    if recipe.schedule == "cosine_epoch":
        return _cosine(recipe, (step // steps_per_epoch) / -(-total // steps_per_epoch))
    if recipe.schedule == "cosine_step":
        return _cosine(recipe, (step - recipe.warmup_steps) / max(total - recipe.warmup_steps, 1))
    if recipe.schedule == "exponential_epoch":
        return recipe.lr * recipe.lr_gamma ** (step // steps_per_epoch)
    if recipe.schedule == "linear":
        return recipe.lr * (total - step) / max(total - recipe.warmup_steps, 1)
    return recipe.lr


def _cosine(recipe: Recipe, done: float) -> float:
    fallen = recipe.lr * 0.5 * (1 + math.cos(math.pi * done))
    return fallen if recipe.lr_end == 0 else recipe.lr * recipe.lr_end + (1 - recipe.lr_end) * fallen


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_factor"]
