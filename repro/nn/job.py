"""What a method is given to work with: one run, its data, its device, its parents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from repro.errors import UserError
from repro.examples import Examples
from repro.nn import backbones, packs
from repro.nn.backbones import Backbone
from repro.nn.images import Images, Preprocess
from repro.nn.model import Classifier, tokenise, zero_shot_classifier
from repro.nn.seeding import seed_torch
from repro.nn.weights import file_hash, load_weights, match
from repro.types import Benchmark, Recipe, Result, Run, Split


class Batch(NamedTuple):
    """One micro-batch: images (B, 3, S, S) float, labels (B,) int64, index (B,) into the training split, on the job's device but for index."""

    images: torch.Tensor
    labels: torch.Tensor
    index: torch.Tensor


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
                f"rm -r {self.folder}, then run the same command again with weights kept",
            )
        return load_weights(path)


@dataclass
class Job:
    """`parents`: role → run. `on_step(done, total, what)` is called as work proceeds; `extras` end up in the result."""

    run: Run
    device: torch.device
    packs: Path
    examples: Callable[[Benchmark, Split], Examples]
    parents: dict[str, ParentRun] = field(default_factory=dict)
    weights_file: Path | None = None
    on_step: Callable[[int, int, str], None] = lambda done, total, what: None
    extras: dict[str, Any] = field(default_factory=dict)
    preprocess: Preprocess | None = None
    tokens: torch.Tensor | None = None  # (captions, L), or of prompts (K, T, L), where a method trains on texts
    caption_of: torch.Tensor | None = None  # (N, alternatives), into tokens
    origin: dict[str, torch.Tensor] | None = None  # parameters by name as training found them, where a method stays near them

    @property
    def recipe(self) -> Recipe:
        return self.run.recipe

    @property
    def benchmark(self) -> Benchmark:
        return self.run.benchmark

    def backbone(self, pretrained: bool = True) -> Backbone:
        """The run's backbone: from its parent run, from the weights file, or with random weights drawn from the run's seed; on the job's device."""
        seed_torch("backbone", self.run.seed)
        net, droppable = backbones.build(self.run.backbone)
        if pretrained and "backbone" in self.parents:
            parent = self.parents["backbone"]
            match(net, parent.weights(parent.result.checkpoints[-1].name), f"run {parent.result.key}")
        elif pretrained and self.weights_file:
            backbones.load(net, droppable, self.weights_file)
        self.preprocess = net.preprocess.with_recipe(self.recipe)
        return net.to(self.device, memory_format=torch.channels_last)  # as images lie in memory

    def classifier(self, pretrained: bool = True) -> Classifier:
        """Image tower and the recipe's head: a fresh one (PyTorch's default, drawn from the run's seed) or the zero-shot one."""
        net = self.backbone(pretrained)
        if self.recipe.head == "zero_shot":
            return zero_shot_classifier(net, self.prompts(net))
        seed_torch("head", self.run.seed)
        return Classifier(net.image_tower(), len(self.benchmark.classes)).to(self.device)

    def prompts(self, net: Backbone) -> torch.Tensor:
        """Tokens (K, T, L) of the benchmark's prompts; a `UserError` where there is no text tower or no prompt."""
        if net.text is None or not self.benchmark.templates:
            lacking = f"{self.run.backbone.name} has no text tower" if net.text is None else f"{self.benchmark.name} has no prompts"
            raise UserError(f"{self.run.method}: no zero-shot head can be made", lacking, f"--set {self.run.method}.head=random")
        return tokenise(net, self.benchmark.classes, self.benchmark.templates)

    def images(self, split: str, augmented: bool = False) -> Images:
        """A split as batches, packed first where it is not yet; the backbone must have been built, since it says how images are prepared."""
        declared, resize = self.benchmark.split(split), self.preprocess.resize(self.recipe)
        folder = packs.folder_of(self.packs, self.benchmark, declared, resize)
        if not packs.exists(folder):
            examples = self.examples(self.benchmark, declared)
            packs.build(folder, examples, resize, lambda done: self.on_step(done, len(examples.sources), f"packing {split}"))
        return Images(packs.open_pack(folder), self.preprocess, self.device, self.recipe, augmented)

    def split_with_role(self, role: str) -> str:
        return self.benchmark.with_role(role)[0].name
