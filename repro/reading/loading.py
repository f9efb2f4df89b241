"""The examples of a split, checked against what its benchmark declares: the one way in which anything gets at them."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from repro import plugins
from repro.errors import UserError
from repro.reading import synthetic, tiny
from repro.reading.broken_images import Broken, BrokenImages
from repro.reading.examples import Examples
from repro.reading.official import SYNTHETIC
from repro.reading.targets import Pasting, Photographs
from repro.settings import Recipe
from repro.types import Benchmark, Split


def load(benchmark: Benchmark, split: Split) -> Examples:
    """Read a split's examples; a tiny subset that is not there yet is written first. `UserError` where they are not what is declared."""
    if not benchmark.tiny:
        return _load(benchmark, split)
    if split == SYNTHETIC:
        return synthetic.pretraining(benchmark)
    folders = {name: Path(benchmark.roots[name]) for name in _data_sets(benchmark)}
    if split.apart:
        folders = {split.apart.name: Path(split.apart.root)}
    for name, folder in folders.items():
        tiny.ensure(name, folder)
    try:
        for name, folder in folders.items():
            tiny.check_whole(name, folder)
        return _load(benchmark, split)
    except BrokenImages:
        raise
    except UserError as error:  # readers speak of the published files
        raise UserError(error.what, error.why, cure(benchmark, split) or error.cure) from None


def targets(benchmark: Benchmark, split: Split, recipe: Recipe) -> Pasting | Photographs:
    """What the recipe's targeted augmentation needs of a split, example by example in the order of `load`."""
    if benchmark.tiny:
        for name in _data_sets(benchmark):
            tiny.ensure(name, Path(benchmark.roots[name]))
    return plugins.benchmark(benchmark.name).targets(benchmark, split, recipe)


def cure_of_targets(benchmark: Benchmark, targeted: str) -> str:
    """The command that brings in order what a targeted augmentation needs beside the images."""
    needs = benchmark.targeted[targeted]
    return tiny.cure(benchmark.name) if benchmark.tiny or not needs else f"repro data verify {' '.join(needs)} --full"


def _load(benchmark: Benchmark, split: Split) -> Examples:
    examples = plugins.benchmark(benchmark.name).examples(benchmark, split)
    check(benchmark, split, examples)
    return examples


def cure(benchmark: Benchmark, split: Split | None = None) -> str | None:
    """The command that brings the files of a benchmark, or of a split, in order, None where they are the user's own."""
    if benchmark.needs:
        needs = (split.apart.name,) if split and split.apart else benchmark.needs
        return f"repro data verify {' '.join(needs)} --full"
    return tiny.cure(benchmark.name) if benchmark.tiny and _data_sets(benchmark) else None


def _data_sets(benchmark: Benchmark) -> list[str]:
    return sorted(benchmark.roots.keys() & plugins.names("datasets").keys())


def check(benchmark: Benchmark, split: Split, examples: Examples) -> None:
    """As many examples as the paper has, labels in range, groups that have a name; a mismatch is a `UserError`."""
    where = f"{split.name} of {benchmark.name}"
    mend = cure(benchmark, split)
    found = len(examples.sources)
    if absent := _absent(examples):
        raise BrokenImages({split.name: ([Broken(path, "no such file", True) for path in absent], found)}, mend)
    mend = mend or f"look at {', '.join(benchmark.roots.values())}"
    if split.count is not None and found != split.count:
        raise UserError(f"{where} has {found:,} examples", f"the published split has {split.count:,}", mend)
    if not found:
        raise UserError(f"{where} has no examples", "its files are there, but none belongs to this split", mend)
    if benchmark.task == "regression":
        _require_finite(examples, where, mend)
    elif examples.labels.min() < (0 if split.labelled and split.role != "pretrain" else -1) or examples.labels.max() >= len(
        benchmark.classes
    ):
        raise UserError(
            f"{where} has labels from {examples.labels.min()} to {examples.labels.max()}",
            f"the benchmark has the {len(benchmark.classes)} classes 0 to {len(benchmark.classes) - 1}",
            mend,
        )
    if split.per_class and (uneven := _uneven(benchmark.classes, examples.labels.tolist(), split.per_class)):
        raise UserError(
            f"{where} has another number of examples of {uneven}", f"the published split has {split.per_class:,} of each class", mend
        )
    for grouping in benchmark.groupings:
        values = examples.groups[grouping.name]
        if values.min() < 0 or values.max() >= len(grouping.values):
            raise UserError(
                f"{where} has a {grouping.name} numbered {values.max() if values.max() >= len(grouping.values) else values.min()}",
                f"there are {len(grouping.values)}: {', '.join(grouping.values)}",
                mend,
            )


def _require_finite(examples: Examples, where: str, mend: str) -> None:
    import numpy as np

    if wrong := int((~np.isfinite(examples.labels)).sum()):
        raise UserError(f"{where} has {wrong:,} examples whose target is no number", "each is to be predicted", mend)


def _uneven(classes: Sequence[str], labels: Sequence[int], expected: int) -> str:
    """The classes that have some examples, but not `expected` of them."""
    return ", ".join(f"{classes[label]} ({count:,})" for label, count in sorted(Counter(labels).items()) if count != expected)


def _absent(examples: Examples) -> list[str]:
    """Image files that are named and not there: one look per folder instead of one per file. Arrays are not looked at, nor read for it."""
    if not len(examples.sources) or not isinstance(examples.sources[0], Path):
        return []
    folders: dict[str, list[str]] = defaultdict(list)
    for source in examples.sources:
        folders[os.path.dirname(source)].append(source.name)
    absent = []
    for folder, names in folders.items():
        try:
            here = set(os.listdir(folder))
        except OSError:
            here = set()
        absent += [os.path.join(folder, name) for name in names if name not in here]
    return absent
