"""A paper's table beside what was measured: its own arrangement, each cell reported | reproduced ± interval | Δ | verdict.

Averages are computed again from their columns. No torch, no pandas, no printing.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from repro import plugins
from repro.display.captions import lacking
from repro.display.footnotes import CANNOT, Note, caption, notes_of
from repro.display.paper_cells import AVERAGE, Cell, Cells
from repro.outcomes.stats import Estimate
from repro.outcomes.stored import Damaged
from repro.papers import rows
from repro.papers.arrangement import PaperTable
from repro.papers.reported import Publication
from repro.papers.verdicts import NOT_RUN, Outcome, holm
from repro.paths import Places
from repro.types import Benchmark, Failure, Result


class Row(NamedTuple):
    title: str
    cells: tuple[Cell, ...]


class View(NamedTuple):
    """A frozen table: nothing in it changes but with the store and the tables' files. `fill`: command → cells that it fills; `cannot`:
    reason → cells."""

    name: str
    title: str
    paper: Publication
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    caption: tuple[str, ...]
    notes: tuple[Note, ...]
    fill: tuple[tuple[str, int], ...]
    cannot: tuple[tuple[str, int], ...]
    tiny: bool = False


def benchmarks_of(table: PaperTable, places: Places) -> dict[str, tuple[Benchmark, ...]]:
    """Those that the table needs and this program has, as it describes them now: with the paper's choices, then where these are others, without."""
    names = dict.fromkeys(column.benchmark for column in table.column)
    return {name: _described(name, table.paper, places) for name in names if name in plugins.names("benchmarks")}


def _described(name: str, paper: str, places: Places) -> tuple[Benchmark, ...]:
    own = rows.described(name, paper, places)
    return (own, plugins.benchmark(name).describe({}, places)) if own.options else (own,)


def view(
    table: PaperTable,
    results: Iterable[Result],
    failures: Iterable[Failure],
    known: Mapping[str, Sequence[Benchmark]],
    *,
    damaged: Sequence[Damaged] = (),
    select: str | None = None,
    tiny: bool = False,
) -> View:
    """The table with what `results` have of it, and the `damaged` ones of its benchmarks named below. `select` in place of the paper's rule, or
    tiny runs, are shown and compared with nothing."""
    results = list(results)
    builder = Cells(table, results, list(failures), known, select, tiny)
    grid = [[builder.cell(line, column) for column in table.column] for line in table.row]
    grid = [_with_averages(table, cells) for cells in grid]
    grid = _among_all(grid)
    made = tuple(Row(line.title, tuple(cells)) for line, cells in zip(table.row, grid, strict=True))
    cells = [cell for row in made for cell in row.cells]
    columns = tuple(column.title for column in table.column)
    return View(
        name=table.name,
        title=table.title,
        paper=builder.paper,
        columns=columns,
        rows=made,
        caption=(*caption(cells, builder.paper.interval, select, tiny), *lacking(damaged, table.benchmarks, tiny)),
        notes=tuple(notes_of(made, columns, builder.paper, results)),
        fill=_counted(cell.why for cell in cells if cell.verdict == NOT_RUN and cell.place),
        cannot=_counted(cell.why for cell in cells if cell.verdict == CANNOT and cell.place),
        tiny=tiny,
    )


def _counted(reasons: Iterable[str]) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for why in reasons:
        found[why] = found.get(why, 0) + 1
    return tuple(found.items())


def _with_averages(table: PaperTable, cells: list[Cell]) -> list[Cell]:
    """A row with its averages computed from the other cells: of what is reported, and of what was measured where nothing is missing."""
    by_title = {column.title: cell for column, cell in zip(table.column, cells, strict=True)}
    found = []
    for column, cell in zip(table.column, cells, strict=True):
        parts = [by_title[title] for title in column.average]
        found.append(_average(cell, parts) if parts else cell)
    return found


def _average(cell: Cell, parts: list[Cell]) -> Cell:
    printed = [part.entry.value for part in parts if part.entry]
    if len(printed) == len(parts):
        cell = cell._replace(recomputed=sum(printed) / len(printed))
    lacking = [part for part in parts if part.ours is None]
    if lacking:
        state = CANNOT if any(part.verdict == CANNOT for part in lacking) else NOT_RUN
        return cell._replace(verdict=state, why=f"{len(parts) - len(lacking)} of {len(parts)} columns are measured")
    mean = statistics.fmean(part.ours.mean for part in parts)
    alike = all(part.outcome and part.outcome.delta is not None for part in parts)
    delta = mean - float(cell.entry.value) if cell.entry and alike else None
    fewest = min(part.ours.n for part in parts)
    outcome = Outcome(AVERAGE, delta, "the mean of its columns, without a verdict", None)
    return cell._replace(ours=Estimate(mean, None, fewest), outcome=outcome, verdict=AVERAGE, why=outcome.why)


def _among_all(grid: list[list[Cell]]) -> list[list[Cell]]:
    """The verdicts of a table are tested together (Holm)."""
    judged = iter(holm([cell.outcome for cells in grid for cell in cells if cell.outcome]))
    corrected = [[(cell, next(judged) if cell.outcome else None) for cell in cells] for cells in grid]
    return [
        [cell._replace(outcome=outcome, verdict=outcome.verdict, why=outcome.why) if outcome else cell for cell, outcome in cells]
        for cells in corrected
    ]
