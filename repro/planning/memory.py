"""Peak memory of a run: from the peaks of finished ones, else by the network's arithmetic."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from repro import backbones
from repro.planning.spent import Spent, trains
from repro.preflight.device import Device
from repro.settings import Recipe
from repro.types import Run

BYTES = 4  # of a number: weights, gradients and what the optimiser remembers are in single precision at every setting of `precision`
PROGRAM = 600e6  # bytes of the process itself, with torch, which a CPU's peak contains: a round number


def peak(run: Run, finished: Iterable[Spent], device: Device) -> float | None:
    """The median of their peaks, in bytes; on a GPU what is beyond the parameters' share grows with the images of a micro-batch.

    On a CPU the peak is the process's, most of it the program, and nothing is scaled.
    """
    peaks = [(spent.run, spent.result.peak_memory_bytes) for spent in finished if spent.result.peak_memory_bytes]
    if not peaks:
        return None
    if device.kind == "CPU" or trains(run) == "nothing":
        return statistics.median(bytes for _, bytes in peaks)
    own = _state(run) or 0.0
    return statistics.median(
        own + max(bytes - (_state(other) or 0.0), 0.0) * _micro_batch(run.recipe) / _micro_batch(other.recipe) for other, bytes in peaks
    )


def arithmetic(run: Run, device: Device) -> float | None:
    """Parameters and what training keeps beside them, and the activations of a micro-batch; None where the network's are not known.

    Of a text tower the activations are left out, and so is what the images take that lie on the device.
    """
    entry, state = backbones.find(run.backbone.name), _state(run)
    if state is None or entry.activations is None:
        return None
    image = 1e6 * entry.activations * ((run.recipe.image_size or entry.side) / entry.side) ** 2
    halved = 0.5 if run.recipe.precision in ("bf16", "fp16") else 1.0
    held = image * halved * _micro_batch(run.recipe) if trains(run) in ("both towers", "image tower") else 0.0
    return state + held + (PROGRAM if device.kind == "CPU" else 0.0)


def _state(run: Run) -> float | None:
    """Bytes of the weights, and where they are trained of their gradients and what the optimiser remembers; None where nobody knows."""
    millions = backbones.find(run.backbone.name).millions
    if millions is None:
        return None
    kind = trains(run)
    weights = 1e6 * BYTES * millions[1 if kind == "both towers" else 0]
    return weights * (2 + _moments(run.recipe)) if kind in ("both towers", "image tower") else weights


def _moments(recipe: Recipe) -> int:
    """Numbers that the optimiser remembers of each parameter."""
    return 2 if recipe.optimizer == "adamw" else 1 if recipe.momentum else 0


def _micro_batch(recipe: Recipe) -> float:
    return recipe.batch_size / recipe.accumulate
