"""The judge: logits of every split, and the benchmark's metrics of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from repro.nn import fitting
from repro.nn.inputs.ahead import Ahead
from repro.nn.inputs.images import Images
from repro.nn.together import ALONE, Together
from repro.outcomes.metrics import evaluate, require_headlines
from repro.types import Benchmark

BATCH = 256
HELD = 32  # batches whose outputs stay on the device until they are fetched together: each fetch waits for all that was launched
State = Mapping[str, torch.Tensor]
Judgement = tuple[dict[str, np.ndarray], dict[str, dict[str, float]]]  # logits (N, K) and metrics of every split


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
    rows = torch.arange(len(images)) if rows is None else rows
    ahead = Ahead(lambda index, uniforms: (images.batch(index, uniforms),), images.device)
    parts, held, done, size = [], [], 0, BATCH
    while done < len(rows):
        index, after, short = rows[done : done + size], done + size, False
        try:
            ahead.ask({(done, size): index} | ({(after, size): rows[after : after + size]} if after < len(rows) else {}), uniforms)
            held.append(function(ahead.take((done, size), index, uniforms)[0]).float())
        except (RuntimeError, MemoryError) as error:
            if not fitting.out_of_memory(error) or len(index) == 1:
                raise
            short = True
        if short:  # now that the error, which holds what did not fit, is gone
            size = len(index) // 2  # each image is judged by itself
            on_smaller(size)
            continue
        done += len(index)
        if len(held) == HELD or done == len(rows):
            parts += [one.cpu() for one in held]
            held.clear()
        on_batch(done)
    ahead.close()
    return torch.cat(parts)


def judge(
    model: nn.Module,
    splits: dict[str, Images],
    benchmark: Benchmark,
    also: str | None = None,
    extras: dict[str, Any] | None = None,
    together: Together = ALONE,
) -> Judgement:
    """Logits (N, K) and metrics of every split (`also`: another one that is wanted), in evaluation mode; the model's mode is restored.
    Batches that memory made smaller are recorded in `extras`. Of several processes each judges its own images, and all know every logit:
    metrics are of the whole split, each image counted once.

    A split whose headline metric cannot be had is a `UserError`.
    """
    return judge_each(model, [{}], splits, benchmark, also, extras, together)[0]


def judge_each(
    model: nn.Module,
    states: Sequence[State],
    splits: dict[str, Images],
    benchmark: Benchmark,
    also: str | None = None,
    extras: dict[str, Any] | None = None,
    together: Together = ALONE,
) -> list[Judgement]:
    """As `judge`, of the model with each of `states` (some of its tensors, by name) in turn, in one pass over the images."""

    def on_smaller(size: int) -> None:
        fitting.free()
        if extras is not None:
            extras["judged_in_batches_of"] = size

    own = dict(model.state_dict(keep_vars=True))
    placed = [{name: torch.empty_like(own[name]).copy_(tensor) for name, tensor in state.items()} for state in states]  # laid out alike

    def every(images: torch.Tensor) -> torch.Tensor:
        return torch.stack([functional_call(model, state, (images,)) if state else model(images) for state in placed], dim=1)

    training = model.training
    model.eval()
    found: dict[str, np.ndarray] = {}
    for name, images in splits.items():
        rows = together.own(torch.arange(len(images)))
        logits = (
            outputs(every, images, rows=rows, on_smaller=on_smaller) if len(rows) else torch.empty(0, len(states), len(benchmark.classes))
        )
        found[name] = together.joined(logits, len(images)).numpy()
    model.train(training)
    groups = {name: images.pack.groups for name, images in splits.items()}
    judged = []
    for number in range(len(states)):
        logits = {name: np.ascontiguousarray(values[:, number]) for name, values in found.items()}
        metrics = {
            name: evaluate(benchmark, values, splits[name].pack.labels.numpy(), groups[name], also, benchmark.split(name).classes)
            for name, values in logits.items()
        }
        require_headlines(benchmark, metrics, groups)
        judged.append((logits, metrics))
    return judged
