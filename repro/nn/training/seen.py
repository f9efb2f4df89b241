"""Losses of the steps taken, looked at some steps at a time: each look waits for the device."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from repro.nn.job import Job

FEW = 8  # examples that a message names
PENDING = {"cuda": 32}  # steps whose losses are looked at together


class Diverged(RuntimeError):
    """The loss or a logit is not finite: names the step, and the examples or the splits; `details` has all of them."""

    def __init__(self, message: str, **details: Any):
        super().__init__(message)
        self.details = details


class Looked(NamedTuple):
    """Loss terms of some examples, on the device still: `values` (terms,) float64, means over `weight` examples."""

    step: int
    lr: float
    names: tuple[str, ...]
    values: torch.Tensor
    weight: int
    index: torch.Tensor


class Seen:
    """The losses of a run's steps, of all its processes."""

    def __init__(self, job: Job):
        self.job = job
        self._pending: list[Looked] = []
        self._found: list[tuple[str, float]] = []

    def remember(self, step: int, lr: float, index: torch.Tensor, terms: dict[str, torch.Tensor], weight: int) -> None:
        """The `terms` of a micro-batch, `weight` of whose examples are this process's; all together have those of `index`."""
        values = torch.stack([value.detach().double() for value in terms.values()])
        values = values if weight else torch.zeros_like(values)  # the mean over no examples is no number
        self._pending.append(Looked(step, lr, tuple(terms), values, weight, index))

    def forget(self, step: int) -> None:
        """A step that will be taken again."""
        self._pending = [one for one in self._pending if one.step != step]

    def look_where_many(self) -> None:
        """Where enough have come together, `Diverged` for one that is not finite."""
        if len(self._pending) >= PENDING.get(self.job.device.type, 1):
            self._look()

    def settle(self, sums: dict[str, float], wait: bool = True) -> None:
        """Add to `sums` each term's sum over examples since the last call, without `wait` as far as the device has told it.

        `Diverged` where one is not finite.
        """
        if wait:
            self._look()
        for name, value in self._found:
            sums[name] = sums.get(name, 0.0) + value
        self._found.clear()

    def _look(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        values = self.job.together.total(torch.cat([one.values * one.weight for one in pending])).tolist()
        weights = self.job.together.total(torch.tensor([float(one.weight) for one in pending], device=self.job.device)).tolist()
        at = 0
        for one, weight in zip(pending, weights, strict=True):
            for name in one.names:
                if not np.isfinite(values[at]):
                    raise _diverged(one, name, values[at] / weight)
                self._found.append((name, values[at]))
                at += 1


def _diverged(one: Looked, name: str, value: float) -> Diverged:
    examples = one.index.tolist()
    few = f"examples {examples[:FEW]}" + (f" and {len(examples) - FEW} more" if len(examples) > FEW else "")
    return Diverged(f"{name} is {value} at step {one.step} (learning rate {one.lr:g}), {few}", step=one.step, examples=examples)
