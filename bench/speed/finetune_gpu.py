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
from bench.ratios import Ratio, seconds
from repro.nn import backbones, packs
from repro.nn.images import Images
from repro.nn.job import Job
from repro.nn.loop import Trainer
from repro.nn.losses import cross_entropy
from repro.nn.model import Classifier
from repro.reading.examples import Examples
from repro.settings import Recipe
from repro.types import BackboneRef, Benchmark, Run, Split

CLASSES, SIZE, FILES, REPEATS = 10, 224, 512, 16
BF16_FLOP = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # dense, as the vendor states; others are not judged


class Network(NamedTuple):
    title: str
    name: str
    batch: int
    gflop: float  # forward, per image at 224 pixels, a multiply-add being two


NETWORKS = (Network("ResNet-50", "resnet50", 256, 8.2), Network("ViT-B/16", "vit_base_patch16_224", 256, 35.1))


def _trainer(network: Network, images: Images, folder: Path, device: torch.device, recipe: Recipe) -> Trainer:
    """A trainer of `repro run`'s kind whose epoch is the pack `REPEATS` times over, so that it lasts for seconds."""
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
    net, _ = backbones.build(run.backbone)
    net = net.to(device, memory_format=torch.channels_last)
    job.preprocess = net.preprocess
    model = Classifier(net.image_tower(), CLASSES).to(device)
    return Trainer(job, model, cross_entropy, images, {}, folder)


def measure(device: torch.device) -> Iterator[Ratio]:
    if device.type != "cuda":
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = plain.photographs(folder / "jpg", FILES)
        labels = np.arange(FILES) % CLASSES
        for network in NETWORKS:
            yield from _measure(network, folder, paths, labels, device)


def _measure(network: Network, folder: Path, paths: list[Path], labels: np.ndarray, device: torch.device) -> Iterator[Ratio]:
    recipe = Recipe(augment="rrc_flip", epochs=1, batch_size=network.batch, precision="bf16", lr=1e-4)
    net, _ = backbones.build(BackboneRef(name=f"timm:{network.name}"))
    pack = folder / f"pack-{network.name}"
    resize = net.preprocess.resize(recipe, augmented=True)
    packs.build(pack, Examples(paths, labels), resize, lambda done: None, "train")
    images = Images(packs.open_pack(pack), net.preprocess, device, recipe, augmented=True)
    trainer = _trainer(network, images, folder, device, recipe)
    uniforms = images.uniforms("bench")
    batches = [torch.randint(FILES, (network.batch,)) for _ in range(REPEATS)]

    def ours() -> None:
        for index in batches:
            trainer._step(index, uniforms)

    held = images.batch(batches[0], uniforms)

    class Resident(Images):
        """The ceiling: the batch is there already."""

        def __init__(self) -> None:
            self.labels = images.labels

        def batch(self, index: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
            return held

    def ceiling() -> None:
        trainer.train = Resident()
        ours()
        trainer.train = images

    rates = {}
    for what, work in (("ours", ours), ("ceiling", ceiling)):
        work()
        rates[what] = network.batch * REPEATS / min(seconds(work, device) for _ in range(3))
    model = timm.create_model(network.name, num_classes=CLASSES).to(device)
    batches_of_files = plain.loader(paths * 6, np.tile(labels, 6), plain.train_transform(SIZE), 64, 16, pinned=True)
    plain.train(model, plain.loader(paths[:128], labels[:128], plain.train_transform(SIZE), 64, 16, pinned=True), 1, device)
    theirs = FILES * 6 / seconds(lambda: plain.train(model, batches_of_files, 1, device), device)
    rate, top = rates["ours"], rates["ceiling"]
    peak = next((flop for chip, flop in BF16_FLOP.items() if device.type == "cuda" and chip in torch.cuda.get_device_name(device)), None)
    used = rate * 3 * network.gflop * 1e9 / peak if peak else None
    share = f"{used:.0%} of the chip's bf16 arithmetic" if used else "of this chip the arithmetic is not known here"
    same = "the same network, batches of the same images; ours in bf16, theirs in fp32 and batches of 64 as released."
    title = f"FT of {network.title}, batch {network.batch}"
    yield Ratio(
        title, "plain fp32 loop, DataLoader(16 workers)", "images/s", theirs, rate, rate / theirs, "≥ 5 ×", rate / theirs >= 5, same, share
    )
    yield Ratio(
        f"{title}: against one resident batch",
        "the same step, no data",
        "images/s",
        top,
        rate,
        rate / top,
        "≥ 0.95 ×",
        rate / top >= 0.95,
        "the same step.",
        f"{1 - rate / top:.1%} of the time goes to data.",
    )
    if used is not None:
        yield Ratio(
            f"{title}: model FLOP utilisation",
            "the chip's dense bf16 peak",
            "TFLOP/s",
            peak / 1e12,
            used * peak / 1e12,
            used,
            "≥ 0.45 ×",
            used >= 0.45,
            f"3 × {network.gflop} GFLOP per image.",
            share,
        )
