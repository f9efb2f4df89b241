"""One optimiser step: the gradient of a whole batch, in as many parts as memory or processes want, and the update."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from repro.nn import fitting
from repro.nn.inputs.images import Images
from repro.nn.inputs.joined import Joined
from repro.nn.job import Batch, Job
from repro.nn.objectives.coupled import Coupled
from repro.nn.seeding import seed_torch
from repro.nn.together import WAIT
from repro.nn.training.ahead import Ahead
from repro.nn.training.domains import domains_of
from repro.nn.training.freezing import freeze
from repro.nn.training.optim import learning_rate, make_optimizer, set_learning_rate

Loss = Callable[[nn.Module, Batch, Job], dict[str, torch.Tensor]]
FEW = 8  # examples that a message names
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
UNEVEN = datetime.timedelta(minutes=10)  # for the others, who may wait in the middle of a step for the one whose memory ran out
PENDING = {"cuda": 32}  # steps whose losses are looked at together: each look waits for the GPU


class Diverged(RuntimeError):
    """The loss or a logit is not finite: names the step, and the examples or the splits; `details` has all of them."""

    def __init__(self, message: str, **details: Any):
        super().__init__(message)
        self.details = details


def set_mode(model: nn.Module, job: Job) -> None:
    """Training mode, but for BatchNorm (and dropout with it) where the recipe says eval, as LP-FT's `use_net_val_mode` does."""
    model.train(job.recipe.batchnorm != "eval")
    if job.recipe.freeze == "backbone" and job.recipe.batchnorm != "adapt":
        model.backbone.eval()


class Looked(NamedTuple):
    """Loss terms of some examples, on the device still: `values` (terms,) float64, means over `weight` examples."""

    step: int
    lr: float
    names: tuple[str, ...]
    values: torch.Tensor
    weight: int
    index: torch.Tensor


class Stepper:
    """What takes a model from one step to the next: batches, loss, optimiser, scaler."""

    def __init__(self, job: Job, model: nn.Module, loss: Loss | Coupled | None, train: Images | Joined | None, steps_per_epoch: int):
        self.job, self.model, self.loss, self.train, self.recipe = job, model, loss, train, job.recipe
        self.steps_per_epoch = steps_per_epoch
        self.domains = domains_of(job.benchmark, train.groups) if train else None
        freeze(model, self.recipe)
        trainable = any(parameter.requires_grad for parameter in model.parameters())
        self.optimizer = make_optimizer(model, self.recipe) if job.total_steps and trainable else None
        self.scaler = torch.amp.GradScaler(job.device.type, enabled=self.recipe.precision == "fp16")
        self.ahead = Ahead(self.batch, job.device)
        self._pending: list[Looked] = []
        self._seen: list[tuple[str, float]] = []

    def batch(self, index: torch.Tensor, uniforms: torch.Tensor | None = None) -> Batch:
        """The training examples of `index` (B,), augmented by `uniforms`."""
        images = self.train.batch(index, uniforms)
        return self._unseen(index)._replace(images=images)

    def _unseen(self, index: torch.Tensor) -> Batch:
        """What is known of examples without their images."""
        device = self.job.device
        domains = None if self.domains is None else self.domains[index].to(device)
        return Batch(torch.empty(0), self.train.labels[index.to(device)], index, domains)

    def take(self, number: int, index: torch.Tensor, uniforms: torch.Tensor | None, following: torch.Tensor | None = None) -> None:
        """Step `number` (from 0) over the examples of `index`; `following` are those of the next, whose batch is begun meanwhile.

        `Diverged` for this step or a recent one whose loss is not finite.
        """
        job, recipe = self.job, self.recipe
        job.step = number
        if recipe.anneal_steps and number == recipe.anneal_steps:  # what it remembers are gradients of another objective
            self.optimizer = make_optimizer(self.model, recipe)
        set_learning_rate(self.optimizer, learning_rate(recipe, number, self.steps_per_epoch))
        set_mode(self.model, job)
        self._gradients(number, index, uniforms, following)
        if len(self._pending) >= PENDING.get(job.device.type, 1):
            self._look()
        job.together.sum_gradients(self._trained())
        self.scaler.unscale_(self.optimizer)
        self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def settle(self, sums: dict[str, float], wait: bool = True) -> None:
        """Add to `sums` each term's sum over examples since the last call, without `wait` as far as the device has told it.

        `Diverged` where one is not finite.
        """
        if wait:
            self._look()
        for name, value in self._seen:
            sums[name] = sums.get(name, 0.0) + value
        self._seen.clear()

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
                self._seen.append((name, values[at]))
                at += 1

    def _gradients(self, number: int, index: torch.Tensor, uniforms: torch.Tensor | None, following: torch.Tensor | None) -> None:
        """Gradients of the mean loss, in micro-batches weighted by their sizes: `accumulate` of them, or as many more as memory takes."""
        together = self.job.together
        while True:
            parts = self._parts(index)
            self._seed(number)
            self.optimizer.zero_grad(set_to_none=True)
            self.ahead.ask(self._named(number, index) | ({} if following is None else self._named(number + 1, following)), uniforms)
            failed = False
            try:
                self._backward(number, index, uniforms)
            except (RuntimeError, MemoryError) as error:
                if not fitting.out_of_memory(error):
                    raise
                failed = True
            if not together.most(failed, UNEVEN if failed else WAIT):
                return
            self.optimizer.zero_grad(set_to_none=True)
            self.ahead.ask({}, None)
            self._pending = [one for one in self._pending if one.step != number]
            self._make_room(number, len(index), parts)

    def _make_room(self, number: int, examples: int, parts: int) -> None:
        """After a step for which memory ran out: the images leave it, and where they had left it the step is made in more parts."""
        if self.job.together.most(self.train.leave_device()):
            self.job.extras["images_left_the_device"] = number
        else:
            fitting.require_divisible(self.model, self.job, self._divisible(), examples, parts)
            found = self.job.extras.setdefault("micro_batches", {"from_step": number})
            found["parts"] = min(2 * parts, examples)
        fitting.free()

    def _parts(self, index: torch.Tensor) -> int:
        """How many micro-batches a process makes of its part of the batch."""
        wanted = max(self.recipe.accumulate, self.job.extras.get("micro_batches", {}).get("parts", 1))
        return min(wanted, max(len(index) // self.job.together.size, 1))

    def _divisible(self) -> bool:
        return isinstance(self.loss, Coupled) or "accumulate" in self.job.fields

    def _named(self, number: int, index: torch.Tensor) -> dict[tuple[int, int, int], torch.Tensor]:
        """The micro-batches of this process, by step, number and place."""
        parts = self._parts(index)
        return {(number, parts, place): part for place, part in enumerate(self.job.together.own(index).tensor_split(parts))}

    def _everywhere(self, index: torch.Tensor, parts: int, place: int) -> torch.Tensor:
        """The examples that all processes together have in their micro-batch at `place`."""
        return torch.cat([rows.tensor_split(parts)[place] for rows in index.tensor_split(self.job.together.size)])

    def _backward(self, number: int, index: torch.Tensor, uniforms: torch.Tensor | None) -> None:
        named = self._named(number, index)
        if isinstance(self.loss, Coupled) and (len(named) > 1 or self.job.together.size > 1):
            self._backward_coupled(self.loss, number, index, [self.ahead.take(name, part, uniforms) for name, part in named.items()])
            return
        for name, part in named.items():
            batch = self.ahead.take(name, part, uniforms)
            with self._autocast():
                terms = self.loss(self.model, batch, self.job)
            self.scaler.scale(terms["loss"] * (len(part) / len(index))).backward()
            self._remember(number, self._everywhere(index, *name[1:]), terms, len(part))
            if self.recipe.clip_each:
                self._clip(self.scaler.get_scale())

    def _backward_coupled(self, loss: Coupled, number: int, index: torch.Tensor, parts: list[Batch]) -> None:
        """As `repro.nn.objectives.coupled` says; of several processes each encodes its own rows, and all see all."""
        together, whole = self.job.together, self._unseen(index)
        seed_torch("step", self.job.chance, number)  # all draw the same
        drawn = loss.pairs(whole, self.job)
        if together.rank:
            self._seed(number)
        pairs = [None] * len(parts) if drawn is None else together.own(drawn).tensor_split(len(parts))

        def encode(batch: Batch, pair: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
            with self._autocast():
                return loss.encode(self.model, batch.images, pair)

        alone = len(parts) == 1
        with torch.set_grad_enabled(alone):
            first = [encode(batch, pair) for batch, pair in zip(parts, pairs, strict=True)]
        rows = tuple(together.joined(torch.cat(kind).detach(), len(index)).requires_grad_() for kind in zip(*first, strict=True))
        with self._autocast():
            terms = loss.couple(self.model, rows, whole, self.job)
        scaled = self.scaler.scale(terms["loss"])
        scaled.backward(inputs=None if together.first else list(rows))  # what the loss has of parameters themselves counts once
        gradients = [together.own(kind.grad).tensor_split(len(parts)) for kind in rows]
        for place, (batch, pair) in enumerate(zip(parts, pairs, strict=True)):
            again = first[0] if alone else encode(batch, pair)
            torch.autograd.backward(again, [kind[place] for kind in gradients])
        self._remember(number, index, terms, len(index) if together.first else 0)  # the others have the same

    def _seed(self, number: int) -> None:
        """Dropout and the like follow from the step; each of several processes has its own."""
        rank = self.job.together.rank
        seed_torch("step", self.job.chance, number, *([rank] if rank else []))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.job.device.type, DTYPES.get(self.recipe.precision), enabled=self.recipe.precision in DTYPES)

    def _remember(self, number: int, index: torch.Tensor, terms: dict[str, torch.Tensor], weight: int) -> None:
        values = torch.stack([value.detach().double() for value in terms.values()])
        values = values if weight else torch.zeros_like(values)  # the mean over no examples is no number
        self._pending.append(Looked(number, self.optimizer.param_groups[0]["lr"], tuple(terms), values, weight, index))

    def _trained(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _clip(self, scale: float = 1.0) -> None:
        """Gradients that are `scale` times their size, to the recipe's largest norm."""
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._trained(), self.recipe.clip_norm * scale)


def _diverged(one: Looked, name: str, value: float) -> Diverged:
    examples = one.index.tolist()
    few = f"examples {examples[:FEW]}" + (f" and {len(examples) - FEW} more" if len(examples) > FEW else "")
    return Diverged(f"{name} is {value} at step {one.step} (learning rate {one.lr:g}), {few}", step=one.step, examples=examples)
