"""`repro` alone: what is here, what has been run, the one next command worth running."""

from __future__ import annotations

import os
from collections import Counter
from typing import Annotated

import typer

from repro import __version__
from repro.cli.context import GlobalOptions, next_line


def _version(asked: bool) -> None:
    if asked:
        print(f"repro {__version__}")
        raise typer.Exit


def home(
    context: typer.Context,
    home: Annotated[str | None, typer.Option("--home", help="Folder for everything the program keeps [env: REPRO_HOME].")] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Folder for datasets and weights; more, separated as in PATH, are only read [env: REPRO_DATA]."),
    ] = None,
    packs: Annotated[str | None, typer.Option("--packs", help="Folder for decoded images [env: REPRO_PACKS].")] = None,
    runs: Annotated[str | None, typer.Option("--runs", help="Folder for runs and results [env: REPRO_RUNS].")] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Reproduce the benchmark tables of the robust fine-tuning papers."""
    context.obj = GlobalOptions(home, data, packs, runs)
    if context.invoked_subcommand is None:
        _overview(context.obj)


def _overview(options: GlobalOptions) -> None:
    from rich.console import Console
    from rich.markup import escape

    from repro import plugins
    from repro.outcomes.store import Store

    places = options.places()
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]repro {__version__}[/]  reproduces the benchmark tables of the robust fine-tuning papers")
    console.print(f"benchmarks  {', '.join(plugins.names('benchmarks'))}")
    console.print(f"methods     {', '.join(name for name in plugins.names('methods') if plugins.declared(name).reported)}")
    for place in ("data", "packs", "runs"):
        shown = os.pathsep.join(map(str, places.data_roots)) if place == "data" else str(getattr(places, place))
        console.print(f"{place:<11} {escape(shown)}  [dim]({escape(places.sources[place])})[/]")
    store = Store(places.runs)
    states: dict[str, Counter[str]] = {}
    for folder in store.folders():
        state = "done" if (folder / "result.json").exists() else "failed" if (folder / "failed.json").exists() else "unfinished"
        states.setdefault(folder.parent.name, Counter())[state] += 1
    for benchmark, counts in states.items():
        console.print(f"runs of {benchmark}: " + ", ".join(f"{number} {state}" for state, number in counts.items()))
    command, note = _next(states, ["folder", *plugins.names("benchmarks")])
    if not states:
        console.print("nothing has been run yet")
    label, _, words = next_line(command, places).partition(" ")
    console.print(f"{label} [bold]{escape(words)}[/]{f'  # {note}' if note else ''}")


def _next(states: dict[str, Counter[str]], benchmarks: list[str]) -> tuple[str, str]:
    """The command worth running, and what is to be said of it."""
    if not states:
        return "repro run digits", ""
    pending = next((benchmark for benchmark, counts in states.items() if counts["failed"] or counts["unfinished"]), None)
    missing = next((name for name in benchmarks if name not in states and name != "light-curves"), None)
    if pending in ("folder", "light-curves"):  # whose data only the user can name again
        return "repro show", "lists the runs that did not finish"
    if pending:
        words = f"{pending.removesuffix('-tiny')} --tiny" if pending.endswith("-tiny") else pending
        return f"repro run {words}", "with the options that it was begun with, finishes what is missing"
    if missing == "folder":
        return "repro run folder --root DIR --id DOMAIN --ood DOMAIN", ""
    return (f"repro run {missing} --dry-run", "tells what it needs and costs") if missing else ("repro table", "")
