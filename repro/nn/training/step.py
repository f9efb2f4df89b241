"""One optimiser step: the gradient of a whole batch, in as many parts as memory or processes want, and the update."""

from __future__ import annotations

import datetime
import weakref
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn

from repro.nn.allocator import sent
from repro.nn.inputs import mixup
from repro.nn.inputs.ahead import Ahead
from repro.nn.inputs.images import Images
from repro.nn.inputs.joined import Joined
from repro.nn.job import Batch, Job
from repro.nn.networks import compiled
from repro.nn.objectives.coupled import Coupled
from repro.nn.seeding import seed_torch
from repro.nn.together import WAIT
from repro.nn.training.attempts import Attempts
from repro.nn.training.domains import domains_of
from repro.nn.training.freezing import freeze
from repro.nn.training.optim import learning_rate, make_optimizer, set_learning_rate
from repro.nn.training.seen import Seen

Loss = Callable[[nn.Module, Batch, Job], dict[str, torch.Tensor]]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
UNEVEN = datetime.timedelta(minutes=10)  # for the others, who may wait in the middle of a step for the one whose memory ran out


class Part(NamedTuple):
    """A micro-batch: `rows` (b,) of the batch `whole` (B,), the training examples of step `number`."""

    number: int
    whole: torch.Tensor
    rows: torch.Tensor


def set_mode(model: nn.Module, job: Job) -> None:
    """Training mode, but for BatchNorm (and dropout with it) where the recipe says eval, as LP-FT's `use_net_val_mode` does."""
    model.train(job.recipe.batchnorm != "eval")
    if job.recipe.freeze == "backbone" and job.recipe.batchnorm != "adapt":
        model.backbone.eval()


class Stepper:
    """What takes a model from one step to the next: batches, loss, optimiser, scaler. `beside`: other images that may lie on the device."""

    def __init__(
        self,
        job: Job,
        model: nn.Module,
        loss: Loss | Coupled | None,
        train: Images | Joined | None,
        steps_per_epoch: int,
        beside: Sequence[Images] = (),
    ):
        self.job, self.model, self.loss, self.train, self.recipe = job, model, loss, train, job.recipe
        self.steps_per_epoch = steps_per_epoch
        self.domains = domains_of(job.benchmark, train.groups) if train else None
        freeze(model, self.recipe)
        self.scaler = torch.amp.GradScaler(job.device.type, enabled=self.recipe.precision == "fp16")
        divisible, coupled = isinstance(loss, Coupled) or "accumulate" in job.fields, isinstance(loss, Coupled)
        self.attempts = Attempts(job, model, divisible, coupled, [images for images in (train, *beside) if images is not None])
        trainable = any(parameter.requires_grad for parameter in model.parameters())
        self.optimizer = self.attempts.with_room(self._optimizer) if job.total_steps and trainable else None
        whole = weakref.proxy(self)  # a circle would keep model, optimiser and images alive after the run
        self.ahead = Ahead(lambda part, uniforms: whole.part(part, uniforms), job.device)
        self.seen = Seen(job)

    def _optimizer(self) -> torch.optim.Optimizer:
        return make_optimizer(self.model, self.recipe)

    def batch(self, index: torch.Tensor, uniforms: torch.Tensor | None = None) -> Batch:
        """The training examples of `index` (B,), augmented by `uniforms`."""
        made = self.train.batch(index if len(index) else torch.zeros(1, dtype=torch.long), uniforms)
        if not len(index):
            made = made[:0] if isinstance(made, torch.Tensor) else [view[:0] for view in made]
        return self._unseen(index)._replace(images=made)

    def part(self, part: Part, uniforms: torch.Tensor | None = None) -> Batch:
        """A micro-batch, whose examples are mixed with others of the whole batch where the recipe says so."""
        mixture = mixup.draw(self.job, part.number, len(part.whole))
        if mixture is None:
            return self.batch(part.whole[part.rows], uniforms)
        partners = mixture.partners[part.rows]
        needed, places = torch.unique(torch.cat([part.rows, partners]), return_inverse=True)
        own, others = places.tensor_split(2)
        images = mixup.blended(mixture, self.batch(part.whole[needed], uniforms).images, own, others)
        labels = self._unseen(part.whole[partners]).labels
        return self._unseen(part.whole[part.rows])._replace(images=images, others=labels, share=mixture.share)

    def _unseen(self, index: torch.Tensor) -> Batch:
        """What is known of examples without their images."""
        device = self.job.device
        domains = None if self.domains is None else sent(self.domains[index], device)
        return Batch(torch.empty(0), self.train.labels[sent(index, device)], index, domains)

    def take(self, number: int, index: torch.Tensor, uniforms: torch.Tensor | None, following: torch.Tensor | None = None) -> None:
        """Step `number` (from 0) over the examples of `index`; `following` are those of the next, whose batch is begun meanwhile.

        `Diverged` for this step or a recent one whose loss is not finite.
        """
        job, recipe = self.job, self.recipe
        job.step = number
        if recipe.anneal_steps and number == recipe.anneal_steps:  # what it remembers are gradients of another objective
            self.optimizer = self._optimizer()
        set_learning_rate(self.optimizer, learning_rate(recipe, number, self.steps_per_epoch))
        set_mode(self.model, job)
        self._gradients(number, index, uniforms, following)
        self.seen.look_where_many()
        job.together.sum_gradients(self._trained())
        self.scaler.unscale_(self.optimizer)
        self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _gradients(self, number: int, index: torch.Tensor, uniforms: torch.Tensor | None, following: torch.Tensor | None) -> None:
        """Gradients of the mean loss, in micro-batches weighted by their sizes: `accumulate` of them, or as many more as memory takes."""
        together = self.job.together
        while True:
            parts = self._parts(index)
            self._seed(number)
            self.optimizer.zero_grad(set_to_none=True)
            self.ahead.ask(self._named(number, index) | ({} if following is None else self._named(number + 1, following)), uniforms)
            failed = 0
            try:
                with self.attempts.one():
                    self._backward(number, index, uniforms)
            except (RuntimeError, MemoryError) as error:
                failed = self.attempts.why(error)
            failed = together.most(failed, UNEVEN if failed else WAIT)
            if not failed:
                return
            self.optimizer.zero_grad(set_to_none=True)
            self.ahead.ask({}, None)
            self.seen.forget(number)
            self.attempts.again(failed, number, len(index), parts)

    def _parts(self, index: torch.Tensor) -> int:
        """How many micro-batches a process makes of its part of the batch."""
        wanted = max(self.recipe.accumulate, self.job.extras.get("micro_batches", {}).get("parts", 1))
        return min(wanted, max(len(index) // self.job.together.size, 1))

    def _own(self, rows: torch.Tensor) -> torch.Tensor:
        """This process's part of a batch; the first row where it has none, counted as none: not every network takes an empty batch."""
        own = self.job.together.own(rows)
        return own if len(own) or self.attempts.normed else rows[:1]  # of BatchNorm's statistics it would be a part

    def _named(self, number: int, index: torch.Tensor) -> dict[tuple[int, int, int], Part]:
        """The micro-batches of this process, by step, number and place."""
        parts, own = self._parts(index), self._own(torch.arange(len(index)))
        return {(number, parts, place): Part(number, index, rows) for place, rows in enumerate(own.tensor_split(parts))}

    def compile(self, index: torch.Tensor, uniforms: torch.Tensor | None) -> str:
        """Compile the model's image tower, tried as a step over `index` will use it; what the record says of it."""
        if self.job.together.size > 1:  # where it fails for one of them, the others would wait for it
            return "no: the run is spread over several processes"
        images = self.part(next(iter(self._named(0, index).values())), uniforms).images
        with self.autocast():
            return compiled.install(self.model, images)

    def _everywhere(self, index: torch.Tensor, parts: int, place: int) -> torch.Tensor:
        """The examples that all processes together have in their micro-batch at `place`."""
        return torch.cat([rows.tensor_split(parts)[place] for rows in index.tensor_split(self.job.together.size)])

    def _backward(self, number: int, index: torch.Tensor, uniforms: torch.Tensor | None) -> None:
        named = self._named(number, index)
        if isinstance(self.loss, Coupled) and (len(named) > 1 or self.job.together.size > 1):
            self._backward_coupled(self.loss, number, index, [self.ahead.take(name, part, uniforms) for name, part in named.items()])
            return
        for name, part in named.items():
            batch, counted = self.ahead.take(name, part, uniforms), len(part.rows) if len(self.job.together.own(index)) else 0
            with self.autocast(len(part.rows)):
                terms = self.loss(self.model, batch, self.job)
            self.scaler.scale(terms["loss"] * (counted / len(index))).backward()
            self.seen.remember(number, self._rate, self._everywhere(index, *name[1:]), terms, counted)
            if self.recipe.clip_each:
                self._clip(self.scaler.get_scale())

    def _backward_coupled(self, loss: Coupled, number: int, index: torch.Tensor, parts: list[Batch]) -> None:
        """As `repro.nn.objectives.coupled` says; of several processes each encodes its own rows, and all see all."""
        together, whole = self.job.together, self._unseen(index)
        seed_torch("step", self.job.chance, number)  # all draw the same
        drawn = loss.pairs(whole, self.job)
        if together.rank:
            self._seed(number)
        pairs = [None] * len(parts) if drawn is None else self._own(drawn).tensor_split(len(parts))
        alone, counted = len(parts) == 1, slice(None if len(together.own(index)) else 0)

        def encode(place: int, batch: Batch, pair: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
            if not alone:  # both times through the towers, dropout is the same
                seed_torch("part", self.job.chance, number, together.rank, place)
            with self.autocast(len(batch.labels)):
                return tuple(kind[counted] for kind in loss.encode(self.model, batch.images, pair))

        with torch.set_grad_enabled(alone):
            first = [encode(place, batch, pair) for place, (batch, pair) in enumerate(zip(parts, pairs, strict=True))]
        rows = tuple(together.joined(torch.cat(kind).detach(), len(index)).requires_grad_() for kind in zip(*first, strict=True))
        with self.autocast():
            terms = loss.couple(self.model, rows, whole, self.job)
        scaled = self.scaler.scale(terms["loss"])
        scaled.backward(inputs=None if together.first else list(rows))  # what the loss has of parameters themselves counts once
        gradients = [together.own(kind.grad).tensor_split(len(parts)) for kind in rows]
        for place, (batch, pair) in enumerate(zip(parts, pairs, strict=True)):
            again = first[0] if alone else encode(place, batch, pair)
            torch.autograd.backward(again, [kind[place] for kind in gradients])
        self.seen.remember(number, self._rate, index, terms, len(index) if together.first else 0)  # the others have the same

    def _seed(self, number: int) -> None:
        """Dropout and the like follow from the step; each of several processes has its own."""
        rank = self.job.together.rank
        seed_torch("step", self.job.chance, number, *([rank] if rank else []))

    def autocast(self, examples: int = 1) -> torch.autocast:
        """The recipe's precision; of no examples, what SyncBatchNorm makes of them would be of another width than the other processes'."""
        enabled = self.recipe.precision in DTYPES and examples > 0
        return torch.autocast(self.job.device.type, DTYPES.get(self.recipe.precision), enabled=enabled)

    @property
    def _rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def _trained(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _clip(self, scale: float = 1.0) -> None:
        """Gradients that are `scale` times their size, to the recipe's largest norm."""
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._trained(), self.recipe.clip_norm * scale)
