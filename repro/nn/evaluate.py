"""The judge: logits of every split, and the benchmark's metrics of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from repro.nn.images import Images
from repro.outcomes.metrics import evaluate, require_headlines
from repro.types import Benchmark

BATCH = 256


@torch.no_grad()
def outputs(
    function: Callable[[torch.Tensor], torch.Tensor],
    images: Images,
    uniforms: torch.Tensor | None = None,
    on_batch: Callable[[int], None] = lambda done: None,
) -> torch.Tensor:
    """`function` of every image of a split, in order, float32 on the CPU; with `uniforms`, of its augmented images."""
    parts = []
    for index in torch.arange(len(images)).split(BATCH):
        parts.append(function(images.batch(index, uniforms)).float().cpu())
        on_batch(int(index[-1]) + 1)
    return torch.cat(parts)


def judge(
    model: nn.Module, splits: dict[str, Images], benchmark: Benchmark, also: str | None = None
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, float]]]:
    """Logits (N, K) and metrics of every split (`also`: another one that is wanted), in evaluation mode; the model's mode is restored.

    A split whose headline metric cannot be had is a `UserError`.
    """
    training = model.training
    model.eval()
    logits = {name: outputs(model, images).numpy() for name, images in splits.items()}
    model.train(training)
    groups = {name: images.pack.groups for name, images in splits.items()}
    metrics = {
        name: evaluate(benchmark, values, splits[name].pack.labels.numpy(), groups[name], also, benchmark.split(name).classes)
        for name, values in logits.items()
    }
    require_headlines(benchmark, metrics, groups)
    return logits, metrics
