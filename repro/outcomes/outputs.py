"""Two runs' stored predictions, compared number by number."""

from __future__ import annotations

import zipfile
from pathlib import Path

from repro.record import Record

FILE = "predictions.npz"  # as repro/nn/training/saved.py writes it


class SplitOutputs(Record):
    """Of one split: the largest |Δ logit|, and how many of its examples another class is predicted for."""

    split: str
    largest: float
    changed: int
    examples: int


class Outputs(Record):
    """Of all splits with the same examples in both."""

    splits: tuple[SplitOutputs, ...]

    @property
    def largest(self) -> float:
        return max(split.largest for split in self.splits)

    @property
    def changed(self) -> int:
        return sum(split.changed for split in self.splits)

    @property
    def examples(self) -> int:
        return sum(split.examples for split in self.splits)


def compare_outputs(first: Path, second: Path, before: str, after: str) -> Outputs | None:
    """The logits of checkpoint `before` in the run's folder `first` against those of `after` in `second`.

    None where nothing can be compared: predictions that were not kept or cannot be read, or that are of other examples or classes.
    """
    import numpy as np

    try:
        with np.load(first / FILE) as one, np.load(second / FILE) as other:
            shared = [name.removeprefix("labels/") for name in one.files if name.startswith("labels/") and name in other.files]
            found = []
            for split in shared:
                if f"{before}/{split}" not in one.files or f"{after}/{split}" not in other.files:
                    continue
                logits, others = one[f"{before}/{split}"], other[f"{after}/{split}"]
                if logits.shape != others.shape or not np.array_equal(one[f"labels/{split}"], other[f"labels/{split}"]):
                    continue
                largest = float(np.abs(logits - others).max(initial=0.0))
                changed = int((logits.argmax(axis=1) != others.argmax(axis=1)).sum())
                found.append(SplitOutputs(split=split, largest=largest, changed=changed, examples=len(logits)))
    except (OSError, ValueError, zipfile.BadZipFile):
        return None
    return Outputs(splits=tuple(found)) if found else None
