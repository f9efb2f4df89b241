"""`repro report`: all that was measured as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro.cli.context import complete_benchmark, complete_table, places
from repro.cli.left_out import telling
from repro.cli.tabling import known_methods, nothing_yet, of_paper, save
from repro.display import paper_tables, report, tables
from repro.display.paper_tables import View
from repro.outcomes import costs, index
from repro.outcomes.index import Found
from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged
from repro.papers import arrangement
from repro.papers.arrangement import PaperTable
from repro.paths import Places
from repro.preflight import environment


def report_(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PAPER|TABLE|BENCHMARK",
            help="Papers, papers' tables such as lp-ft/2, or benchmarks; everything that was measured where left out.",
            autocompletion=lambda incomplete: [*complete_benchmark(incomplete), *complete_table(incomplete)],
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("report.html"),
    tiny: Annotated[bool, typer.Option("--tiny", help="Of tiny subsets, which are comparable with nothing.")] = False,
) -> None:
    """Write one page of HTML, without anything from elsewhere: tables, what is behind each cell, figures, costs."""
    with telling(tiny) as damaged:
        made = _report(names or [], places(context), tiny, damaged)
    save(out, report.page(made))
    print(f"{out}: papers' tables {len(made.views)}, benchmarks' tables {len(made.tables)}, runs {len(made.spent)}")


def _report(names: list[str], where: Places, tiny: bool, damaged: list[Damaged]) -> report.Report:
    """What is asked for, or everything with a measurement; nothing at all is a mistake."""
    store = Store(where.runs)
    papers = [arrangement.load(name) for name in dict.fromkeys(each for name in names for each in of_paper(name))]
    benchmarks = [name.removeprefix("benchmark/") for name in names if not of_paper(name)]
    wanted = {*benchmarks, *(name for table in papers for name in table.benchmarks)}
    spent = costs.spent(store, tiny, wanted if names else None, damaged)
    found = index.find(store)
    damaged += found.damaged
    lost = {one.key: one for one in damaged if one.tiny == tiny}  # also one that broke since the index has it
    there = [result for result in found.results if result.run.benchmark.tiny == tiny and result.key not in lost]
    found = found._replace(results=known_methods(there), damaged=list(lost.values()))
    run = {result.run.benchmark.name for result in found.results}
    for name in benchmarks or ([] if papers else [None]):
        if name not in run and (name or not run):
            raise nothing_yet(store, name, tiny)
    views = [_view(table, found, where, tiny) for table in papers] if names else _measured(found, where, tiny, run)
    made = [table for table in tables.build(found.results, damaged=found.damaged) if not names or table.benchmark.name in benchmarks]
    missing = sum(not names or one.benchmark in wanted for one in found.damaged)
    return report.Report(tuple(views), tuple(made), found.results, spent, environment.commit().get("commit", ""), tiny, missing)


def _view(table: PaperTable, found: Found, where: Places, tiny: bool) -> View:
    known = paper_tables.benchmarks_of(table, where)
    return paper_tables.view(table, found.results, found.failures, known, damaged=found.damaged, tiny=tiny)


def _measured(found: Found, where: Places, tiny: bool, run: set[str]) -> list[View]:
    """The papers' tables with at least one measured cell."""
    arranged = [table for table in map(arrangement.load, arrangement.names()) if run.intersection(table.benchmarks)]
    views = [_view(table, found, where, tiny) for table in arranged]
    return [view for view in views if any(cell.ours is not None for row in view.rows for cell in row.cells)]
