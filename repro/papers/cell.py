"""One cell of a paper's table, spelled TABLE:ROW:COLUMN: what is reported there, and what this program would run for it."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from repro import plugins
from repro.errors import UserError, nearest, unknown
from repro.papers import arrangement, coverage, reported, rows
from repro.papers.arrangement import Column, Line, PaperTable
from repro.papers.matching import Place, paper_or_first
from repro.papers.reported import Reported
from repro.papers.rows import Paper, Row
from repro.paths import Places
from repro.planning.plan import Request
from repro.types import Benchmark


class Cell(NamedTuple):
    """A row and a column of a table, and all that sources report there."""

    table: PaperTable
    line: Line
    column: Column
    quotes: tuple[Reported, ...]

    @property
    def name(self) -> str:
        return f"{self.table.name}:{self.line.title}:{self.column.title}"

    @property
    def backbone(self) -> str | None:
        """None: the paper's, or the benchmark's own."""
        return self.table.network(self.line, self.column.benchmark)

    @property
    def settings(self) -> dict[str, str]:
        """What row and column say beside the method."""
        return {**self.column.settings, **self.line.settings}

    @property
    def paper(self) -> str:
        """Whose recipes the row is run by."""
        return self.line.recipes or self.table.paper

    @property
    def recipes(self) -> Paper:
        """The paper's part of the benchmark's recipes; the first paper's where it has none, and the method has nothing to fit."""
        return rows.paper_of(self.column.benchmark, paper_or_first(self.column.benchmark, self.paper))

    @property
    def row(self) -> Row | None:
        """The paper's recipe of the row's method on the column's benchmark; None where none is written."""
        written = rows.table_of(self.column.benchmark).row if self.column.benchmark else ()
        return next((row for row in written if (row.paper, row.method) == (self.paper, self.line.method)), None)

    @property
    def parts(self) -> tuple[str, ...]:
        """Of an average: the cells that it is the mean of."""
        return tuple(f"{self.table.name}:{self.line.title}:{title}" for title in self.column.average)

    @property
    def command(self) -> str:
        """The command that runs what the cell lacks."""
        if self.column.average:
            return f"repro run --table {self.table.name} --method {self.line.method}"
        paper = self.recipes
        options = [*(["--paper", paper.name] if paper.name else []), "--method", self.line.method]
        if paper.name == self.paper:
            options += [word for name, value in paper.options.items() for word in (f"--{name.replace('_', '-')}", value)]
        for text in self.sets:
            options += ["--set", text]
        if self.backbone:
            options += ["--backbone", self.backbone]
        if paper.seeds != 3:  # which is what a run without the option has
            options += ["--seeds", str(paper.seeds)]
        return " ".join(["repro run", self.column.benchmark, *map(shlex.quote, options)])

    @property
    def sets(self) -> tuple[str, ...]:
        return tuple(f"{self.line.method}.{field}={value}" for field, value in self.settings.items())

    def request(self, places: Places) -> Request:
        """What `command` asks for; only where nothing stands in the way."""
        return self.request_on(rows.described(self.column.benchmark, self.paper, places))

    def request_on(self, benchmark: Benchmark) -> Request:
        """The same, of its benchmark as it is described already."""
        paper = self.recipes
        return Request(
            benchmark=benchmark,
            methods=(self.line.method,),
            seeds=tuple(range(paper.seeds)),
            backbone=self.backbone,
            sets=self.sets,
            strict=True,
            paper=paper.name or None,
        )

    def place(self, own: Benchmark | None) -> Place:
        """What names the runs of the cell; `own` is the column's benchmark as this program has it, None where it has none."""
        splits = tuple(self.column.split.split("+"))
        first = next((split for split in own.splits if split.name == splits[0]), None) if own else None
        metric = self.column.metric or (self.quotes[0].metric if self.quotes else own.metric_of(first) if first else "accuracy")
        network = self.backbone or next((entry.backbone for entry in self.quotes if entry.backbone), None) or self.recipes.backbone
        network = network or (own.backbone if own else "") or ""
        return Place(self.paper, self.column.benchmark, splits, metric, self.line.method, tuple(self.settings.items()), network)

    def state(self, own: Benchmark | None, gaps: tuple[reported.Gap, ...]) -> tuple[str, str]:
        """Whether this program can run the cell, as `repro coverage` has it; a cell without a reported number is judged as if it had one."""
        place = self.place(own)
        entry = self.quotes[0] if self.quotes else Reported(
            table=self.table.cells or self.table.name.partition("/")[2],
            benchmark=place.benchmark,
            split=self.column.split,
            metric=place.metric,
            method=place.method,
            settings=self.settings,
            backbone=place.backbone,
            confidence="recalled",
            source="arranged",
            words="",
        )  # fmt: skip
        return coverage.state_of(self.paper, entry, own, gaps)

    def obstacle(self, places: Places) -> str | None:
        """Why it cannot be run, in words; None where it can, and for an average."""
        if self.column.average:
            return None
        known = self.column.benchmark in plugins.names("benchmarks")
        own = rows.described(self.column.benchmark, self.paper, places) if known else None
        gaps = reported.publication(self.table.paper).unknown if reported.has(self.table.paper) else ()
        state, why = self.state(own, gaps)
        return None if state == coverage.RUNNABLE else f"{state}: {why}"


def find(spelled: str) -> Cell:
    """The cell of that name; a row is named by its title or, where one row alone has it, its method. A typo suggests the nearest."""
    name, _, rest = spelled.partition(":")
    row, _, column = rest.rpartition(":")  # a row's title may have a colon
    table = arrangement.load(name)
    if not row or not column:
        raise UserError(f"{spelled!r} is not a cell", "a cell is TABLE:ROW:COLUMN", f"for example {_spelled(table, table.row[0].title)}")
    line = _line(table, row.strip(), column)
    titles = [one.title for one in table.column]
    found = next((one for one in table.column if one.title.casefold() == column.strip().casefold()), None)
    if found is None:
        raise unknown(f"column in {table.name}", column, titles, _spelled(table, line.title, nearest(column, titles)))
    return Cell(table, line, found, table.numbers(line, found))


def _spelled(table: PaperTable, row: str, column: str | None = None) -> str:
    """The command that shows a cell of the row; without a column, that of the first."""
    return f"repro show {shlex.quote(f'{table.name}:{row}:{column or table.column[0].title}')}"


def _line(table: PaperTable, named: str, column: str) -> Line:
    wanted = named.casefold()
    titled = [line for line in table.row if line.title.casefold() == wanted]
    found = titled or [line for line in table.row if line.method == wanted]
    if not found:
        names = dict.fromkeys(name for line in table.row for name in (line.title, line.method))
        raise unknown(f"row in {table.name}", named, names, _spelled(table, nearest(named, names) or table.row[0].title, column))
    if len(found) > 1:
        why = f"their titles: {', '.join(line.title for line in found)}"
        raise UserError(f"{len(found)} rows of {table.name} are of {named}", why, f"name one: {_spelled(table, found[0].title, column)}")
    return found[0]
