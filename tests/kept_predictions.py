"""Finished runs, made up, with the predictions.npz that a real one leaves."""

from __future__ import annotations

from typing import Any

import fabricated
import numpy as np

from repro.outcomes.metrics import evaluate
from repro.outcomes.store import Store
from repro.types import Benchmark, Checkpoint, Result, Run

EXAMPLES = {"id_val": 40, "id_test": 300, "sketch": 200, "clipart": 200}


def labels_of(split: str, classes: int = 2) -> np.ndarray:
    """The same examples for every run."""
    return np.random.default_rng(len(split)).integers(0, classes, EXAMPLES[split])


def groups_of(of: Benchmark, split: str, extra: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(EXAMPLES[split])
    found = {grouping.name: draw.integers(0, len(grouping.values), EXAMPLES[split]) for grouping in of.groupings}
    return found | {name: draw.integers(100, 112, EXAMPLES[split]) for name in extra}


def finish(store: Store, of: Run, right: float = 0.7, *, groups: tuple[str, ...] = (), **changes: Any) -> Result:
    """A finished run that is right on that share of examples: `best` at one checkpoint that selection takes, predictions kept of it alone."""
    draw = np.random.default_rng(1000 * of.seed + int(100 * right))
    arrays, metrics = {}, {}
    for split in EXAMPLES:
        labels = labels_of(split, len(of.benchmark.classes))
        wrong = draw.random(len(labels)) >= right
        logits = np.eye(len(of.benchmark.classes), dtype=np.float32)[(labels + wrong) % len(of.benchmark.classes)]
        own = groups_of(of.benchmark, split, groups)
        arrays |= {f"best/{split}": logits, f"labels/{split}": labels}
        arrays |= {f"groups/{split}/{name}": values for name, values in own.items()}
        metrics[split] = evaluate(of.benchmark, logits, labels, own)
    nothing = {split: dict.fromkeys(values, 0.0) for split, values in metrics.items()}
    points = [Checkpoint(name="best", metrics=metrics), Checkpoint(name="last", metrics=nothing)]
    made = fabricated.finish(store, of, *points, kept={"predictions": ("best",)}, **changes)
    np.savez(store.folder(of) / "predictions.npz", **arrays)
    return made
