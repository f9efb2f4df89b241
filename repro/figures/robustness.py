"""The plane of ID against OOD: rows with their intervals, the line that checkpoints follow, the curves of WiSE-FT. Numbers only."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from repro.display.tables import Column, Row, Table
from repro.errors import UserError
from repro.outcomes.metrics import is_share, title
from repro.outcomes.selection import headline, reported
from repro.outcomes.stats import INTERVAL, Estimate, t_interval
from repro.types import Benchmark, Checkpoint, Result

ALPHA = "alpha-"  # how the checkpoints of a line in weight space are named


class Nothing(UserError):
    """A table has no runs for a kind of figure; the cure is the command that makes some."""


class Line(NamedTuple):
    """logit(OOD) = slope·logit(ID) + intercept, fitted to `count` checkpoints; `left_out` had 0 or 1, which have no logit."""

    slope: float
    intercept: float
    count: int
    left_out: int

    def at(self, share: float) -> float:
        """What the line expects of OOD, in (0, 1), where ID is `share`, in (0, 1)."""
        return 1 / (1 + math.exp(-(self.slope * logit(share) + self.intercept)))


class Point(NamedTuple):
    """A row of the table; `effective` is how far its OOD mean lies above the line, None where there is no line or ID has no logit."""

    name: str
    id: Estimate
    ood: Estimate
    effective: float | None


class Robustness(NamedTuple):
    """ID against OOD of all rows, fractions. `cloud` holds the (ID, OOD) of the checkpoints behind `line`; `axes` say what is measured."""

    title: str
    tiny: bool
    axes: tuple[str, str]
    points: tuple[Point, ...]
    cloud: tuple[tuple[float, float], ...]
    line: Line | None
    caption: tuple[str, ...]


class Curve(NamedTuple):
    """One row's mixtures, α ascending; `selected` are the α that the row's rule reports, one per seed but for equals."""

    name: str
    alphas: tuple[float, ...]
    id: tuple[Estimate, ...]
    ood: tuple[Estimate, ...]
    selected: tuple[float, ...]


class Curves(NamedTuple):
    """The curves of one table."""

    title: str
    tiny: bool
    axes: tuple[str, str]
    curves: tuple[Curve, ...]
    caption: tuple[str, ...]


def logit(share: float) -> float:
    return math.log(share / (1 - share))


def fit(points: Sequence[tuple[float, float]]) -> Line | None:
    """Least squares in logits on both axes, as Taori et al. 2020 (§3.1, the baseline of effective robustness) fit their testbed.

    `points` are (ID, OOD) in [0, 1]. None: fewer than two of them have logits that differ in ID.
    """
    inside = [(logit(x), logit(y)) for x, y in points if 0 < x < 1 and 0 < y < 1]
    if len({x for x, _ in inside}) < 2:
        return None
    slope, intercept = statistics.linear_regression([x for x, _ in inside], [y for _, y in inside])
    return Line(slope, intercept, len(inside), len(points) - len(inside))


def axis(table: Table, group: str) -> Column:
    """The column that stands for a group: its average, or where splits of different metrics have none, its first headline column."""
    columns = [column for column in table.columns if column.group == group and column.headline]
    if not columns:
        raise Nothing(f"{table.benchmark.name} reports nothing {group}", "the figure has ID against OOD", "repro list benchmarks")
    require_shares(table.benchmark, (column.metric for column in columns))
    return next((column for column in columns if column.name == "avg"), columns[0])


def require_shares(benchmark: Benchmark, metrics: Iterable[str]) -> None:
    """`Nothing` where a metric is not a share: the figures' axes are in percent."""
    if other := next((metric for metric in metrics if not is_share(metric)), None):
        raise Nothing(
            f"{benchmark.name} is measured by {title(other)}", "the figure's axes are in percent", f"repro table {benchmark.name}"
        )


def named(column: Column) -> str:
    """`OOD accuracy in % (mean of writers, photos)`."""
    splits = f"mean of {', '.join(column.splits)}" if len(column.splits) > 1 else column.name
    return f"{column.group}: {title(column.metric)} in % ({splits})"


def value(point: Checkpoint, column: Column, benchmark: Benchmark) -> float:
    return statistics.fmean(headline(point, benchmark.split(split), benchmark) for split in column.splits)


def said(table: Table) -> tuple[str, ...]:
    """What a figure says as its table does: backbone, rules, recipes, tuning, TINY. A table's first sentence is of its cells alone."""
    return table.caption[1:]


def tiny_option(benchmark: Benchmark) -> str:
    return " --tiny" if benchmark.tiny else ""


def robustness(table: Table, results: Mapping[str, Result]) -> Robustness:
    """All rows of a table; the line goes through every checkpoint of the rows' trainings. `results`: key → result."""
    across, up = axis(table, "ID"), axis(table, "OOD")
    needed = {*across.splits, *up.splits}  # a recipe may have few epochs judged on all splits
    judged = [
        (key, point) for row in table.rows for key in row.keys for point in results[key].checkpoints if needed <= point.metrics.keys()
    ]
    trained = [(key, point) for key, point in judged if point.epoch is not None]
    cloud = [(value(point, across, table.benchmark), value(point, up, table.benchmark)) for _, point in trained]
    line = fit(cloud)
    left, below = (table.columns.index(column) for column in (across, up))
    points = []
    for row in table.rows:
        at = row.cells[left].mean
        effective = row.cells[below].mean - line.at(at) if line and 0 < at < 1 else None
        points.append(Point(row.name, row.cells[left], row.cells[below], effective))
    caption = [
        f"Rows: mean with {INTERVAL} ({_seeds(table.rows)}).",
        "Dotted: y = x. Both axes are in logits; what lies beyond the frame, as 0 and 100 % do, is drawn on it.",
        *_about(line, len(cloud), len({key for key, _ in trained})),
        *said(table),
    ]
    return Robustness(table.title, table.benchmark.tiny, (named(across), named(up)), tuple(points), tuple(cloud), line, tuple(caption))


def _seeds(rows: Sequence[Row]) -> str:
    counts = sorted({len(row.seeds) for row in rows if row.seeded})
    return f"{' or '.join(map(str, counts)) or 'no'} seed{'' if counts == [1] else 's'}"


def _about(line: Line | None, count: int, runs: int) -> list[str]:
    if line is None:
        return [f"No line of effective robustness: {count} checkpoints of trainings do not determine one."]
    sign = "−" if line.intercept < 0 else "+"
    without = f"; {line.left_out} at 0 or 100 % left out" if line.left_out else ""
    return [
        f"Dashed: least squares of logit(OOD) on logit(ID), {line.slope:.2f}·x {sign} {abs(line.intercept):.2f}, over the {line.count} judged epochs "
        f"(grey) of {runs} trainings{without}.",
        "Signed numbers: effective robustness, OOD above the dashed line in points (Taori et al. 2020, whose line is of many independent "
        "models; this one is of these runs alone).",
    ]


def curves(table: Table, results: Mapping[str, Result]) -> Curves:
    """Every row whose runs are lines in weight space, averaged over seeds at each α. A table without one is a `UserError`."""
    across, up = axis(table, "ID"), axis(table, "OOD")
    found = [curve for row in table.rows if (curve := _curve(row, table, results, across, up))]
    if not found:
        name = table.benchmark.name
        raise Nothing(
            f"{name} has no run with checkpoints along α",
            "the figure shows mixtures of wise-ft",
            f"repro run {name} -m wise-ft{tiny_option(table.benchmark)}",
        )
    lines = [row for row in table.rows if row.name in {curve.name for curve in found}]
    caption = [
        f"Each curve: mean over {_seeds(lines)} of the mixtures (1 − α)·start + α·fine-tuned; square: α = 0, triangle: α = 1; "
        "ring: an α that was selected.",
        *said(table),
    ]
    return Curves(table.title, table.benchmark.tiny, (named(across), named(up)), tuple(found), tuple(caption))


def _curve(row: Row, table: Table, results: Mapping[str, Result], across: Column, up: Column) -> Curve | None:
    runs, needed = [results[key] for key in row.keys], {*across.splits, *up.splits}
    along = [
        {
            float(point.name.removeprefix(ALPHA)): point
            for point in run.checkpoints
            if point.name.startswith(ALPHA) and needed <= point.metrics.keys()
        }
        for run in runs
    ]
    if not all(along):
        return None
    alphas = tuple(sorted(set.intersection(*map(set, along))))
    pair = [
        tuple(t_interval([value(points[alpha], column, table.benchmark) for points in along]) for alpha in alphas)
        for column in (across, up)
    ]
    chosen = {float(reported(run, row.rule).name.removeprefix(ALPHA)) for run in runs}
    return Curve(row.name, alphas, *pair, tuple(sorted(chosen.intersection(alphas))))
