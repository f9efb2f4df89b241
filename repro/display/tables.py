"""From stored results to a table: selection, seeds, intervals. No torch, no pandas, no printing."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from repro import plugins
from repro.display.captions import caption, lacking
from repro.outcomes import metrics
from repro.outcomes.selection import PAPER, headline, reported, score, splits_of
from repro.outcomes.stats import Estimate, t_interval
from repro.outcomes.stored import Damaged
from repro.papers import quirks
from repro.papers.quirks import Quirk
from repro.papers.rows import Paper, paper_behind, paper_of, table_of
from repro.planning.configurations import Reader, rank, short
from repro.record import digest
from repro.types import Benchmark, Checkpoint, Result, Run


class Column(NamedTuple):
    """`group` is ID or OOD; `splits` are averaged; `metric` is the headline metric of them all; what is not `headline` enters no average.

    `selected_on` names the rows of the table whose checkpoint, settings or probe were chosen by one of the splits.
    """

    group: str
    name: str
    splits: tuple[str, ...]
    metric: str
    headline: bool = True
    selected_on: tuple[str, ...] = ()


class Row(NamedTuple):
    """One method's line: `variant` names what differs from the default recipe, `cells` follow the columns, `keys` are the runs behind it.

    `rule` is the selection rule that it was reported by, `selected` whether there was more than one checkpoint or setting to select from,
    `chosen_by` names the splits that a choice in it was made on, of a checkpoint, of settings or of a probe's C.
    """

    method: str
    variant: tuple[str, ...]
    cells: tuple[Estimate, ...]
    seeds: tuple[int, ...]
    seeded: bool
    keys: tuple[str, ...]
    rule: str
    selected: bool
    chosen_by: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.method} ({' '.join(self.variant)})" if self.variant else self.method


class Footnote(NamedTuple):
    """A quirk, and the names of the rows that have it; none where all do."""

    quirk: Quirk
    rows: tuple[str, ...]


class Table(NamedTuple):
    """`best[i]` is the best mean of column i; `caption` is a list of sentences; `footnotes` are the rows' quirks."""

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


def build(results: Iterable[Result], rule: str = PAPER, only: frozenset[str] | None = None, damaged: Sequence[Damaged] = ()) -> list[Table]:
    """One table per benchmark identity and backbone; `only` restricts the rows to those runs; those of a method that is gone are left out.

    Below a table stands which `damaged` results of its benchmark are missing; which of its tables they belong to is not known.
    """
    results = list(results)
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    identities: dict[int, str] = {}  # results of the index share their benchmarks' records
    known = {result.run.method for result in results}.intersection(plugins.names("methods"))
    shown = {method for method in known if plugins.declared(method).reported}
    for result in results:
        if (only is None or result.key in only) and result.run.method in shown:
            benchmark = result.run.benchmark
            if id(benchmark) not in identities:
                identities[id(benchmark)] = digest(benchmark.identity())
            groups[identities[id(benchmark)], result.run.backbone.name].append(result)
    return [_table(chosen, results, rule, damaged) for chosen in groups.values()]


def siblings(result: Result, results: Iterable[Result]) -> list[Result]:
    """Those of the same configuration on the same data, which differ from `result` in their seeds alone; itself included, by seed."""
    results = list(results)
    reader, identity = Reader(results, [], frozenset()), result.run.benchmark.identity()
    own = reader.configuration(result)
    alike = [other for other in results if other.run.method == result.run.method and other.run.benchmark.identity() == identity]
    return sorted((other for other in alike if reader.configuration(other) == own), key=lambda other: other.run.seed)


def tuned_fields(benchmark: str) -> frozenset[str]:
    """The recipe fields that the table's selection rule chooses among what was run."""
    return frozenset(table_of(benchmark).tuned)


def _table(chosen: list[Result], everything: list[Result], rule: str, damaged: Sequence[Damaged]) -> Table:
    benchmark = chosen[-1].run.benchmark
    tuned = tuned_fields(benchmark.name)
    reader = Reader(everything, chosen, tuned)
    columns = columns_of(benchmark)
    lines: dict[tuple[str, Hashable], dict[Hashable, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in chosen:
        lines[_rule(result.run, rule, reader.behind(result.run)), reader.configuration(result, tuned)][reader.configuration(result)].append(
            result
        )
    rows, notes = [], []
    for (own, _), candidates in lines.items():
        row, note = _row(list(candidates.values()), reader, own, columns)
        rows.append(row)
        notes += note
    rows, shared = _shared_variant(_told_rules(rows))
    order = {name: position for position, name in enumerate(dict.fromkeys([*benchmark.methods, *plugins.names("methods")]))}
    rows.sort(key=lambda row: (order.get(row.method, len(order)), row.variant))
    best = tuple(
        max((row.cells[index].mean for row in rows), key=lambda mean, metric=column.metric: metrics.rank(metric, mean))
        for index, column in enumerate(columns)
    )
    columns = tuple(
        column._replace(selected_on=tuple(row.name for row in rows if not row.chosen_by.isdisjoint(column.splits))) for column in columns
    )
    sentences = caption(chosen, reader.paper, columns, rows, shared, notes) + lacking(damaged, {benchmark.name}, benchmark.tiny)
    return Table(benchmark.title, benchmark, columns, tuple(rows), best, tuple(sentences), _footnotes(rows, reader))


def rule_of(run: Run, rule: str) -> str:
    """The rule itself, or that of the paper whose row a run came from, or that of the benchmark's first paper."""
    return _rule(run, rule, paper_behind(run.benchmark.name, run.provenance))


def _rule(run: Run, rule: str, behind: Paper | None) -> str:
    return rule if rule != PAPER else (behind or paper_of(run.benchmark.name, None)).select


def _told_rules(rows: list[Row]) -> list[Row]:
    """Each row says its rule where those of a table differ; one with nothing to select from has none to say."""
    if len({row.rule for row in rows if row.selected}) < 2:
        return rows
    return [row._replace(variant=(*row.variant, f"select={row.rule}")) if row.selected else row for row in rows]


def _footnotes(rows: list[Row], reader: Reader) -> tuple[Footnote, ...]:
    """Each quirk once, in the order of its file."""
    having = {row.name: {quirk.name for quirk in reader.quirks(row.keys[0])} for row in rows}
    found = [(quirk, tuple(name for name, own in having.items() if quirk.name in own)) for quirk in quirks.known()]
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
    candidates = sorted(candidates, key=lambda runs: [(field, rank(value)) for field, value in reader.tuning(runs[0]).items()])
    most = max(len(runs) for runs in candidates)
    complete = [runs for runs in candidates if len(runs) == most]
    benchmark = complete[0][0].run.benchmark
    picked = [[(run, reported(run, rule)) for run in runs] for runs in complete]
    if len(picked) == 1:
        return picked[0], complete

    def ranked(pairs: list[tuple[Result, Checkpoint]]) -> float:
        return statistics.fmean([score(point, _ranking(rule), benchmark, run.run.recipe.select_by) for run, point in pairs])

    return max(picked, key=ranked), complete


def _ranking(rule: str) -> str:
    """The rule that settings are ranked by: the last checkpoint ranks nothing."""
    return "id_val" if rule == "last" else rule


def _row(candidates: list[list[Result]], reader: Reader, rule: str, columns: tuple[Column, ...]) -> tuple[Row, list[str]]:
    """The winner of the candidate configurations as a row, and how it was chosen."""
    pairs, complete = winner(candidates, reader, rule)
    ranking, first = _ranking(rule), pairs[0][0]
    benchmark = first.run.benchmark
    notes = []
    if len(candidates) > 1:
        for field, value in reader.tuning(first).items():
            tried = {reader.tuning(runs[0]).get(field) for runs in complete}
            if len(tried) > 1:
                among = ", ".join(short(other) for other in sorted(tried, key=rank))
                notes.append(f"{first.run.method}: {field} {short(value)} chosen by {ranking} among {among}")
        if len(complete) < len(candidates):
            notes.append(f"{first.run.method}: {len(candidates) - len(complete)} settings with fewer seeds left out")
    cells = tuple(t_interval([_value(point, column, benchmark) for _, point in pairs]) for column in columns)
    seeds = tuple(sorted(run.run.seed for run, _ in pairs))
    variant = tuple(dict.fromkeys([*reader.variant(first), *reader.network(first.run)]))
    followed = ({rule} if len(first.checkpoints) > 1 else set()) | ({ranking} if len(complete) > 1 else set())
    chosen_by = reader.fitted_on(first).union(split.name for own in followed - {"last"} for split in splits_of(own, benchmark))
    keys = tuple(run.key for run, _ in pairs)
    seeded = plugins.declared(first.run.method).seeded
    return Row(first.run.method, variant, cells, seeds, seeded, keys, rule, bool(followed), chosen_by), notes


def _value(point: Checkpoint, column: Column, benchmark: Benchmark) -> float:
    return statistics.fmean([headline(point, benchmark.split(split), benchmark) for split in column.splits])
