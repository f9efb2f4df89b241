"""`repro show`: one run in full, every run on a line, or one cell of a paper's table."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from repro import plugins
from repro.cli import shown_cell, shown_run
from repro.cli.context import complete_cell_or_key, next_line, places
from repro.cli.left_out import telling
from repro.cli.options import AsJson
from repro.errors import UserError
from repro.outcomes.costs import duration
from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged
from repro.papers import arrangement
from repro.paths import Places


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
    with telling() as damaged:
        seen = [(folder, *_look(store, folder, damaged)) for folder in folders]
    if as_json:
        print(json.dumps([{"folder": str(folder), "state": state} for folder, state, _ in seen], indent=1))
        return
    if not seen:
        print("nothing has been run yet", next_line("repro run digits", where), sep="\n")
    widest = max((len(folder.parent.name) for folder in folders), default=0)
    for folder, state, told in seen:
        method, _, key = folder.name.rpartition("-")
        told = f"done    {told:>8}" if state == "done" else f"{state:<16}  {told}"
        print(f"{key}  {folder.parent.name:<{widest}} {method:<20} {told}".rstrip())


def _look(store: Store, folder: Path, damaged: list[Damaged]) -> tuple[str, str]:
    """A run's state, and what is to be said of it: how long it took, or what is wrong."""
    try:
        result = store.read_result(folder)
    except Damaged as error:
        damaged.append(error)
        return "damaged", error.why
    failure = None if result else store.failure(folder)
    return ("done", duration(result.seconds["total"])) if result else ("failed", failure.error) if failure else ("unfinished", "")
