"""Fine-tuning on the CPU, end to end: `repro run folder` at 96 pixels, and the plain loop with a DataLoader on the same files."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch

from bench import plain
from bench.ratios import Ratio, by_turns, cpu_seconds, seconds
from repro.outcomes.store import Store
from repro.types import Result

SIZE, EPOCHS, BATCH, CLASSES = 96, 3, 64, 4
NETWORK, GFLOP = "resnet18", 3.64 * (SIZE / 224) ** 2  # forward, per image, a multiply-add being two
TRAINED = 0.6  # of the first domain's images
ROUNDS = 3
PRECISIONS = {"fp32": "as the baseline computes", "bf16": "which this recipe may: its accuracy is that of fp32 within seed noise"}


def _tree(root: Path, per_class: int) -> tuple[list[Path], np.ndarray]:
    """<domain>/<class>/<n>.jpg of two domains; the paths and labels of the first."""
    paths, labels = [], []
    for domain in ("day", "night"):
        for label in range(CLASSES):
            made = plain.photographs(root / domain / f"class-{label}", per_class, [(150, 200)], seed=2 * label + (domain == "night"))
            if domain == "day":
                paths += made
                labels += [label] * per_class
    return paths, np.array(labels)


def _listing(root: Path, paths: list[Path], labels: np.ndarray) -> dict[str, list]:
    """The baseline's files and labels: as many of the first domain to train on as ours has, the rest and the other domain to test on."""
    order = np.random.default_rng(0).permutation(len(paths))
    trained = round(TRAINED * len(paths))
    parts = {"train": order[:trained], "test": order[trained:]}
    listing = {part: [[str(paths[i]), int(labels[i])] for i in rows] for part, rows in parts.items()}
    night = [[str(path), label] for label in range(CLASSES) for path in sorted((root / "night" / f"class-{label}").glob("*.jpg"))]
    listing["test"] += night
    return listing


def _matmul_gflops(precision: str) -> float:
    """What a large matrix product reaches here, on as many cores as training has: GFLOP per second."""
    side = 3072
    left, right = torch.randn(2, side, side, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    return 2 * side**3 / min(seconds(lambda: left @ right) for _ in range(8)) / 1e9


def measure(device: torch.device) -> Iterator[Ratio]:
    if device.type != "cpu":
        return
    results: dict[str, list[Result]] = {precision: [] for precision in PRECISIONS}
    burnt: dict[str, list[float]] = {name: [] for name in ("theirs", *PRECISIONS)}  # seconds of all cores together
    here = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}

    def process(name: str, *words: str) -> float:
        """Each in a process of its own, and timed with its start."""
        before = cpu_seconds()
        spent = seconds(lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True, env=environment, cwd=here))
        burnt[name].append(cpu_seconds() - before)
        return spent

    with tempfile.TemporaryDirectory() as folder:
        root, listing = Path(folder) / "tree", Path(folder) / "listing.json"
        paths, labels = _tree(root, 200)
        listing.write_text(json.dumps(_listing(root, paths, labels)))
        words = ["--root", str(root), "--id", "day", "--ood", "night", "--backbone", f"timm:{NETWORK}", "--weights", "random"]
        sets = [f"epochs={EPOCHS}", f"judge_every={EPOCHS}", f"image_size={SIZE}", f"batch_size={BATCH}", "augment=rrc_flip"]
        words += ["--method", "scratch", "--seeds", "1", *(word for one in sets for word in ("--set", one))]

        def ours(precision: str) -> float:
            home = Path(folder) / f"home-{precision}-{len(results[precision])}"
            command = ["-m", "repro", "--home", str(home), "run", "folder", *words, "--set", f"precision={precision}"]
            spent = process(precision, *command)
            results[precision].extend(Store(home / "runs").results("folder"))
            return spent

        def theirs() -> float:
            code = "import sys; from bench.speed.finetune_cpu import plain_run; plain_run(sys.argv[1])"
            return process("theirs", "-c", code, str(listing))

        baseline, *spent = by_turns(ROUNDS, theirs, *(partial(ours, precision) for precision in PRECISIONS))
    for precision, one in zip(PRECISIONS, spent, strict=True):
        burnt_by = {"theirs": burnt["theirs"], "ours": burnt[precision]}
        yield _ratio(precision, baseline, one, burnt_by, results[precision], round(TRAINED * len(paths)))


def _ratio(precision: str, baseline: float, ours: float, burnt: dict[str, list[float]], results: list[Result], trained: int) -> Ratio:
    fit, judge = (statistics.median(result.seconds[part] for result in results) for part in ("fit", "judge"))
    reached = EPOCHS * trained * 3 * GFLOP / fit
    both, bare = (statistics.median(burnt[name]) for name in ("theirs", "ours"))
    return Ratio(
        f"FT on the CPU in {precision}, {NETWORK}, {SIZE} px, {EPOCHS} epochs of {trained} images, judged once",
        "plain fp32 loop with DataLoader(2 workers), both with their start",
        "s",
        baseline,
        ours,
        baseline / ours,
        "≥ 1.5 ×",
        baseline / ours >= 1.5,
        "the same network, sizes, epochs, batches, optimiser and number of judged images; random crops by the same distribution; "
        f"{precision}, {PRECISIONS[precision]}.",
        f"arithmetic: of our {ours:.1f} s training is {fit:.1f} s, at {reached:.0f} GFLOP/s where a large matrix product in {precision} reaches "
        f"{_matmul_gflops(precision):.0f}, and judging {judge:.1f} s. If all else took no time, the ratio would be {baseline / (fit + judge):.2f} ×. "
        f"CPU seconds: {both:.1f} and {bare:.1f}.",
    )


def plain_run(listing: str) -> None:
    """The baseline's process: train on the listing's train part, evaluate on its test part."""
    parts = json.loads(Path(listing).read_text())
    files = {part: ([Path(path) for path, _ in rows], np.array([label for _, label in rows])) for part, rows in parts.items()}
    model = timm.create_model(NETWORK, num_classes=CLASSES)
    device = torch.device("cpu")
    plain.train(model, plain.loader(*files["train"], plain.train_transform(SIZE), BATCH, 2), EPOCHS, device)
    plain.evaluate(model, plain.loader(*files["test"], plain.eval_transform(SIZE), BATCH, 2), device)
