"""From stored results to a table: selection, seeds, intervals. No torch, no pandas, no printing."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

from repro import plugins, quirks
from repro.captions import caption
from repro.plan import RANDOM
from repro.quirks import Quirk
from repro.recipe import resolve
from repro.rows import layer, rows_of, table_of
from repro.selection import headline, score, select
from repro.stats import Estimate, t_interval
from repro.types import Benchmark, Checkpoint, Result, Run, digest


class Column(NamedTuple):
    """`group` is ID or OOD; `splits` are averaged; `metric` is the headline metric of them all; what is not `headline` enters no average."""

    group: str
    name: str
    splits: tuple[str, ...]
    metric: str
    headline: bool = True


class Row(NamedTuple):
    """One method's line: `variant` names what differs from the default recipe, `cells` follow the columns, `keys` are the runs behind it."""

    method: str
    variant: tuple[str, ...]
    cells: tuple[Estimate, ...]
    seeds: tuple[int, ...]
    seeded: bool
    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.method} ({' '.join(self.variant)})" if self.variant else self.method


class Footnote(NamedTuple):
    """A quirk, and the names of the rows that have it; none where all do."""

    quirk: Quirk
    rows: tuple[str, ...]


class Table(NamedTuple):
    """`best[i]` is the highest mean of column i; `caption` is a list of sentences; `footnotes` are the rows' quirks."""

    title: str
    benchmark: Benchmark
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    best: tuple[float, ...]
    caption: tuple[str, ...]
    footnotes: tuple[Footnote, ...]


def columns_of(benchmark: Benchmark) -> tuple[Column, ...]:
    """Per group the headline splits, their average where there are several of one metric, then what is shown beside them."""
    columns = []
    for group in ("ID", "OOD"):
        own = [
            Column(group, split.name, (split.name,), benchmark.metric_of(split), split.headline)
            for split in benchmark.splits
            if split.column == group
        ]
        headline = [column for column in own if column.headline]
        columns += headline
        if len(headline) > 1 and len({column.metric for column in headline}) == 1:  # of different metrics there is no average
            columns.append(Column(group, "avg", tuple(column.name for column in headline), headline[0].metric))
        columns += [column for column in own if not column.headline]
    return tuple(columns)


class Reader:
    """Names configurations: what two runs share when only their seeds differ, and what rows share when only tuned fields differ."""

    def __init__(self, results: Iterable[Result], chosen: Iterable[Result], tuned: frozenset[str]):
        self.by_key = {result.key: result for result in results}
        self.runs = [result.run for result in chosen]
        self.tuned = tuned

    def configuration(self, result: Result, without: frozenset[str] = frozenset()) -> str:
        """Hash of the identity without seeds, parents replaced by their own configurations."""
        run = result.run
        recipe = {field: value for field, value in run.recipe.changed().items() if field not in without}
        parents = {role: self.configuration(self.by_key[key], without) if key in self.by_key else key for role, key in run.parents.items()}
        return digest([run.method, run.method_version, recipe, run.backbone, parents])

    def variant(self, result: Result, prefix: str = "") -> list[str]:
        """Fields in which a run (or a run that it starts from) differs from its table row, but for tuned ones; an older method's version."""
        run = result.run
        if gone(result):  # a parent's method that was removed has no row to differ from
            return [f"{prefix}version={run.method_version}"]
        method = plugins.declared(run.method)
        row = rows_of(run.benchmark.name).get(run.method)
        default = resolve(method, layer(run.benchmark.name, row), [], False, run.benchmark.tiny)[0].recipe
        differs = [f"{prefix}version={run.method_version}"] if run.method_version != method.version else []
        differs += [
            f"{prefix}{field}={_short(value)}"
            for field, value in run.recipe
            if field not in self.tuned and value != getattr(default, field)
        ]
        for key in run.parents.values():
            if key in self.by_key:
                parent = self.by_key[key]
                differs += [part for part in self.variant(parent, f"{parent.run.method}.") if part.partition(".")[2] not in differs]
        return differs

    def network(self, run: Run) -> list[str]:
        """What tells the network of a row from those of the table's other rows: its arguments, its weights; random ones are always told."""
        own = run.backbone
        differs = [
            f"{key}={value}" for key, value in own.kwargs.items() if any(other.backbone.kwargs.get(key) != value for other in self.runs)
        ]
        if plugins.declared(run.method).pretrained and "backbone" not in run.parents:
            differs += [] if own.weights and not self.several_weights else [f"weights={own.weights[:8] if own.weights else RANDOM}"]
        return differs

    @cached_property
    def several_weights(self) -> bool:
        """Whether the table's pretrained rows started from different files."""
        return len({run.backbone.weights for run in self.runs if plugins.declared(run.method).pretrained}) > 1

    def quirks(self, row: Row) -> tuple[Quirk, ...]:
        """The quirks of a row's runs, which differ in their seeds alone."""
        return quirks.of(self.by_key[row.keys[0]].run, lambda key: self.by_key[key].run if key in self.by_key else None)

    def tuning(self, result: Result, prefix: str = "") -> dict[str, Any]:
        """The tuned fields of a run and of those that it starts from."""
        run = result.run
        found = {f"{prefix}{field}": getattr(run.recipe, field) for field in sorted(self.tuned)}
        for key in run.parents.values():
            if key in self.by_key:
                found.update(self.tuning(self.by_key[key], f"{self.by_key[key].run.method}."))
        return found


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def gone(result: Result) -> bool:
    """Whether a result is of a method that this program has no more: nothing says what its row would be."""
    return result.run.method not in plugins.names("methods")


def build(results: Iterable[Result], rule: str = "id_val", only: frozenset[str] | None = None) -> list[Table]:
    """One table per benchmark identity and backbone; `only` restricts the rows to those runs; those of a method that is gone are left out."""
    results = list(results)
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        if (only is None or result.key in only) and not gone(result) and plugins.declared(result.run.method).reported:
            groups[digest(result.run.benchmark.identity()), result.run.backbone.name].append(result)
    return [_table(chosen, results, rule) for chosen in groups.values()]


def tuned_fields(benchmark: str) -> frozenset[str]:
    """The recipe fields that the table's selection rule chooses among what was run."""
    return frozenset(table_of(benchmark).tuned)


def _table(chosen: list[Result], everything: list[Result], rule: str) -> Table:
    benchmark = chosen[-1].run.benchmark
    tuned = tuned_fields(benchmark.name)
    reader = Reader(everything, chosen, tuned)
    columns = columns_of(benchmark)
    lines: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in chosen:
        lines[reader.configuration(result, tuned)][reader.configuration(result)].append(result)
    rows, notes = [], []
    for candidates in lines.values():
        row, note = _row(list(candidates.values()), reader, rule, columns)
        rows.append(row)
        notes += note
    rows, shared = _shared_variant(rows)
    order = {name: position for position, name in enumerate(dict.fromkeys([*benchmark.methods, *plugins.names("methods")]))}
    rows.sort(key=lambda row: (order.get(row.method, len(order)), row.variant))
    best = tuple(max(row.cells[index].mean for row in rows) for index in range(len(columns)))
    sentences = caption(chosen, rule, columns, rows, shared, notes)
    return Table(benchmark.title, benchmark, columns, tuple(rows), best, tuple(sentences), _footnotes(rows, reader))


def _footnotes(rows: list[Row], reader: Reader) -> tuple[Footnote, ...]:
    """Each quirk once, in the order of its file."""
    having = {row.name: reader.quirks(row) for row in rows}
    found = [(quirk, tuple(name for name, own in having.items() if quirk in own)) for quirk in quirks.known()]
    return tuple(Footnote(quirk, () if len(names) == len(having) else names) for quirk, names in found if names)


def _shared_variant(rows: list[Row]) -> tuple[list[Row], tuple[str, ...]]:
    """What every row differs by from its default goes into the caption once."""
    shared = tuple(part for part in rows[0].variant if len(rows) > 1 and all(part in row.variant for row in rows))
    return [row._replace(variant=tuple(part for part in row.variant if part not in shared)) for row in rows], shared


def winner(candidates: list[list[Result]], reader: Reader, rule: str) -> tuple[list[tuple[Result, Checkpoint]], list[list[Result]]]:
    """The configuration with the largest mean over seeds of its selected score (LP-FT's scripts/summarize_results.py:23-54), each run with
    its selected checkpoint, and the configurations with all seeds, among which it was chosen.

    Of equals the smallest tuned values win, whatever was run first.
    """
    candidates = sorted(candidates, key=lambda runs: [(field, value is None, value) for field, value in reader.tuning(runs[0]).items()])
    most = max(len(runs) for runs in candidates)
    complete = [runs for runs in candidates if len(runs) == most]
    benchmark = complete[0][0].run.benchmark
    ranking = "id_val" if rule == "last" else rule
    picked = [[(run, select(run.checkpoints, rule, benchmark)) for run in runs] for runs in complete]
    if len(picked) == 1:
        return picked[0], complete
    return max(picked, key=lambda pairs: statistics.fmean(score(point, ranking, benchmark) for _, point in pairs)), complete


def _row(candidates: list[list[Result]], reader: Reader, rule: str, columns: tuple[Column, ...]) -> tuple[Row, list[str]]:
    """The winner of the candidate configurations as a row, and how it was chosen."""
    pairs, complete = winner(candidates, reader, rule)
    benchmark = pairs[0][0].run.benchmark
    ranking = "id_val" if rule == "last" else rule
    first = pairs[0][0]
    notes = []
    if len(candidates) > 1:
        for field, value in reader.tuning(first).items():
            tried = {reader.tuning(runs[0]).get(field) for runs in complete}
            if len(tried) > 1:
                among = ", ".join(_short(other) for other in sorted(tried, key=lambda other: (other is None, other)))
                notes.append(f"{first.run.method}: {field} {_short(value)} chosen by {ranking} among {among}")
        if len(complete) < len(candidates):
            notes.append(f"{first.run.method}: {len(candidates) - len(complete)} settings with fewer seeds left out")
    cells = tuple(t_interval([_value(point, column, benchmark) for _, point in pairs]) for column in columns)
    seeds = tuple(sorted(run.run.seed for run, _ in pairs))
    variant = tuple(dict.fromkeys([*reader.variant(first), *reader.network(first.run)]))
    return Row(
        first.run.method, variant, cells, seeds, plugins.declared(first.run.method).seeded, tuple(run.key for run, _ in pairs)
    ), notes


def _value(point: Checkpoint, column: Column, benchmark: Benchmark) -> float:
    return statistics.fmean(headline(point, benchmark.split(split), benchmark) for split in column.splits)
