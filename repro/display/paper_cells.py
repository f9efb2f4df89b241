"""The cells of a paper's table: what is reported, the runs that belong there, and what comes of the two.

A cell takes the runs that the paper's own recipe makes (repro/papers/matching.py); runs of another are named below the table and never taken.
Numbers are in the reported numbers' units: percent, but for `rmse` and `distance`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from repro import plugins
from repro.display.footnotes import CANNOT, PLAIN
from repro.display.tables import Reader, tuned_fields, winner
from repro.outcomes.stats import Estimate, paper_interval, t_interval
from repro.papers import arrangement, coverage, reported, rows
from repro.papers import cell as cells
from repro.papers.arrangement import Column, Line, PaperTable
from repro.papers.matching import RELEASED, Matcher, Place, paper_or_first
from repro.papers.reported import Reported
from repro.papers.verdicts import FAILED, NOT_COMPARABLE, NOT_RUN, Outcome, compare
from repro.planning.plan import brings_weights
from repro.types import Benchmark, Failure, Result

AVERAGE = "average"  # beside the verdicts: a mean of columns, which is not judged
OURS = frozenset(["digits", "folder", "light-curves"])  # benchmarks of no paper: nothing is compared with them


class Cell(NamedTuple):
    """`reported`: every source of the number, the table's own first, then where else the paper prints it. `values`: per seed. `ours`: 95 % t
    interval; `theirs`: by the paper's rule. `verdict`: the outcome's, or NOT_RUN, FAILED, CANNOT; `why` says more of it: the command that
    fills the cell, the reason why it cannot be run, the error, what the verdict rests on. `recomputed`: of an average, from its columns.
    """

    place: Place | None = None
    reported: tuple[Reported, ...] = ()
    values: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    ours: Estimate | None = None
    theirs: Estimate | None = None
    outcome: Outcome | None = None
    verdict: str = NOT_RUN
    why: str = ""
    recomputed: Decimal | None = None
    chosen: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def entry(self) -> Reported | None:
        """The number that is compared with: the first that has a value, a verified one before a recalled one."""
        valued = [entry for entry in self.reported if entry.value is not None]
        return next((entry for entry in valued if entry.confidence == "verified"), valued[0] if valued else None)

    @property
    def conflict(self) -> bool:
        """Whether its sources print different values."""
        return len({entry.value for entry in self.reported if entry.value is not None}) > 1


class Cells:
    """One table's cells; what they share is found once."""

    def __init__(
        self,
        table: PaperTable,
        results: list[Result],
        failures: list[Failure],
        known: Mapping[str, Sequence[Benchmark]],
        select: str | None,
        tiny: bool,
    ):
        self.table, self.failures, self.known, self.select, self.tiny = table, failures, known, select, tiny
        self.results = results
        self.matcher = Matcher(results, known, tiny)
        self.paper = reported.publication(table.paper).of_table(table.cells or table.name.partition("/")[2])
        self.arranged = {other.cells or other.name.partition("/")[2] for other in map(arrangement.load, self._own())}

    def _own(self) -> list[str]:
        return [name for name in arrangement.names() if name.startswith(f"{self.table.paper}/")]

    def cell(self, line: Line, column: Column) -> Cell:
        numbers = self.table.numbers(line, column)
        if column.average:
            return Cell(reported=numbers)
        asked, own = cells.Cell(self.table, line, column, numbers), next(iter(self.known.get(column.benchmark, ())), None)
        place = asked.place(own)
        cell = Cell(place=place, reported=(*numbers, *self._elsewhere(numbers)))
        state, why = asked.state(own, self.paper.unknown)
        if state != coverage.RUNNABLE and not (self.tiny and state == "no recipe"):
            return cell._replace(verdict=CANNOT, why=f"{state}: {why}" if why else state)
        kind, taken, others = self.matcher.of(place)
        told = tuple(f"{len(runs)} run{'s' if len(runs) > 1 else ''} {why}" for why, runs in sorted(others.items()))
        cell = cell._replace(others=told)
        return self._measured(cell, taken, kind) if taken else self._absent(cell, asked, own)

    def _elsewhere(self, numbers: tuple[Reported, ...]) -> list[Reported]:
        """The same number where the paper, or talks about it, print it outside of its arranged tables."""
        if not numbers:
            return []
        first = numbers[0]
        same = reported.of(
            self.table.paper,
            benchmark=first.benchmark,
            split=first.split,
            method=first.method,
            metric=first.metric,
            settings=first.settings,
            backbone=first.backbone,
        )
        return [entry for entry in same if entry.table not in self.arranged | {reported.THIRD_PARTY}]

    def _measured(self, cell: Cell, taken: list[Result], kind: str) -> Cell:
        place, benchmark = cell.place, taken[0].run.benchmark
        tuned = tuned_fields(place.benchmark)
        reader = Reader(self.results, taken, tuned)
        candidates: dict[str, list[Result]] = {}
        for result in sorted(taken, key=lambda result: result.run.seed):
            candidates.setdefault(reader.configuration(result), []).append(result)
        rule = rows.paper_of(place.benchmark, paper_or_first(place.benchmark, place.paper)).select
        pairs, _ = winner(list(candidates.values()), reader, self.select or rule)
        scale = 1 if place.metric in PLAIN else 100
        values = tuple(scale * statistics.fmean(point.metrics[split][place.metric] for split in place.splits) for _, point in pairs)
        settings = len(self.matcher.written(place._replace(splits=(), metric="")).get(kind, []))
        tuning = {field: value for field, value in reader.tuning(pairs[0][0]).items() if "." not in field and value is not None}
        chosen = [f"{field}={value:g}" for field, value in tuning.items() if settings > 1]
        chosen += [f"{len(candidates)} of the paper's {settings} settings run"] if 1 < settings != len(candidates) else []
        chosen += [RELEASED] if kind else []
        other = f"selected by {self.select}, the paper by {rule}" if self.select not in (None, rule) else None
        if place.benchmark in OURS:  # whatever a table says
            other = f"{place.benchmark} is no benchmark of a paper"
        entry = cell.entry
        outcome = entry and compare(
            entry,
            values,
            tiny=self.tiny,
            comparable=other,
            examples=benchmark.split(place.splits[0]).count if len(place.splits) == 1 and place.metric == "accuracy" else None,
            seeded=plugins.declared(place.method).seeded,
            rule=self.paper.interval,
        )
        return cell._replace(
            values=values,
            seeds=tuple(result.run.seed for result, _ in pairs),
            keys=tuple(result.key for result, _ in pairs),
            ours=t_interval(values),
            theirs=paper_interval(values, self.paper.interval, place.benchmark),
            outcome=outcome,
            verdict=outcome.verdict if outcome else NOT_COMPARABLE,
            why=outcome.why if outcome else "no number is known",
            chosen=tuple(chosen),
        )

    def _absent(self, cell: Cell, asked: cells.Cell, own: Benchmark) -> Cell:
        broken = [failure for failure in self.failures if self.matcher.fits(cell.place, failure.run)]
        if broken:
            latest = max(broken, key=lambda failure: (failure.failed, failure.key))
            return cell._replace(verdict=FAILED, why=latest.error.split("\n")[0], keys=tuple(sorted(failure.key for failure in broken)))
        return cell._replace(why=self._command(cell.place, not self.tiny and bool(brings_weights(asked.request_on(own)))))

    def _command(self, place: Place, brought: bool) -> str:
        """What fills the cell, its weights `brought` by the user or known. Where the paper has no recipes for the benchmark, the method needs
        none, and the benchmark is named."""
        if self.tiny or paper_or_first(place.benchmark, place.paper):
            network = f" --backbone {place.backbone} --weights FILE" if brought else ""
            return f"repro run --table {self.table.name} --method {place.method}{network}{' --tiny' if self.tiny else ''}"
        sets = "".join(f" --set {place.method}.{field}={value}" for field, value in place.settings)
        return f"repro run {place.benchmark} --method {place.method} --backbone {place.backbone}{sets}"
