"""`repro table`: results as the papers print them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro import plugins, render, tables
from repro.cli.context import complete_benchmark, places
from repro.configurations import gone
from repro.errors import UserError, unknown
from repro.selection import CHOICES, PAPER
from repro.store import Store


def table(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="A benchmark; every one with results where left out.", autocompletion=complete_benchmark)
    ] = None,
    select: Annotated[
        str,
        typer.Option(
            "--select",
            help=f"Which checkpoint and setting are reported: {', '.join(CHOICES)}. {PAPER}: {CHOICES[PAPER]}.",
            autocompletion=lambda: list(CHOICES),
        ),
    ] = PAPER,
    form: Annotated[
        str, typer.Option("--format", help="terminal, markdown or json.", autocompletion=lambda: ["terminal", "markdown", "json"])
    ] = "terminal",
    tiny: Annotated[bool, typer.Option("--tiny", help="Tables of tiny subsets, which are comparable with nothing.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file instead of the screen.")] = None,
) -> None:
    """Render what has been run, without running anything."""
    if select not in CHOICES:
        raise unknown("selection rule", select, CHOICES, "repro table --help")
    if form not in ("terminal", "markdown", "json"):
        raise unknown("format", form, ["terminal", "markdown", "json"], "repro table --help")
    if name is not None and name not in plugins.names("benchmarks"):
        raise unknown("table", name, plugins.names("benchmarks"), "repro list tables")
    store = Store(places(context).runs)
    stored = [result for result in store.results(name) if result.run.benchmark.tiny == tiny]
    results = [result for result in stored if not gone(result)]
    if len(results) < len(stored):
        names = ", ".join(sorted({result.run.method for result in stored if gone(result)}))
        typer.echo(f"left out: {len(stored) - len(results)} results of {names}, which this program does not have", err=True)
    if not results:
        raise nothing_yet(store, name, tiny)
    write(tables.build(stored, select), form, out)


def nothing_yet(store: Store, benchmark: str | None, tiny: bool) -> UserError:
    """The error where nothing has been run that could be shown."""
    return UserError(
        f"there are no results{f' of {benchmark}' if benchmark else ''}{' on tiny subsets' if tiny else ''} yet",
        f"looked in {store.root}",
        f"repro run {benchmark or 'digits'}{' --tiny' if tiny else ''}",
    )


def write(made: list[tables.Table], form: str, out: Path | None) -> None:
    """Print tables, or write them to a file, in one of the formats."""
    if form == "terminal" and out is None:
        from rich.console import Console

        console = Console(highlight=False)
        for entry in made:
            console.print(render.terminal(entry))
        return
    if form == "json":
        import json

        text = json.dumps([render.as_json(entry) for entry in made], indent=1) + "\n"
    else:
        text = "\n".join(render.markdown(entry) for entry in made)
    if out is None:
        print(text, end="")
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {out}", error.strerror or str(error), "name another file: --out FILE") from None
