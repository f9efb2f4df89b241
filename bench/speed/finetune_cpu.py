"""Fine-tuning on the CPU, end to end: `repro run folder` at 96 pixels, and the plain loop with a DataLoader on the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import timm
import torch

from bench import plain
from bench.ratios import Ratio
from repro.outcomes.store import Store

SIZE, EPOCHS, BATCH, CLASSES = 96, 3, 64, 4
NETWORK = "resnet18"


def _tree(root: Path, per_class: int) -> tuple[list[Path], np.ndarray]:
    """<domain>/<class>/<n>.jpg of two domains; the paths and labels of the first."""
    paths, labels = [], []
    for domain in ("day", "night"):
        for label in range(CLASSES):
            made = plain.photographs(root / domain / f"class-{label}", per_class, 150, 200, seed=2 * label + (domain == "night"))
            if domain == "day":
                paths += made
                labels += [label] * per_class
    return paths, np.array(labels)


def measure(device: torch.device) -> Iterator[Ratio]:
    if device.type != "cpu":
        return
    with tempfile.TemporaryDirectory() as folder:
        home, root = Path(folder) / "home", Path(folder) / "tree"
        paths, labels = _tree(root, 200)
        words = ["--root", str(root), "--id", "day", "--ood", "night", "--backbone", f"timm:{NETWORK}", "--weights", "random"]
        sets = [f"epochs={EPOCHS}", f"judge_every={EPOCHS}", f"image_size={SIZE}", f"batch_size={BATCH}", "augment=rrc_flip"]
        program = [sys.executable, "-m", "repro", "--home", str(home), "run", "folder", "--method", "scratch", "--seeds", "1"]
        began = time.perf_counter()
        subprocess.run([*program, *words, *(word for one in sets for word in ("--set", one))], check=True, capture_output=True)
        ours = time.perf_counter() - began
        (result,) = Store(home / "runs").results("folder")
        trained = round(0.6 * len(paths))
        began = time.perf_counter()
        code = "import sys; from bench.speed.finetune_cpu import plain_run; plain_run(sys.argv[1])"  # a process of its own, as ours is
        order = np.random.default_rng(0).permutation(len(paths))
        parts = {"train": order[:trained], "test": order[trained:]}
        listing = {part: [[str(paths[i]), int(labels[i])] for i in rows] for part, rows in parts.items()}
        night = [[str(path), label] for label in range(CLASSES) for path in sorted((root / "night" / f"class-{label}").glob("*.jpg"))]
        listing["test"] += night
        (Path(folder) / "listing.json").write_text(json.dumps(listing))
        here = str(Path(__file__).resolve().parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}
        subprocess.run([sys.executable, "-c", code, str(Path(folder) / "listing.json")], check=True, env=environment, cwd=here)
        theirs = time.perf_counter() - began
    share = result.seconds["fit"] / result.seconds["total"]
    yield Ratio(
        f"FT on the CPU, {NETWORK}, {SIZE} px, {EPOCHS} epochs of {trained} images, judged once",
        "plain fp32 loop with DataLoader(2 workers), both with their start",
        "s",
        theirs,
        ours,
        theirs / ours,
        "≥ 1.5 ×",
        theirs / ours >= 1.5,
        "the same network, sizes, epochs, batches, optimiser and number of judged images; random crops by the same distribution.",
        f"{share:.0%} of our run is forward and backward passes, which both do; {result.images_per_second} images/s in training.",
    )


def plain_run(listing: str) -> None:
    """The baseline's process: train on the listing's train part, evaluate on its test part."""
    parts = json.loads(Path(listing).read_text())
    files = {part: ([Path(path) for path, _ in rows], np.array([label for _, label in rows])) for part, rows in parts.items()}
    model = timm.create_model(NETWORK, num_classes=CLASSES)
    device = torch.device("cpu")
    plain.train(model, plain.loader(*files["train"], plain.train_transform(SIZE), BATCH, 2), EPOCHS, device)
    plain.evaluate(model, plain.loader(*files["test"], plain.eval_transform(SIZE), BATCH, 2), device)
