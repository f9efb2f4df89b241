"""Fine-tuning on a GPU: images per second end to end, against the plain loop, against one resident batch, and against the arithmetic."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import timm
import torch

from bench import plain
from bench.ratios import Ratio, by_turns, seconds
from repro.nn.inputs import packs
from repro.nn.inputs.images import Images
from repro.nn.job import Job
from repro.nn.networks import backbones
from repro.nn.networks.model import Classifier
from repro.nn.objectives.losses import cross_entropy
from repro.nn.seeding import make_deterministic
from repro.nn.training.loop import Progress, Trainer
from repro.reading.examples import Examples
from repro.settings import Recipe
from repro.types import BackboneRef, Benchmark, Run, Split

CLASSES, SIZE, FILES, REPEATS = 10, 224, 512, 16
BF16_FLOP = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "A100": 312e12}  # dense, as the vendor states; others are not judged


class Network(NamedTuple):
    """`least`: the share of the chip's arithmetic that is its target, None where it has none."""

    title: str
    name: str
    batch: int
    gflop: float  # forward, per image at 224 pixels, a multiply-add being two
    least: float | None = None


NETWORKS = (Network("ResNet-50", "resnet50", 256, 8.2), Network("ViT-B/16", "vit_base_patch16_224", 256, 35.1, 0.45))


class Resident:
    """The ceiling: to a step's trainer as `images`, but each batch of one size is the same, made once, and there already."""

    def __init__(self, images: Images):
        self.images, self.labels, self._made = images, images.labels, {}

    def batch(self, index: torch.Tensor, uniforms: torch.Tensor | None) -> torch.Tensor:
        if len(index) not in self._made:
            self._made[len(index)] = self.images.batch(index, uniforms)
        return self._made[len(index)]

    def leave_device(self) -> bool:
        """It is there to stay."""
        return False


class Measured(NamedTuple):
    """Images per second of the training loop, of its steps on a resident batch and of the plain loop; the loop's share of waiting."""

    rate: float
    ceiling: float
    plain: float
    waited: float
    short: str = ""  # what was done where memory was


def _trainer(network: Network, images: Images, folder: Path, device: torch.device, recipe: Recipe) -> Trainer:
    """A trainer of `repro run`'s kind."""
    benchmark = Benchmark(
        name="bench",
        version=1,
        caption="",
        title="",
        splits=(Split(name="train", role="train"),),
        classes=tuple(map(str, range(CLASSES))),
        data="",
        methods=("ft",),
    )
    run = Run(
        benchmark=benchmark,
        method="ft",
        method_version=1,
        recipe=recipe,
        provenance={},
        backbone=BackboneRef(name=f"timm:{network.name}"),
        seed=0,
    )
    job = Job(run, device, folder, lambda *asked: None)
    model = Classifier(job.backbone(pretrained=False).image_tower(), CLASSES).to(device)
    return Trainer(job, model, cross_entropy, images, {}, folder)


def measure(device: torch.device) -> Iterator[Ratio]:
    if device.type != "cuda":
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = plain.photographs(folder / "jpg", FILES)
        for network in NETWORKS:
            yield from ratios(network, of_network(network, folder, paths, REPEATS, device, workers=16), peak_of(device))


def of_network(network: Network, folder: Path, paths: list[Path], repeats: int, device: torch.device, workers: int) -> Measured:
    """An epoch of ours is the pack of `paths` `repeats` times over, so that it lasts for seconds."""
    recipe = Recipe(augment="rrc_flip", epochs=1, batch_size=network.batch, precision="bf16", lr=1e-4)
    preprocess = backbones.build(BackboneRef(name=f"timm:{network.name}"))[0].preprocess
    labels = np.arange(len(paths)) % CLASSES
    where = folder / f"pack-{network.name}"
    packs.build(where, Examples(paths, labels), preprocess.resize(recipe, augmented=True), lambda done: None, "train")
    pack = packs.open_pack(where).only(torch.arange(len(paths)).repeat(repeats))
    images = Images(pack, preprocess, device, recipe, augmented=True)
    make_deterministic(device)  # as every run has it
    trainer = _trainer(network, images, folder, device, recipe)
    ahead = trainer.stepper.ahead
    waited: list[float] = []

    def epoch(train: Images | Resident) -> float:
        trainer.progress, trainer.stepper.train = Progress(), train
        ahead.waited()
        spent = seconds(lambda: trainer.take(trainer.total_steps), device)
        if train is images:
            waited.append(ahead.waited() / spent)
        return len(images) / spent

    resident = Resident(images)
    for train in (images, resident):  # to warm up
        epoch(train)
    waited.clear()
    rate, ceiling = by_turns(3, lambda: epoch(images), lambda: epoch(resident))
    model = timm.create_model(network.name, num_classes=CLASSES).to(device)
    often = max(1, round(repeats * 3 / 8))  # it is slower
    few = min(len(paths), 128)
    transform, batch, pinned = plain.train_transform(SIZE), min(network.batch, 64), device.type == "cuda"
    batches = plain.loader(paths * often, np.tile(labels, often), transform, batch, workers, pinned, stay=workers > 0)
    with plain.as_torch_comes():
        plain.train(model, plain.loader(paths[:few], labels[:few], transform, batch, 0, pinned), 1, device)
        next(iter(batches))  # the workers' start
        theirs = len(paths) * often / seconds(lambda: plain.train(model, batches, 1, device), device)
    short = {name: trainer.job.extras[name] for name in ("micro_batches", "images_left_the_device") if name in trainer.job.extras}
    return Measured(rate, ceiling, theirs, float(np.median(waited)), f" Memory ran short: {short}." if short else "")


def peak_of(device: torch.device) -> float | None:
    """The chip's dense bf16 operations per second."""
    return next((flop for chip, flop in BF16_FLOP.items() if chip in torch.cuda.get_device_name(device)), None)


def ratios(network: Network, found: Measured, peak: float | None) -> Iterator[Ratio]:
    rate, top, theirs, waited, short = found
    used = rate * 3 * network.gflop * 1e9 / peak if peak else None
    share = f"{used:.0%} of the chip's bf16 arithmetic." if used else "of this chip the arithmetic is not known here."
    same = "the same network, batches of the same images; ours in bf16 and deterministic, theirs as torch comes (convolutions in TF32) and batches of 64."
    same += short
    title = f"FT of {network.title}, batch {network.batch}"
    yield Ratio(
        title, "plain fp32 loop, DataLoader(16 workers)", "images/s", theirs, rate, rate / theirs, "≥ 5 ×", rate / theirs >= 5, same, share
    )
    yield Ratio(
        f"{title}: against one resident batch",
        "the same steps, no data",
        "images/s",
        top,
        rate,
        rate / top,
        "≥ 0.95 ×",
        rate / top >= 0.95,
        "the training loop of every run, its batches made ahead.",
        f"{1 - rate / top:.1%} of the time goes to data.",
    )
    yield Ratio(
        f"{title}: waiting for data",
        "–",
        "% of the time",
        None,
        100 * waited,
        None,
        "< 2 %",
        waited < 0.02,
        "what every run records: how long the step's stream stood still before its batch.",
        "none.",
    )
    if used is not None and network.least is not None:
        yield Ratio(
            f"{title}: model FLOP utilisation",
            "the chip's dense bf16 peak",
            "TFLOP/s",
            peak / 1e12,
            used * peak / 1e12,
            used,
            f"≥ {network.least} ×",
            used >= network.least,
            f"3 × {network.gflop} GFLOP per image.",
            share,
        )
