"""What a method is given to work with: one run, its data, its device, its parents."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from repro import plugins
from repro.errors import UserError, quoted
from repro.nn.inputs import curves, few_shot, packed, packs, targeted
from repro.nn.inputs.curves import CurvePack, Curves, Scaling
from repro.nn.inputs.images import Images, Preprocess
from repro.nn.networks import backbones
from repro.nn.networks.backbones import Backbone
from repro.nn.networks.model import Classifier, tokenise, zero_shot_classifier
from repro.nn.networks.weights import file_hash, load_weights, match
from repro.nn.seeding import seed_torch
from repro.nn.together import ALONE, Together
from repro.reading.broken_images import BrokenImages
from repro.reading.examples import Examples
from repro.reading.loading import cure
from repro.settings import Recipe
from repro.types import Benchmark, Result, Run, Split

Pack = TypeVar("Pack", packed.Pack, CurvePack)


class Batch(NamedTuple):
    """One micro-batch: images (B, 3, S, S) or light curves (B, L, CHANNELS) float, labels (B,) int64, of a regression float64, index (B,) into the
    training split, on the job's device but for index.

    A method whose images come in several views has a list of such tensors. `domains` (B,): the number of each example's domain, as
    `repro.nn.training.domains` counts them; None where nothing tells. Of examples mixed with others (`repro.nn.inputs.mixup`) `others` (B,)
    are the partners' labels, and `share` is that of their own.
    """

    images: torch.Tensor
    labels: torch.Tensor
    index: torch.Tensor
    domains: torch.Tensor | None = None
    others: torch.Tensor | None = None
    share: float = 1.0


class ParentRun(NamedTuple):
    """A finished run that this one starts from."""

    result: Result
    folder: Path

    def weights(self, checkpoint: str) -> dict[str, torch.Tensor]:
        """The tensors of one of its checkpoints, whose file must be the one that the run wrote."""
        path = self.folder / f"weights-{checkpoint}.safetensors"
        if path.name not in self.result.files or not path.exists() or file_hash(path) != self.result.files[path.name]:
            raise UserError(
                f"run {self.result.key} has no intact {path.name}, from which another starts",
                "the file was removed or changed, or keep_weights=none never kept it",
                f"rm -r {quoted(self.folder)}, then run the same command again with weights kept",
            )
        return load_weights(path)


@dataclass
class Job:
    """`parents`: role → run. `on_step(done, total, what)` is called as work proceeds; `extras` end up in the result.

    `uses` are the splits that the run will look at and whether augmented: at the first that is not packed, all are.
    """

    run: Run
    device: torch.device
    packs: Path
    examples: Callable[[Benchmark, Split], Examples]
    parents: dict[str, ParentRun] = field(default_factory=dict)
    weights_file: Path | None = None
    uses: Sequence[tuple[str, bool]] = ()
    on_step: Callable[[int, int, str], None] = lambda done, total, what: None
    extras: dict[str, Any] = field(default_factory=dict)
    preprocess: Preprocess | Scaling | None = None
    tokens: torch.Tensor | None = None  # (captions, L), or of prompts (K, T, L), where a method trains on texts
    caption_of: torch.Tensor | None = None  # (N, alternatives), into tokens
    class_weights: torch.Tensor | None = None  # (K,), of the cross-entropy
    origin: dict[str, torch.Tensor] | None = None  # parameters by name as training found them, where a method stays near them
    pseudo_labels: torch.Tensor | None = None  # (M,) of images without labels, where a method trains on those of another run
    step: int = 0  # optimiser steps taken, of `total_steps`; the loop keeps both
    total_steps: int = 0
    pack_seconds: float = 0.0  # of its time, spent on packing: done once for all runs that use the same images
    objective: dict[str, float] = field(default_factory=dict)  # weight of each term, where a loss is a sum of several
    tuned: dict[str, Any] = field(default_factory=dict)  # settings that a search found, in place of the recipe's
    together: Together = ALONE  # the processes that share the run
    rows: dict[str, np.ndarray] = field(default_factory=dict)  # of a split that is not packed whole, the rows that the run looks at
    draw: int | None = None  # a seed that a search found: with the run's, that of order and augmentation

    @property
    def recipe(self) -> Recipe:
        return self.run.recipe.model_copy(update=self.tuned) if self.tuned else self.run.recipe

    @property
    def chance(self) -> int | str:
        """What order, augmentation and dropout follow from: the run's seed."""
        return self.run.seed if self.draw is None else f"{self.run.seed}, {self.draw}"

    @property
    def benchmark(self) -> Benchmark:
        return self.run.benchmark

    @property
    def fields(self) -> frozenset[str]:
        """The recipe's fields that mean something to the run's method."""
        return plugins.declared(self.run.method).fields

    def backbone(self, pretrained: bool = True) -> Backbone:
        """The run's backbone: from its parent run, from the weights file, or with random weights drawn from the run's seed; on the job's device.

        Of a parent run that trained the image tower alone, the text tower stays random.
        """
        seed_torch("backbone", self.run.seed)
        net, droppable = backbones.build(self.run.backbone)
        if pretrained and "backbone" in self.parents:
            parent = self.parents["backbone"]
            state = parent.weights(parent.result.checkpoints[-1].name)
            whole = any(name.startswith("text.") for name in state)
            match(net if whole else net.image_tower(), state, f"run {parent.result.key}")
        elif pretrained and self.recipe.init == "own" and self.weights_file:
            self.extras["weights"] = backbones.load(net, droppable, self.weights_file, self.run.backbone)
        self.preprocess = net.preprocess.with_recipe(self.recipe)
        return net.to(self.device, memory_format=torch.channels_last)  # as images lie in memory

    def classifier(self, pretrained: bool = True, towers: bool = False) -> Classifier:
        """Image tower and the recipe's head: a fresh one (PyTorch's default, drawn from the run's seed), the zero-shot one, or the probe's.

        With `towers` the text tower stays beside the image tower, where there is one.
        """
        net = self.backbone(pretrained)
        if self.recipe.head == "zero_shot":
            return zero_shot_classifier(net, self.prompts(net), towers)
        seed_torch("head", self.run.seed)
        tower = net if towers else net.image_tower()
        model = Classifier(tower, len(self.benchmark.classes), dropout=self.recipe.head_dropout).to(self.device)
        return self.with_probe(model) if self.recipe.head == "probe" else model

    def with_probe(self, model: Classifier) -> Classifier:
        """`model` with the head of the linear probe that the run starts from."""
        parent = self.parents["head"]
        head = parent.weights(parent.result.checkpoints[-1].name)
        model.set_head(head["head.weight"], head["head.bias"])
        return model

    def prompts(self, net: Backbone, names: tuple[str, ...] = ()) -> torch.Tensor:
        """Tokens (K, T, L) of the benchmark's prompts, with other names of its classes where they are given; a `UserError` where there is no text tower or no prompt."""
        if net.text is None or not self.benchmark.templates:
            lacking = f"{self.run.backbone.name} has no text tower" if net.text is None else f"{self.benchmark.name} has no prompts"
            raise UserError(f"{self.run.method}: no zero-shot head can be made", lacking, f"--set {self.run.method}.head=random")
        return tokenise(net, names or self.benchmark.classes, self.benchmark.templates)

    def images(self, split: str, augmented: bool = False) -> Images | Curves:
        """A split as batches, packed first where it is not yet; the backbone must have been built, since it says how examples are prepared."""
        if self.benchmark.kind == "light-curves":
            return self._curves(split)
        folder, resize = self._pack(split, augmented)
        if not packs.exists(folder):
            self.pack_all([(split, augmented), *self.uses])
        pack = packs.open_pack(folder)
        name = f"{split}, pack_side {resize.side}" if resize.mode == "limit" else split
        self.extras.setdefault("packs", {})[name] = pack.content[:16]
        pack = self._drawn(pack, split)
        self.extras.setdefault("examples", {})[split] = len(pack)
        target = targeted.make(self, split, pack, folder) if augmented else None
        return Images(pack, self.preprocess, self.device, self.recipe, augmented, target)

    def _curves(self, split: str) -> Curves:
        folder = curves.folder_of(self.packs, self.benchmark, self.benchmark.split(split))
        if not curves.exists(folder):
            examples = self.examples(self.benchmark, self.benchmark.split(split))
            began = time.monotonic()
            curves.build(folder, examples, lambda done: self.on_step(done, len(examples.sources), f"packing {split}"), split)
            self.pack_seconds += time.monotonic() - began
        pack = curves.open_pack(folder)
        self.extras.setdefault("packs", {})[split] = pack.content[:16]
        pack = self._drawn(pack, split)
        self.extras.setdefault("examples", {})[split] = len(pack)
        return Curves(pack, self.preprocess, self.device)

    def _drawn(self, pack: Pack, split: str) -> Pack:
        """The few examples of each class that the recipe wants, where it wants few."""
        if self.recipe.shots is None or self.benchmark.split(split).role not in few_shot.ROLES:
            return pack
        return pack.only(few_shot.draw(pack.labels, self.recipe.shots, self.benchmark, split, self.run.seed))

    def pack_all(self, uses: Iterable[tuple[str, bool]]) -> None:
        """Pack those of `uses` (split, whether augmented) that are not packed yet; their broken images are all reported at once."""
        began = time.monotonic()
        errors = [error for split, augmented in uses if (error := self._pack_one(split, augmented))]
        listing = self._pack(self.benchmark.splits[0].name, False)[0].with_name("broken-images.txt")
        if errors:
            raise BrokenImages.together(errors, cure(self.benchmark), listing)
        listing.unlink(missing_ok=True)
        self.pack_seconds += time.monotonic() - began

    def _pack_one(self, split: str, augmented: bool) -> BrokenImages | None:
        folder, resize = self._pack(split, augmented)
        if packs.exists(folder):
            return None
        try:
            examples = self.examples(self.benchmark, self.benchmark.split(split))
            examples = examples.only(self.rows[split]) if split in self.rows else examples
            packs.build(folder, examples, resize, lambda done: self.on_step(done, len(examples.sources), f"packing {split}"), split)
        except BrokenImages as error:
            return error
        return None

    def _pack(self, split: str, augmented: bool) -> tuple[Path, packs.Resize]:
        """Where the pack of a split is, and how its images enter it: for augmentation from larger frames, by another transform."""
        resize = self.preprocess.resize(self.recipe, augmented)
        return packs.folder_of(self.packs, self.benchmark, self.benchmark.split(split), resize, self.rows.get(split)), resize

    def trained_on(self) -> list[str]:
        """The splits whose images the run's method trains on."""
        return [split.name for split in plugins.declared(self.run.method).trained_on(self.benchmark, self.recipe)]

    def split_with_role(self, role: str) -> str:
        """The first split of that role; of those to train on, the one with the recipe's targeted augmentation."""
        return self.benchmark.trained_on(role, self.recipe.targeted)[0].name
