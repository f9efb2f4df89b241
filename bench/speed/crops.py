"""Random resized crops of 224 pixels: from a pack, and by PIL and a DataLoader from JPEG files."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench import plain
from bench.ratios import Ratio, by_turns, cpu_seconds, seconds
from repro.nn.inputs import augment, packs
from repro.nn.inputs.images import Images, Preprocess
from repro.reading.examples import Examples
from repro.settings import Recipe

SIZE = 224
FILES, BATCH = 256, 64
SIZES = [(375, 500)] * 4 + [(500, 375)] * 2 + [(333, 500), (480, 640)]  # of most photographs in ImageNet


def _images(folder: Path, paths: list[Path], side: int | None, device: torch.device) -> Images:
    recipe = Recipe(augment="rrc_flip", pack_side=side)
    preprocess = Preprocess(SIZE, plain.MEAN, plain.STD)
    resize = preprocess.resize(recipe, augmented=True)
    packs.build(folder, Examples(paths, np.zeros(len(paths), np.int64)), resize, lambda done: None, "train")
    return Images(packs.open_pack(folder), preprocess, device, recipe, augmented=True)


def _epochs(images: Images, epochs: int) -> None:
    for epoch in range(epochs):
        rows = images.uniforms("bench", epoch)
        for index in torch.randperm(len(images)).split(BATCH):
            images.batch(index, rows)


def _levels(images: Images, paths: list[Path]) -> tuple[int, float]:
    """How far our crops of original frames are from Pillow's: the largest difference in 8-bit levels, and the share of values that differ."""
    rows = images.uniforms("check")
    index = torch.arange(32)
    frames, _ = images.pack.gather(index)
    boxes = augment.random_resized_crop_boxes(images.pack.sizes(index), rows[index], (0.08, 1.0))
    ours = augment.crop_resize(frames.to(images.device), boxes, SIZE, "bilinear").cpu().numpy().astype(int)
    worst, differing = 0, 0.0
    for path, (top, left, height, width), one in zip(paths, boxes.long().tolist(), ours, strict=False):
        crop = Image.open(path).convert("RGB").crop((left, top, left + width, top + height))
        theirs = np.asarray(crop.resize((SIZE, height), Image.BILINEAR).resize((SIZE, SIZE), Image.BILINEAR)).astype(int)
        worst, differing = max(worst, np.abs(one - theirs).max()), differing + (one != theirs).mean() / len(index)
    return worst, differing


def _kernel_seconds(images: Images) -> float:
    """CPU seconds per image of torch's 8-bit kernel alone, on one core, for the crops of a batch."""
    index, rows = torch.arange(BATCH), images.uniforms("kernel")
    boxes = augment.random_resized_crop_boxes(images.pack.sizes(index), rows[index], images.recipe.rrc_scale)
    crops = [crop.clone(memory_format=torch.channels_last) for crop in images.pack.crops(index, boxes)]
    out = torch.empty(BATCH, SIZE, SIZE, 3, dtype=torch.uint8)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    before = cpu_seconds()
    for _ in range(8):
        augment.resize_each(crops, out, "bilinear")
    spent = cpu_seconds() - before
    torch.set_num_threads(threads)
    return spent / 8 / BATCH


def measure(device: torch.device) -> Iterator[Ratio]:
    gpu = device.type == "cuda"
    workers, epochs = (16, 40) if gpu else (2, 16)
    burnt: dict[str, list[float]] = {}

    def counted(name: str, count: int, work: Callable[[], object]) -> float:
        """Images per second; and the CPU seconds of each, all cores together, which do not depend on who else uses the machine."""
        before = cpu_seconds()
        spent = seconds(work, device)
        burnt.setdefault(name, []).append((cpu_seconds() - before) / count)
        return count / spent

    with tempfile.TemporaryDirectory() as folder:
        paths = plain.photographs(Path(folder) / "jpg", FILES, SIZES)
        files = paths * (8 if gpu else 4)
        batches = plain.loader(files, np.zeros(len(files)), plain.train_transform(SIZE), BATCH, workers, gpu, stay=gpu)

        def baseline() -> None:
            for images, _ in batches:
                images.to(device)

        reduced, original = (_images(Path(folder) / f"pack-{side}", paths, side, device) for side in (None, 0))
        worst, differing = _levels(original, paths)
        for images in (reduced, original):
            _epochs(images, 1)
        if gpu:
            next(iter(batches))  # the workers' start, some of which would be waited for in so short a pass
        theirs, ours, full = by_turns(
            5,
            lambda: counted("baseline", len(batches.dataset), baseline),
            lambda: counted("reduced", FILES * epochs, lambda: _epochs(reduced, epochs)),
            lambda: counted("original", FILES * epochs, lambda: _epochs(original, epochs)),
        )
        kernels = {} if gpu else {name: _kernel_seconds(images) for name, images in (("reduced", reduced), ("original", original))}
    micro = {name: 1e6 * statistics.median(values) for name, values in burnt.items()}
    target = 20 if gpu else 5
    same = (
        f"the same boxes of 32 original files by Pillow differ by at most {worst} of 255 levels, {differing:.1%} of the values by one. "
        "The distribution of boxes is torchvision's (tests/nn/inputs/test_augment.py)."
    )
    for name, value, note in (("reduced", ours, "short side 256"), ("original", full, "most of them 500 × 375")):
        if gpu:
            moved = (
                SIZE * SIZE * 3 * 4 * 3 + 256 * 341 * 3 * 2
            )  # normalised values are written twice and read once, the frame read and written
            limit = f"{moved / 1e6:.1f} MB moved per image, {ours * moved / 1e9:.1f} GB/s of memory traffic at this rate."
        else:
            limit = (
                f"the kernel that resizes takes {1e6 * kernels[name]:.0f} µs of a core per image, all of ours {micro[name]:.0f} µs, "
                f"the baseline {micro['baseline']:.0f} µs: {micro['baseline'] / micro[name]:.1f} ×."
            )
        yield Ratio(
            f"crops from a pack{' of original frames' if name == 'original' else ''} ({note})",
            f"PIL + DataLoader({workers} workers) from JPEG",
            "images/s",
            theirs,
            value,
            value / theirs,
            f"≥ {target} ×",
            value / theirs >= target,
            same,
            limit,
        )
