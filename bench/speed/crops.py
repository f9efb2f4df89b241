"""Random resized crops of 224 pixels: from a pack, and by PIL and a DataLoader from JPEG files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench import plain
from bench.ratios import Ratio, by_turns, seconds
from repro.nn import augment, packs
from repro.nn.images import Images, Preprocess
from repro.reading.examples import Examples
from repro.settings import Recipe

SIZE = 224
FILES, BATCH = 256, 64


def _images(folder: Path, paths: list[Path], side: int | None, device: torch.device) -> Images:
    recipe = Recipe(augment="rrc_flip", pack_side=side)
    preprocess = Preprocess(SIZE, plain.MEAN, plain.STD)
    resize = preprocess.resize(recipe, augmented=True)
    packs.build(folder, Examples(paths, np.zeros(len(paths), np.int64)), resize, lambda done: None, "train")
    return Images(packs.open_pack(folder), preprocess, device, recipe, augmented=True)


def _pass(images: Images, epochs: int, device: torch.device) -> float:
    """Images per second over whole epochs."""
    order = [torch.randperm(len(images)) for _ in range(epochs)]
    uniforms = [images.uniforms("bench", epoch) for epoch in range(epochs)]

    def work() -> None:
        for permutation, rows in zip(order, uniforms, strict=True):
            for index in permutation.split(BATCH):
                images.batch(index, rows)

    return len(images) * epochs / seconds(work, device)


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


def measure(device: torch.device) -> Iterator[Ratio]:
    gpu = device.type == "cuda"
    workers, epochs = (16, 40) if gpu else (2, 4)
    with tempfile.TemporaryDirectory() as folder:
        paths = plain.photographs(Path(folder) / "jpg", FILES)
        batches = plain.loader(paths * (8 if gpu else 2), np.zeros(FILES * 8), plain.train_transform(SIZE), BATCH, workers, gpu)

        def baseline() -> float:
            return len(batches.dataset) / seconds(lambda: [images.to(device) for images, _ in batches], device)

        reduced, original = (_images(Path(folder) / f"pack-{side}", paths, side, device) for side in (None, 0))
        worst, differing = _levels(original, paths)
        for images in (reduced, original):
            _pass(images, 1, device)
        theirs, ours, full = by_turns(3, baseline, lambda: _pass(reduced, epochs, device), lambda: _pass(original, epochs, device))
    target = 20 if gpu else 5
    same = (
        f"the same boxes of 32 original files by Pillow differ by at most {worst} of 255 levels, {differing:.1%} of the values by one. "
        "The distribution of boxes is torchvision's (tests/nn/test_augment.py)."
    )
    moved = SIZE * SIZE * 3 * 4 * 3 + 256 * 341 * 3 * 2  # normalised values are written twice and read once, the frame is read and written
    limit = f"{moved / 1e6:.1f} MB moved per image, {ours * moved / 1e9:.1f} GB/s of memory traffic at this rate."
    for what, value, note in (("crops from a pack", ours, "short side 256"), ("crops from a pack of original frames", full, "500 × 375")):
        yield Ratio(
            f"{what} ({note})",
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
