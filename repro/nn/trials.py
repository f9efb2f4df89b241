"""AutoFT's search: trials of an objective, each a few steps from one start, scored on a small validation set of another domain.

The start stays on the device and is copied back in place before each trial; training batches that come again, the validation images and
the tokens are kept. A trial is the beginning of the training that follows: the same loop, loss and order.
Choi et al. 2024; cchoi1/auto-ft@594e6a2 autoft/src/models/autoft.py:28-224, finetune.py:85-117.
"""

from __future__ import annotations

import dataclasses
import math
import time
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from repro.errors import UserError
from repro.nn.evaluate import outputs
from repro.nn.inputs.images import Images
from repro.nn.job import Job
from repro.nn.networks.model import zero_shot_classifier
from repro.nn.objectives import objective
from repro.nn.seeding import generator
from repro.nn.training.loop import Trainer
from repro.nn.training.progress import Progress
from repro.nn.training.seen import Diverged
from repro.outcomes.metrics import evaluate, rank, title
from repro.outcomes.study import Interval, Study, Trial, best
from repro.record import digest
from repro.types import Checkpoint, Split

KEPT_BYTES = 2 * 2**30  # of training batches
POLL_SECONDS = 1.0
WEIGHTS = {"low": 1e-4, "high": 10.0, "log": True}  # of every loss


def space(job: Job, terms: tuple[str, ...]) -> dict[str, Interval]:
    """What is searched, in the order in which it is drawn: weights, the seed, learning rate, weight decay (autoft.py:28-73)."""
    recipe = job.recipe
    fixed = () if recipe.fixed_drawn else (fixed_term(job, terms),)
    factor = recipe.search_lr_factor
    return {
        **{f"weight_{name}": Interval(**WEIGHTS) for name in terms if name not in fixed},
        "seed": Interval(low=0, high=recipe.search_seeds - 1, whole=True),
        "lr": Interval(low=recipe.lr / factor, high=recipe.lr * factor, log=True),
        "weight_decay": Interval(low=0.0, high=recipe.search_decay),
    }


def fixed_term(job: Job, terms: tuple[str, ...]) -> str:
    """The term whose weight is 1: the recipe's, or the first where there is no such term here."""
    return job.recipe.fixed_loss if job.recipe.fixed_loss in terms else terms[0]


def weights_of(settings: dict[str, float], terms: tuple[str, ...], fixed: str | None) -> dict[str, float]:
    """The objective of a trial's settings, term by term; that of `fixed` is 1, whatever was drawn for it."""
    return {name: 1.0 if name == fixed else settings.get(f"weight_{name}", 1.0) for name in terms}


def split_of(job: Job) -> Split:
    """The split that trials are scored on, by its name or by its role."""
    return job.benchmark.searchable(job.recipe.search_on)[0]


def draw(labels: torch.Tensor, classes: int, job: Job, split: str) -> torch.Tensor:
    """Rows of the validation examples, ascending: n // classes of each class (all of one that has fewer), or n drawn uniformly."""
    recipe = job.recipe
    order = torch.randperm(len(labels), generator=generator("search", split, 0 if recipe.search_shared else job.run.seed))
    if recipe.search_examples is None:
        return torch.arange(len(labels))
    if not recipe.search_balanced:
        return order[: recipe.search_examples].sort().values
    each = max(recipe.search_examples // classes, 1)
    return torch.cat([order[labels[order] == label][:each] for label in range(classes)]).sort().values


def drawn(job: Job, split: Split) -> tuple[torch.Tensor, Images]:
    """Rows of the validation examples, and these. Of a split that nothing else looks at, no others are packed."""
    classes, augmented = len(job.benchmark.classes), job.recipe.search_augmented
    if split.apart:
        rows = draw(torch.from_numpy(job.examples(job.benchmark, split).labels), classes, job, split.name)
        job.rows[split.name] = rows.numpy()
        return rows, job.images(split.name, augmented)
    whole = job.images(split.name, augmented)
    rows = draw(whole.pack.labels, classes, job, split.name)
    return rows, whole.only(rows)


class Kept:
    """Training images whose batches are kept once made, as far as there is room: trials come by the same ones again and again."""

    def __init__(self, images: Images, room: int = KEPT_BYTES):
        self.images, self.labels, self.room, self.made = images, images.labels, room, {}
        self.uniforms = lru_cache(maxsize=16)(images.uniforms)

    def leave_device(self) -> bool:
        """As `Images.leave_device`; what was kept is forgotten, and nothing more is kept."""
        held = bool(self.made)
        self.made.clear()
        self.room = 0
        return self.images.leave_device() or held

    def __len__(self) -> int:
        return len(self.images)

    @property
    def groups(self) -> dict[str, np.ndarray]:
        return self.images.groups

    def batch(self, index: torch.Tensor, uniforms: torch.Tensor | None) -> torch.Tensor:
        drawn = b"" if uniforms is None else uniforms[index].numpy().tobytes()
        name = (index.numpy().tobytes(), drawn)
        if name not in self.made:
            batch = self.images.batch(index, uniforms)
            self.room -= batch.nbytes
            if self.room < 0:
                return batch
            self.made[name] = batch
        return self.made[name]


class Bench:
    """What every trial of a search shares: the start, the training images, the validation examples."""

    def __init__(self, job: Job, folder: Path):
        self.job, self.folder = job, folder
        self.model = objective.start(job)
        self.terms = objective.terms_of(job)
        self.prompts = job.prompts(self.model.backbone) if objective.has_text(job) else None
        self.start = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.origin = {name: self.start[name] for name, _ in self.model.named_parameters()}
        self.train = Kept(job.images(job.split_with_role("train"), augmented=True))
        self.split = split_of(job)
        self.rows, self.validation = drawn(job, self.split)
        self.metric = job.recipe.search_by or job.benchmark.metric_of(self.split)

    def work(self, study: Study, number: int, settings: dict[str, float]) -> None:
        """One trial, and what it was worth."""
        began = time.monotonic()
        score = self.score(settings, number)
        study.tell(number, score, None if score is None else rank(self.metric, score), time.monotonic() - began)

    def record(self, study: Study, trials: list[Trial]) -> dict[str, Any]:
        """What a result says of the search, JSON-ready."""
        chosen = best(trials)
        fixed = None if self.job.recipe.fixed_drawn else fixed_term(self.job, self.terms)
        about = {
            "study": study.folder.name,
            "split": self.split.name,
            "metric": self.metric,
            "examples": self.rows.tolist(),
            "diverged": sum(trial.rank is None for trial in trials),
            "workers": len({trial.worker for trial in trials}),
            "optuna": version("optuna"),
        }
        found = {"trial": chosen.number, "score": chosen.score, **{name: chosen.settings[name] for name in ("seed", "lr", "weight_decay")}}
        return {
            "search": about,
            "best": found | {"weights": weights_of(chosen.settings, self.terms, fixed)},
            "space": {name: interval.model_dump() for name, interval in study.space.items()},
            "trials": [trial.model_dump(exclude={"worker"}) for trial in trials],
        }

    def score(self, settings: dict[str, float], number: int) -> float | None:
        """The metric after a trial's steps from the start; None where the training diverged."""
        self.model.load_state_dict(self.start)
        try:
            self._train(settings, number)
            return self._judge()
        except Diverged:
            return None

    def _train(self, settings: dict[str, float], number: int) -> None:
        recipe = self.job.recipe
        tuned: dict[str, Any] = {"weight_decay": settings["weight_decay"], "epochs": 1}
        if recipe.trial_lr == "searched":
            tuned |= {"lr": settings["lr"], "schedule": "constant", "warmup_steps": 0}
        weights = weights_of(settings, self.terms, fixed_term(self.job, self.terms))

        def on_step(done: int, of: int, what: str) -> None:
            self.job.on_step(number * of + done, recipe.trials * of, f"trial {number + 1}/{recipe.trials}")

        job = dataclasses.replace(self.job, tuned=tuned, objective=weights, origin=self.origin, draw=int(settings["seed"]), on_step=on_step)
        trainer = Trainer(job, self.model, objective.LOSS, self.train, {}, self.folder)
        trainer.stepper.steps_per_epoch = recipe.inner_steps  # of a schedule, the trial is the whole
        trainer.take(recipe.inner_steps)

    def _judge(self) -> float:
        model = self.model
        if self.job.recipe.trial_head == "rebuilt" and self.prompts is not None:
            model = zero_shot_classifier(model.backbone, self.prompts)
        model.eval()
        logits = outputs(model, self.validation, self.validation.uniforms(self.job.run.seed, "search")).numpy()
        if not math.isfinite(float(logits.sum())):
            raise Diverged(f"the logits of {self.split.name} are not finite")
        pack = self.validation.pack
        metrics = evaluate(self.job.benchmark, logits, pack.labels.numpy(), pack.groups, self.metric, self.split.classes)
        if self.metric not in metrics:
            raise UserError(
                f"the {len(logits)} examples that trials are scored on have no {title(self.metric)}",
                "too few were drawn, or of groups that do not count",
                f"--set {self.job.run.method.removesuffix('-search')}.search_examples=none",
            )
        return metrics[self.metric]


def name_of(job: Job) -> str:
    """A study's name: what is searched, without how many trials."""
    run = job.run.model_copy(update={"recipe": job.run.recipe.model_copy(update={"trials": 1})})
    return digest(run.identity())[:20]


def search(job: Job, folder: Path, finishing: bool = True) -> Progress:
    """Work on the run's study until all its trials are done, and leave what came of it in the job's extras.

    Who does not finish the run leaves as soon as there is no trial to take, and does not wait for those of others.
    """
    began, most = time.monotonic(), job.recipe.trials
    study = Study(folder.parent / "studies" / name_of(job), space(job, objective.terms_of(job)), job.run.seed)
    bench: Bench | None = None
    with study.working():
        while True:
            if (taken := study.take(most)) is not None:
                bench = bench or Bench(job, folder)
                bench.work(study, *taken)
            elif not finishing or len(study.finished(most)) == most:
                break
            else:
                job.on_step(len(study.finished(most)), most, "trials; others work on the last")
                time.sleep(POLL_SECONDS)
    progress = Progress(fit_seconds=time.monotonic() - began)
    if finishing:
        job.extras |= (bench or Bench(job, folder)).record(study, study.finished(most))
        progress.checkpoints.append(Checkpoint(name="study", step=most, metrics={}, seconds=progress.fit_seconds))
    return progress
