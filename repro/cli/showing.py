"""`repro show`: one run in full, every run on a line, or one cell of a paper's table."""

from __future__ import annotations

import json
import shlex
from typing import Annotated

import typer

from repro import plugins
from repro.cli import shown_cell, shown_run
from repro.cli.context import complete_cell_or_key, next_line, places
from repro.cli.options import AsJson
from repro.errors import UserError
from repro.outcomes.costs import duration
from repro.outcomes.store import Store
from repro.papers import arrangement
from repro.paths import Places
from repro.types import Failure


def show(
    context: typer.Context,
    named: Annotated[
        str | None,
        typer.Argument(
            metavar="KEY|CELL",
            help="A run's key or its first digits; or a paper's cell, TABLE:ROW:COLUMN, such as lp-ft/2:lp-ft:STL; all runs where left out.",
            autocompletion=complete_cell_or_key,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run (recipe with provenance, curves, environment, cost), what went wrong with it, or what stands behind a cell."""
    where = places(context)
    store = Store(where.runs)
    if named is None:
        _all(store, where, as_json)
    elif ":" in named:
        shown_cell.show(named, where, as_json)
    else:
        _one(store, named, as_json)


def _one(store: Store, key: str, as_json: bool) -> None:
    if key in arrangement.names():
        title = arrangement.load(key)
        cell = shlex.quote(f"{key}:{title.row[0].title}:{title.column[0].title}")
        raise UserError(
            f"{key} is a table", "a run's key or a cell of a table is shown", f"repro table {key}, or a cell: repro show {cell}"
        )
    if key in plugins.names("benchmarks"):
        raise UserError(f"{key} is a benchmark", "a run's key or a cell of a paper's table is shown", f"repro table {key}")
    folder = store.find(key)
    record = store.read_result(folder) or store.failure(folder)
    if record is None:
        raise UserError(
            f"run {folder.name} is not finished", "it was interrupted, or is being worked on", "run the same command again to continue it"
        )
    if as_json:
        print(json.dumps(shown_run.as_json(record, folder, store), indent=1))
    else:
        shown_run.show(record, folder, store)


def _all(store: Store, where: Places, as_json: bool) -> None:
    folders = list(store.folders())
    if as_json:
        records = [(folder, store.read_result(folder) or store.failure(folder)) for folder in folders]
        states = ["unfinished" if record is None else "failed" if isinstance(record, Failure) else "done" for _, record in records]
        print(json.dumps([{"folder": str(folder), "state": state} for folder, state in zip(folders, states, strict=True)], indent=1))
        return
    if not folders:
        print("nothing has been run yet", next_line("repro run digits", where), sep="\n")
    widest = max((len(folder.parent.name) for folder in folders), default=0)
    for folder in folders:
        result = store.read_result(folder)
        failure = None if result else store.failure(folder)
        method, _, key = folder.name.rpartition("-")
        state = f"done    {duration(result.seconds['total']):>8}" if result else "failed          " if failure else "unfinished      "
        print(f"{key}  {folder.parent.name:<{widest}} {method:<20} {state}  {failure.error if failure else ''}".rstrip())
