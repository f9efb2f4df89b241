"""The one training loop. A method supplies what it starts from and its loss; everything else is the recipe's.

State is saved every epoch and every minute, and on the first Ctrl-C; a resumed run takes the same steps bit for bit, because
order, augmentation and dropout are functions of (seed, epoch, step) and of nothing that happened before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from repro.nn import fitting, saved
from repro.nn.domains import domains_of, group_batches
from repro.nn.evaluate import judge
from repro.nn.freezing import freeze
from repro.nn.images import Images
from repro.nn.interrupt import deferred
from repro.nn.job import Batch, Job
from repro.nn.joined import Joined
from repro.nn.model import kept_state
from repro.nn.optim import learning_rate, make_optimizer, set_learning_rate
from repro.nn.seeding import generator, seed_torch
from repro.outcomes import selection
from repro.types import Checkpoint

Loss = Callable[[nn.Module, Batch, Job], dict[str, torch.Tensor]]
Judged = Callable[[nn.Module, Job], nn.Module]
States = Callable[[nn.Module, Job], Iterator[str]]
SAVE_SECONDS = 60.0
FEW = 8  # examples that a message names
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Diverged(RuntimeError):
    """The loss or a logit is not finite: names the step, and the examples or the splits; `details` has all of them."""

    def __init__(self, message: str, **details: Any):
        super().__init__(message)
        self.details = details


@dataclass
class Progress:
    """Where a run stands; all of it is in the checkpoint."""

    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seen: int = 0
    fit_seconds: float = 0.0
    judge_seconds: float = 0.0
    images: int = 0
    checkpoints: list[Checkpoint] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)  # kept predictions and weights → sha256


def _order(job: Job, examples: int, epoch: int, domains: torch.Tensor | None = None) -> list[torch.Tensor]:
    """The epoch's batches: a seeded permutation, the last one short unless the recipe drops it; or the recipe's number of domains each."""
    if job.recipe.groups_per_batch:
        return group_batches(domains, job.recipe.batch_size, job.recipe.groups_per_batch, job.run.seed, epoch)
    order = torch.randperm(examples, generator=generator("order", job.run.seed, epoch))
    batches = list(order.split(job.recipe.batch_size))
    return batches[:-1] if job.recipe.drop_last and len(batches) > 1 and len(batches[-1]) < job.recipe.batch_size else batches


def _steps_per_epoch(job: Job, examples: int) -> int:
    size = job.recipe.batch_size
    return max(examples // size, 1) if job.recipe.drop_last or job.recipe.groups_per_batch else -(-examples // size)


def set_mode(model: nn.Module, job: Job) -> None:
    """Training mode, but for BatchNorm (and dropout with it) where the recipe says eval, as LP-FT's `use_net_val_mode` does."""
    model.train(job.recipe.batchnorm != "eval")
    if job.recipe.freeze == "backbone" and job.recipe.batchnorm != "adapt":
        model.backbone.eval()


class Trainer:
    """One run's model, optimiser and progress.

    `classifier` makes of the model what is judged and kept; None: the model itself. Where nothing is trained, `states` may put the model
    into one state after another and yield the name of each.
    """

    def __init__(
        self,
        job: Job,
        model: nn.Module,
        loss: Loss | None,
        train: Images | Joined | None,
        judged: dict[str, Images],
        folder: Path,
        classifier: Judged | None = None,
        states: States | None = None,
    ):
        self.states = states or (lambda model, job: iter(("final",)))
        self.classifier = classifier or (lambda model, job: model)
        self.job, self.model, self.loss, self.train, self.judged, self.folder = job, model, loss, train, judged, folder
        self.recipe = job.recipe
        self.progress = Progress()
        self.domains = domains_of(job.benchmark, train.groups) if train else None
        self.steps_per_epoch = _steps_per_epoch(job, len(train)) if train else 0
        self.total_steps = job.total_steps = self.recipe.epochs * self.steps_per_epoch
        freeze(model, self.recipe)
        trainable = any(parameter.requires_grad for parameter in model.parameters())
        self.optimizer = make_optimizer(model, self.recipe) if self.total_steps and trainable else None
        self.scaler = torch.amp.GradScaler(job.device.type, enabled=self.recipe.precision == "fp16")
        self._saved_at = time.monotonic()

    def fit(self) -> Progress:
        """Train from wherever the folder's checkpoint stands to the end; judge after every epoch, or once where nothing is trained."""
        saved.resume(self)
        with deferred() as stop:
            if self.recipe.judge_start and not self.progress.step and not self.progress.checkpoints:
                self._judge("epoch-0", 0)
            while self.progress.step < self.total_steps:
                self._epoch(self.progress.step // self.steps_per_epoch, stop)
            if not self.total_steps:
                self._judge_states(stop)
            self._judge_selected()
        return self.progress

    def order(self, epoch: int) -> list[torch.Tensor]:
        """The batches of an epoch (from 0), as indices of training examples."""
        return _order(self.job, len(self.train), epoch, self.domains)

    def uniforms(self, epoch: int) -> torch.Tensor | None:
        """The random numbers of an epoch's augmentation."""
        return self.train.uniforms(self.job.run.seed, 0 if self.recipe.fixed_crops else epoch)

    def batch(self, index: torch.Tensor, uniforms: torch.Tensor | None = None) -> Batch:
        """The training examples of `index` (B,), augmented by `uniforms`."""
        device = self.job.device
        domains = None if self.domains is None else self.domains[index].to(device)
        return Batch(self.train.batch(index, uniforms), self.train.labels[index.to(device)], index, domains)

    def _judge_states(self, stop) -> None:
        judged = {point.name for point in self.progress.checkpoints}
        for name in self.states(self.model, self.job):
            if name not in judged:
                self._judge(name, None)
            if stop.asked:
                raise KeyboardInterrupt

    def _epoch(self, epoch: int, stop) -> None:
        batches, uniforms = self.order(epoch), self.uniforms(epoch)
        for index in batches[self.progress.step - epoch * self.steps_per_epoch :]:
            began = time.monotonic()
            self._step(index, uniforms)
            self.progress.fit_seconds += time.monotonic() - began
            self.job.on_step(self.progress.step, self.total_steps, f"epoch {epoch + 1}/{self.recipe.epochs}")
            last = self.progress.step == (epoch + 1) * self.steps_per_epoch
            if not last and (stop.asked or time.monotonic() - self._saved_at > SAVE_SECONDS):
                self._save()
            if stop.asked and not last:
                raise KeyboardInterrupt
        if (epoch + 1) % self.recipe.judge_every == 0 or epoch + 1 == self.recipe.epochs:
            self._judge(f"epoch-{epoch + 1}", epoch + 1)
        else:
            self._save()
        if stop.asked:
            raise KeyboardInterrupt

    def _step(self, index: torch.Tensor, uniforms: torch.Tensor | None) -> None:
        """One optimiser step over the batch `index`."""
        job, recipe = self.job, self.recipe
        job.step = self.progress.step
        if recipe.anneal_steps and job.step == recipe.anneal_steps:  # what it remembers are gradients of another objective
            self.optimizer = make_optimizer(self.model, recipe)
        set_learning_rate(self.optimizer, learning_rate(recipe, job.step, self.steps_per_epoch))
        set_mode(self.model, job)
        for name, value in self._gradients(index, uniforms).items():
            self.progress.sums[name] = self.progress.sums.get(name, 0.0) + value
        if recipe.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_([p for group in self.optimizer.param_groups for p in group["params"]], recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.progress.step += 1
        self.progress.seen += len(index)
        self.progress.images += len(index)

    def _gradients(self, index: torch.Tensor, uniforms: torch.Tensor | None) -> dict[str, float]:
        """Gradients of the mean loss, in micro-batches weighted by their sizes: `accumulate` of them, or as many more as memory takes.

        Returns the losses' sums over examples.
        """
        while True:
            parts = min(max(self.recipe.accumulate, self.job.extras.get("micro_batches", {}).get("parts", 1)), len(index))
            seed_torch("step", self.job.run.seed, self.progress.step)
            self.optimizer.zero_grad(set_to_none=True)
            try:
                return self._backward(index.tensor_split(parts), uniforms)
            except (RuntimeError, MemoryError) as error:
                if not fitting.out_of_memory(error):
                    raise
            fitting.require_divisible(self.model, self.job, "accumulate" in self.job.fields, len(index), parts)
            self.optimizer.zero_grad(set_to_none=True)
            fitting.free()
            found = self.job.extras.setdefault("micro_batches", {"from_step": self.progress.step})
            found["parts"] = min(2 * parts, len(index))

    def _backward(self, parts: Sequence[torch.Tensor], uniforms: torch.Tensor | None) -> dict[str, float]:
        job, total = self.job, sum(map(len, parts))
        autocast = torch.autocast(job.device.type, DTYPES.get(self.recipe.precision), enabled=self.recipe.precision in DTYPES)
        sums: dict[str, float] = {}
        for part in parts:
            batch = self.batch(part, uniforms)
            with autocast:
                terms = self.loss(self.model, batch, job)
            self.scaler.scale(terms["loss"] * (len(part) / total)).backward()
            for name, value in terms.items():
                value = float(value.detach())
                if not np.isfinite(value):
                    rate, examples = self.optimizer.param_groups[0]["lr"], part.tolist()
                    few = f"examples {examples[:FEW]}" + (f" and {len(examples) - FEW} more" if len(examples) > FEW else "")
                    at = f"step {self.progress.step} (learning rate {rate:g})"
                    raise Diverged(f"{name} is {value} at {at}, {few}", step=self.progress.step, examples=examples)
                sums[name] = sums.get(name, 0.0) + value * len(part)
        return sums

    def _judge(self, name: str, epoch: int | None) -> None:
        """Evaluate, record, keep what some selection rule would report, and save."""
        model, progress = self.classifier(self.model, self.job), self.progress
        logits, metrics = self._look(model, self._validated, name)
        averages = {key: value / progress.seen for key, value in progress.sums.items()} if progress.seen else {}
        point = Checkpoint(
            name=name, epoch=epoch, step=progress.step or None, train=averages, metrics=metrics, seconds=progress.fit_seconds
        )
        progress.checkpoints.append(point)
        progress.sums, progress.seen = {}, 0
        saved.write_point(self, name, logits, kept_state(model, self.recipe.batchnorm == "adapt"))
        saved.forget(self)
        self._save()
        saved.prune(self)

    def _look(self, model: nn.Module, splits: dict[str, Images], name: str) -> tuple[dict[str, np.ndarray], dict[str, dict[str, float]]]:
        """Logits and metrics of some splits at the checkpoint `name`; `Diverged` where a logit is not finite."""
        began = time.monotonic()
        logits, metrics = judge(model, splits, self.job.benchmark, self.recipe.select_by, self.job.extras) if splits else ({}, {})
        broken = [split for split, values in logits.items() if not np.isfinite(values).all()]
        if broken:  # the last step may have ruined what no further loss will tell, and an argmax of NaN is a class like any other
            raise Diverged(f"the logits of {', '.join(broken)} are not finite at {name}, step {self.progress.step}")
        self.progress.judge_seconds += time.monotonic() - began
        return logits, metrics

    def _judge_selected(self) -> None:
        """With judge=selected, evaluate the splits that no epoch was judged on, with the weights kept of the selected checkpoint."""
        points = self.progress.checkpoints
        if self.recipe.judge == "all" or not self.judged:
            return
        chosen = next(point for point in points if point.name in self.keep)
        rest = {name: images for name, images in self.judged.items() if name not in chosen.metrics}
        if not rest:
            return
        model = self.classifier(self.model, self.job)
        logits, metrics = self._look(saved.with_weights_of(self, chosen.name, model), rest, chosen.name)
        saved.add_predictions(self, chosen.name, logits)
        points[points.index(chosen)] = chosen.model_copy(update={"metrics": {**chosen.metrics, **metrics}})
        self._save()

    def _save(self) -> None:
        saved.write_state(self)
        self._saved_at = time.monotonic()

    @property
    def _validated(self) -> dict[str, Images]:
        """The splits on which every judged checkpoint is evaluated."""
        if self.recipe.judge == "all":
            return self.judged
        looked_at = {split.name for split in self.job.benchmark.with_role("id_val")}
        return {name: images for name, images in self.judged.items() if name in looked_at}

    @property
    def keep(self) -> tuple[str, ...]:
        """Checkpoints whose predictions stay: those that some selection rule would report; the last alone where nothing is judged."""
        points = self.progress.checkpoints
        return selection.worth_keeping(points, self.job.benchmark, self.recipe) if self.judged else (points[-1].name,)

    @property
    def keep_weights(self) -> tuple[str, ...]:
        rule = self.recipe.keep_weights
        return self.keep if rule == "selected" else (self.progress.checkpoints[-1].name,) if rule == "last" else ()
