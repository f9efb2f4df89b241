"""A published benchmark over a small copy in the official layout: what is declared of it, with the counts of the copy."""

from __future__ import annotations

from types import ModuleType

import pytest

from repro.errors import UserError
from repro.paths import Places
from repro.reading import loading
from repro.types import Benchmark


def describe(module: ModuleType, counts: dict[str, int | None] | None = None, tiny: bool = False) -> Benchmark:
    """The module's benchmark at the test's own places; `counts` stand in for the published ones."""
    benchmark: Benchmark = module.describe({}, Places.find(), tiny)
    if counts is None:
        return benchmark
    return benchmark.model_copy(
        update={"splits": tuple(split.model_copy(update={"count": counts.get(split.name)}) for split in benchmark.splits)}
    )


def published(benchmark: Benchmark) -> dict[str, tuple[str, str | None, str, int | None]]:
    """Per split: role, column, headline metric, count."""
    return {split.name: (split.role, split.column, benchmark.metric_of(split), split.count) for split in benchmark.splits}


def refuse_other_counts(module: ModuleType, counts: dict[str, int]) -> None:
    """Each split is read with its count, and with any other is an error that names both numbers."""
    right = describe(module, counts)
    assert {split.name for split in right.splits} == counts.keys()
    for split in right.splits:
        found = len(loading.load(right, split).sources)
        assert found == counts[split.name] > 0
        wrong = split.model_copy(update={"count": found + 1})
        with pytest.raises(UserError) as caught:
            loading.load(right, wrong)
        assert f"{split.name} of {right.name} has {found:,} examples" in caught.value.what
        assert f"{found + 1:,}" in caught.value.why and "repro data verify" in caught.value.cure


def refuse_a_missing_image(module: ModuleType, split_name: str) -> None:
    """An image that the table names and the disk lacks is named, with the command that looks at the data set."""
    benchmark = describe(module, {})
    split = benchmark.split(split_name)
    gone = loading.load(benchmark, split).sources[0]
    gone.unlink()
    with pytest.raises(UserError) as caught:
        loading.load(benchmark, split)
    assert f"images named by {split_name} are not on disk: {gone}" in caught.value.what
    assert len(caught.value.lines()) == 3 and "repro data verify" in caught.value.cure
