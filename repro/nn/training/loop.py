"""The one training loop. A method supplies what it starts from and its loss; everything else is the recipe's.

State is saved every epoch, every minute (where that takes long, less often), and on the first Ctrl-C; a resumed run takes the same steps bit for bit, because
order, augmentation and dropout are functions of (seed, epoch, step) and of nothing that happened before.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from repro.nn import fitting
from repro.nn.evaluate import Judgement, State, judge, judge_each
from repro.nn.inputs.images import Images
from repro.nn.inputs.joined import Joined
from repro.nn.job import Job
from repro.nn.networks import compiled
from repro.nn.networks.model import kept_state
from repro.nn.networks.shared_norm import share_statistics
from repro.nn.objectives.losses import frequencies
from repro.nn.training import saved
from repro.nn.training.interrupt import deferred
from repro.nn.training.optim import total_steps
from repro.nn.training.order import batches, steps_per_epoch
from repro.nn.training.progress import Progress, Saving
from repro.nn.training.seen import Diverged
from repro.nn.training.step import Loss, Stepper
from repro.outcomes import selection
from repro.types import Checkpoint

Judged = Callable[[nn.Module, Job], nn.Module]
States = Callable[[nn.Module, Job], Iterator[tuple[str, State]]]
SAVE, LEAVE = 1, 2  # what a process may want after a step


class Trainer:
    """One run's model, optimiser and progress.

    `classifier` makes of the model what is judged and kept; None: the model itself. Where nothing is trained, `states` may yield one name
    and whole state of the model after another, which are judged as many at a time as memory holds.
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
        self.states = states or (lambda model, job: iter([("final", {})]))
        self.classifier = classifier or (lambda model, job: model)
        self.job, self.model, self.loss, self.train, self.judged, self.folder = job, model, loss, train, judged, folder
        self.recipe, self.progress = job.recipe, Progress()
        self.steps_per_epoch = steps_per_epoch(self.recipe, len(train)) if train else 0
        self.total_steps = job.total_steps = total_steps(self.recipe, self.steps_per_epoch) if train else 0
        self.epochs = -(-self.total_steps // self.steps_per_epoch) if train else 0
        if train and self.recipe.class_weights == "frequency":
            job.class_weights = frequencies(train.labels, len(job.benchmark.classes))
        if job.together.size > 1:
            share_statistics(model, job.device)
        self.stepper = Stepper(job, model, loss, train, self.steps_per_epoch, tuple(judged.values()))
        self.saving = Saving()

    def fit(self) -> Progress:
        """Train from wherever the folder's checkpoint stands to the end; judge after every epoch, or once where nothing is trained."""
        self._resume()
        if self.total_steps and compiled.wanted():
            self.job.extras["compiled"] = self.stepper.compile(self.order(0)[0], self.uniforms(0))
        with deferred() as stop:
            if self.recipe.judge_start and not self.progress.step and not self.progress.checkpoints:
                self._judge("epoch-0", 0)
            while self.progress.step < self.total_steps:
                self._epoch(self.progress.step // self.steps_per_epoch, stop)
            if not self.total_steps:
                self._judge_states(stop)
            self._judge_selected()
        return self.progress

    def _resume(self) -> None:
        """The first process sets aside what is damaged before the others look."""
        together, progress = self.job.together, self.progress
        if together.first:
            saved.resume(self)
        together.most(0)
        if not together.first:
            saved.resume(self)
        least, most = -together.most(-progress.step), together.most(progress.step)
        if least != most:
            raise RuntimeError(f"processes would go on from steps {least} to {most}: is {self.folder} the same for all?")

    def take(self, steps: int) -> None:
        """That many optimiser steps, as `fit` takes them; nothing is judged or saved."""
        for epoch in itertools.count():
            order, uniforms = self.order(epoch), self.uniforms(epoch)
            for index, following in itertools.zip_longest(order, order[1:]):
                if self.progress.step == steps:
                    self.stepper.seen.settle(self.progress.sums)
                    return
                self._step(index, uniforms, following if self.progress.step + 1 < steps else None)
                self.job.on_step(self.progress.step, steps, "steps")

    def order(self, epoch: int) -> list[torch.Tensor]:
        """The batches of an epoch (from 0), as indices of training examples."""
        return batches(self.job, len(self.train), epoch, self.stepper.domains)

    def uniforms(self, epoch: int) -> torch.Tensor | None:
        """Those of an epoch's augmentation."""
        return self.train.uniforms(self.job.chance, 0 if self.recipe.fixed_crops else epoch)

    def _judge_states(self, stop) -> None:
        judged = {point.name for point in self.progress.checkpoints}
        todo = ((name, state) for name, state in self.states(self.model, self.job) if name not in judged)
        while some := list(itertools.islice(todo, fitting.room_for(self.model))):
            began, model = time.monotonic(), self.classifier(self.model, self.job)
            looked = judge_each(model, [state for _, state in some], self._validated, *self._how)
            self.progress.judge_seconds += time.monotonic() - began
            for (name, state), judgement in zip(some, looked, strict=True):
                if state:
                    self.model.load_state_dict(state)
                self._record(name, None, model, self._finite(judgement, name))
            if stop.asked:
                raise KeyboardInterrupt

    def _epoch(self, epoch: int, stop) -> None:
        order, uniforms = self.order(epoch), self.uniforms(epoch)
        before, end = epoch * self.steps_per_epoch, min((epoch + 1) * self.steps_per_epoch, self.total_steps)
        order = order[self.progress.step - before : end - before]
        for index, following in itertools.zip_longest(order, order[1:]):
            began = time.monotonic()
            self._step(index, uniforms, following)
            last = self.progress.step == end
            if last:
                self._settle()
            self.progress.fit_seconds += time.monotonic() - began
            self.job.on_step(self.progress.step, self.total_steps, f"epoch {epoch + 1}/{self.epochs}")
            wanted = self.job.together.most(LEAVE if stop.asked else SAVE if self.saving.due else 0)
            if wanted and not last:
                self._settle()
                self._save()
            if wanted == LEAVE and not last:
                raise KeyboardInterrupt
        if (epoch + 1) % self.recipe.judge_every == 0 or epoch + 1 == self.epochs:
            self._judge(f"epoch-{epoch + 1}", epoch + 1)
        else:
            self._save()
        if self.job.together.most(stop.asked):
            raise KeyboardInterrupt

    def _step(self, index: torch.Tensor, uniforms: torch.Tensor | None, following: torch.Tensor | None = None) -> None:
        """One optimiser step over the batch `index`."""
        self.stepper.take(self.progress.step, index, uniforms, following)
        self.stepper.seen.settle(self.progress.sums, wait=False)
        self.progress.step += 1
        self.progress.seen += len(index)
        self.progress.images += len(index)

    def _settle(self) -> None:
        """Have the losses of all steps, and know how long they waited for data."""
        self.stepper.seen.settle(self.progress.sums)
        self.progress.data_seconds += self.stepper.ahead.waited()

    def _judge(self, name: str, epoch: int | None) -> None:
        """Evaluate, record, keep what some selection rule would report, and save."""
        model = self.classifier(self.model, self.job)
        self._record(name, epoch, model, self._look(model, self._validated, name))

    def _look(self, model: nn.Module, splits: dict[str, Images], name: str) -> Judgement:
        """Logits and metrics of some splits at the checkpoint `name`; `Diverged` where a logit is not finite."""
        began = time.monotonic()
        judgement = judge(model, splits, *self._how) if splits else ({}, {})
        self.progress.judge_seconds += time.monotonic() - began
        return self._finite(judgement, name)

    @property
    def _how(self) -> tuple[Any, ...]:
        """What the judge is told besides the model and the splits."""
        return self.job.benchmark, self.recipe.select_by, self.job.extras, self.job.together

    def _finite(self, judgement: Judgement, name: str) -> Judgement:
        if broken := [split for split, values in judgement[0].items() if not np.isfinite(values).all()]:
            # the last step may have ruined what no further loss will tell, and an argmax of NaN is a class like any other
            raise Diverged(f"the logits of {', '.join(broken)} are not finite at {name}, step {self.progress.step}")
        return judgement

    def _record(self, name: str, epoch: int | None, model: nn.Module, judgement: Judgement) -> None:
        progress, (logits, metrics) = self.progress, judgement
        averages = {key: value / progress.seen for key, value in progress.sums.items()} if progress.seen else {}
        point = Checkpoint(
            name=name, epoch=epoch, step=progress.step or None, train=averages, metrics=metrics, seconds=progress.fit_seconds
        )
        progress.checkpoints.append(point)
        progress.sums, progress.seen = {}, 0
        if self.job.together.first:
            saved.write_point(self, name, logits, kept_state(model, self.recipe.batchnorm == "adapt"))
            saved.forget(self)
        self._save()
        if self.job.together.first:
            saved.prune(self)

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
        if self.job.together.first:
            saved.add_predictions(self, chosen.name, logits)
        points[points.index(chosen)] = chosen.model_copy(update={"metrics": {**chosen.metrics, **metrics}})
        self._save()

    def _save(self) -> None:
        with self.saving.noted():
            if self.job.together.first:
                saved.write_state(self)
            self.job.together.most(0)  # nobody reads what is not written yet

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
