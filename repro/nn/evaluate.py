"""The judge: logits of every split, and the benchmark's metrics of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from repro.nn import fitting
from repro.nn.images import Images
from repro.nn.together import ALONE, Together
from repro.outcomes.metrics import evaluate, require_headlines
from repro.types import Benchmark

BATCH = 256


@torch.no_grad()
def outputs(
    function: Callable[[torch.Tensor], torch.Tensor],
    images: Images,
    uniforms: torch.Tensor | None = None,
    on_batch: Callable[[int], None] = lambda done: None,
    on_smaller: Callable[[int], None] = lambda size: fitting.free(),
    rows: torch.Tensor | None = None,
) -> torch.Tensor:
    """`function` of every image of a split, in order, float32 on the CPU; with `uniforms`, of its augmented images; of `rows`, if they are given.

    Where memory runs out, smaller batches follow, and `on_smaller` is told their size.
    """
    parts, done, size = [], 0, BATCH
    rows = torch.arange(len(images)) if rows is None else rows
    while done < len(rows):
        index = rows[done : done + size]
        try:
            parts.append(function(images.batch(index, uniforms)).float().cpu())
        except (RuntimeError, MemoryError) as error:
            if not fitting.out_of_memory(error) or len(index) == 1:
                raise
            size = len(index) // 2  # each image is judged by itself
            on_smaller(size)
            continue
        done += len(index)
        on_batch(done)
    return torch.cat(parts)


def judge(
    model: nn.Module,
    splits: dict[str, Images],
    benchmark: Benchmark,
    also: str | None = None,
    extras: dict[str, Any] | None = None,
    together: Together = ALONE,
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, float]]]:
    """Logits (N, K) and metrics of every split (`also`: another one that is wanted), in evaluation mode; the model's mode is restored.
    Batches that memory made smaller are recorded in `extras`. Of several processes each judges its own images, and all know every logit:
    metrics are of the whole split, each image counted once.

    A split whose headline metric cannot be had is a `UserError`.
    """

    def on_smaller(size: int) -> None:
        fitting.free()
        if extras is not None:
            extras["judged_in_batches_of"] = size

    training = model.training
    model.eval()
    logits = {}
    for name, images in splits.items():
        own = together.own(torch.arange(len(images)))
        found = outputs(model, images, rows=own, on_smaller=on_smaller) if len(own) else torch.empty(0, len(benchmark.classes))
        logits[name] = together.joined(found, len(images)).cpu().numpy()
    model.train(training)
    groups = {name: images.pack.groups for name, images in splits.items()}
    metrics = {
        name: evaluate(benchmark, values, splits[name].pack.labels.numpy(), groups[name], also, benchmark.split(name).classes)
        for name, values in logits.items()
    }
    require_headlines(benchmark, metrics, groups)
    return logits, metrics
