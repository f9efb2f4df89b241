"""The numbers behind the figures of trainings, groups and features. No drawing, no torch."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from repro.display.tables import Row, Table
from repro.figures.robustness import Nothing, require_shares, said, tiny_option
from repro.outcomes.metrics import title
from repro.outcomes.selection import RULES, headline, reported
from repro.outcomes.stats import INTERVAL, Estimate, t_interval
from repro.types import Benchmark, Checkpoint, Result

MEASURES = {  # of the change of features
    "mean_squared_difference": "mean squared difference per entry (the authors' code)",
    "euclidean_distance": "mean Euclidean distance (the paper's words)",
}


class Series(NamedTuple):
    """One line over epochs: a term of the loss, or a split by name (`OOD: sketch`, where it is reported)."""

    name: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]


class Training(NamedTuple):
    """One run: `losses` as trained on, `metrics` as fractions and `axis` what they are, `selected` the epoch that the rule reports."""

    title: str
    run: str
    tiny: bool
    losses: tuple[Series, ...]
    metrics: tuple[Series, ...]
    axis: str
    selected: int
    caption: tuple[str, ...]


class Bars(NamedTuple):
    """One row: the accuracy of each group, None where it has no examples; `worst` is the index of the lowest mean that counts."""

    name: str
    values: tuple[Estimate | None, ...]
    worst: int


class Groups(NamedTuple):
    """One split and grouping: `groups` are those with examples, `ignored` those of them that are never the worst."""

    title: str
    tiny: bool
    split: str
    grouping: str
    groups: tuple[str, ...]
    ignored: tuple[str, ...]
    bars: tuple[Bars, ...]
    caption: tuple[str, ...]


class Change(NamedTuple):
    """One row: measure → group (ID, OOD) → how far features moved."""

    name: str
    measures: dict[str, dict[str, Estimate]]


class Distortion(NamedTuple):
    """The change of features of each method's trainings."""

    title: str
    tiny: bool
    changes: tuple[Change, ...]
    caption: tuple[str, ...]


def training(result: Result, rule: str) -> Training:
    """Losses and headline metrics per judged epoch of one run. One that was not trained in epochs is a `Nothing`."""
    run, points = result.run, [point for point in result.checkpoints if point.epoch is not None]
    if not points:
        raise Nothing(
            f"run {result.key} ({run.label}) has no epochs",
            "the figure shows a training",
            f"repro run {run.benchmark.name} -m ft{tiny_option(run.benchmark)}",
        )
    epochs = tuple(point.epoch for point in points)
    names = dict.fromkeys(name for point in points for name in point.train)
    losses = tuple(Series(name, epochs, tuple(point.train[name] for point in points)) for name in names)
    splits = [split for split in run.benchmark.splits if all(split.name in point.metrics for point in points)]
    measured = {split.name: run.benchmark.metric_of(split) for split in splits}
    require_shares(run.benchmark, measured.values())
    several = len(set(measured.values())) > 1
    metrics = tuple(
        Series(
            f"{f'{split.column}: ' if split.column else ''}{split.name}{f', {title(measured[split.name])}' if several else ''}",
            epochs,
            tuple(headline(point, split, run.benchmark) for point in points),
        )
        for split in splits
    )
    axis = "%" if several else f"{title(next(iter(measured.values())))} in %"
    caption = (
        "Loss: mean over the training examples since the epoch judged before, as trained on (augmented, dropout on).",
        f"Vertical line: the checkpoint selected by {rule}, {RULES[rule]}.",
        *(["TINY subset: a check that the program works, comparable with nothing."] if run.benchmark.tiny else []),
    )
    chosen = reported(result, rule).epoch
    about = f"{run.label} ({result.key[:8]})"
    return Training(run.benchmark.title, about, run.benchmark.tiny, losses, metrics, axis, chosen, caption)


def trainings(table: Table, results: Mapping[str, Result]) -> list[Training]:
    """The first seed's run of each row that was trained in epochs. A table without any is a `Nothing`."""
    first = [(row.rule, min((results[key] for key in row.keys), key=lambda result: result.run.seed)) for row in table.rows]
    found = [training(result, rule) for rule, result in first if any(point.epoch is not None for point in result.checkpoints)]
    if not found:
        name = table.benchmark.name
        raise Nothing(
            f"{name} has no training in epochs",
            "the figure shows losses and metrics per epoch",
            f"repro run {name} -m ft{tiny_option(table.benchmark)}",
        )
    return found


def groups(table: Table, results: Mapping[str, Result]) -> list[Groups]:
    """One figure per reported split and grouping of which the split has several groups. A benchmark without groups is a `Nothing`."""
    benchmark = table.benchmark
    points = {key: reported(results[key], row.rule).metrics for row in table.rows for key in row.keys}
    made = []
    for split in (split for split in benchmark.splits if split.column):
        for grouping in benchmark.groupings:
            judged = {key: metrics[split.name] for key, metrics in points.items()}
            there = [name for name in grouping.values if any(f"{grouping.name}={name}" in metrics for metrics in judged.values())]
            if len(there) < 2:
                continue
            ignored = tuple(name for name in there if name in grouping.ignored)
            counted = [index for index, name in enumerate(there) if name not in ignored]
            bars = tuple(_bars(row, judged, [f"{grouping.name}={name}" for name in there], counted) for row in table.rows)
            caption = (
                f"Accuracy, mean with {INTERVAL}. ▼: each row's worst group of those shown; (in brackets): never taken for the worst.",
                *said(table),
            )
            made.append(Groups(table.title, benchmark.tiny, split.name, grouping.name, tuple(there), ignored, bars, caption))
    if not made:
        raise Nothing(
            f"{benchmark.name} has no groups",
            "none of its reported splits is divided into several, such as regions",
            "repro run fmow --tiny, then repro plot groups fmow --tiny",
        )
    return made


def _bars(row: Row, judged: Mapping[str, Mapping[str, float]], metrics: Sequence[str], counted: Sequence[int]) -> Bars:
    values = tuple(
        t_interval([judged[key][metric] for key in row.keys]) if all(metric in judged[key] for key in row.keys) else None
        for metric in metrics
    )
    return Bars(row.name, values, min((index for index in counted if values[index]), key=lambda index: values[index].mean))


def tuned(table: Table, results: Mapping[str, Result]) -> list[tuple[Result, Checkpoint]]:
    """The rows' runs that trained their backbone and kept weights, each with the reported checkpoint. A table without any is a `Nothing`."""
    found = [
        (result, reported(result, row.rule))
        for row in table.rows
        for result in (results[key] for key in row.keys)
        if result.run.recipe.epochs and result.run.recipe.freeze != "backbone" and result.kept.get("weights")
    ]
    if not found:
        name = table.benchmark.name
        raise Nothing(
            f"{name} has no run that trained a backbone and kept its weights",
            "features are compared between the start of fine-tuning and its end",
            f"repro run {name} -m ft,lp-ft{tiny_option(table.benchmark)}",
        )
    return found


def distortion(table: Table, measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Distortion:
    """Means over the splits of a group, then intervals over seeds, for the rows whose runs are in `measured`: key → split → measure → value."""
    groups = headline_splits(table.benchmark)
    changes = [
        Change(row.name, {measure: {group: _moved(row, measured, measure, groups[group]) for group in groups} for measure in MEASURES})
        for row in table.rows
        if all(key in measured for key in row.keys)
    ]
    where = "; ".join(f"{group}: {', '.join(splits)}" for group, splits in groups.items())
    caption = (
        f"Features of the image tower, not scaled to length 1, in evaluation mode, before fine-tuning against after, on {where}; "
        f"mean with {INTERVAL}. Rows that train no backbone and mixtures are left out.",
        *said(table),
    )
    return Distortion(table.title, table.benchmark.tiny, tuple(changes), caption)


def _moved(row: Row, measured: Mapping[str, Mapping[str, Mapping[str, float]]], measure: str, splits: Sequence[str]) -> Estimate:
    return t_interval([statistics.fmean(measured[key][split][measure] for split in splits) for key in row.keys])


def headline_splits(benchmark: Benchmark) -> dict[str, tuple[str, ...]]:
    """ID and OOD → their headline splits."""
    return {
        group: names
        for group in ("ID", "OOD")
        if (names := tuple(split.name for split in benchmark.splits if split.column == group and split.headline))
    }
