"""The examples of a split, checked against what its benchmark declares: the one way in which anything gets at them."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from repro import plugins, synthetic, tiny
from repro.errors import UserError
from repro.examples import Examples
from repro.official import SYNTHETIC
from repro.types import Benchmark, Split


def load(benchmark: Benchmark, split: Split) -> Examples:
    """Read a split's examples; a tiny subset that is not there yet is written first. `UserError` where they are not what is declared."""
    if benchmark.tiny:
        if split == SYNTHETIC:
            return synthetic.pretraining(benchmark)
        for name in benchmark.roots.keys() & plugins.names("datasets").keys():
            tiny.ensure(name, Path(benchmark.roots[name]))
    examples = plugins.benchmark(benchmark.name).examples(benchmark, split)
    check(benchmark, split, examples)
    return examples


def check(benchmark: Benchmark, split: Split, examples: Examples) -> None:
    """As many examples as the paper has, labels in range, groups that have a name; a mismatch is a `UserError`."""
    where = f"{split.name} of {benchmark.name}"
    cure = f"repro data verify {' '.join(benchmark.needs)} --full" if benchmark.needs else f"look at {', '.join(benchmark.roots.values())}"
    if absent := _absent(examples):
        shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5:,} more" if len(absent) > 5 else "")
        raise UserError(f"{len(absent):,} images of {where} are not on disk: {shown}", "the metadata names them", cure)
    found = len(examples.sources)
    if split.count is not None and found != split.count:
        raise UserError(f"{where} has {found:,} examples", f"the published split has {split.count:,}", cure)
    if not found:
        raise UserError(f"{where} has no examples", "its files are there, but none belongs to this split", cure)
    if examples.labels.min() < 0 or examples.labels.max() >= len(benchmark.classes):
        raise UserError(
            f"{where} has labels from {examples.labels.min()} to {examples.labels.max()}",
            f"the benchmark has the {len(benchmark.classes)} classes 0 to {len(benchmark.classes) - 1}",
            cure,
        )
    if split.per_class and (uneven := _uneven(benchmark.classes, examples.labels.tolist(), split.per_class)):
        raise UserError(
            f"{where} has another number of examples of {uneven}", f"the published split has {split.per_class:,} of each class", cure
        )
    for grouping in benchmark.groupings:
        values = examples.groups[grouping.name]
        if values.min() < 0 or values.max() >= len(grouping.values):
            raise UserError(
                f"{where} has a {grouping.name} numbered {values.max() if values.max() >= len(grouping.values) else values.min()}",
                f"there are {len(grouping.values)}: {', '.join(grouping.values)}",
                cure,
            )


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
