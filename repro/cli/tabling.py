"""`repro table`: results as the papers print them."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from repro import plugins
from repro.cli.context import complete_benchmark, complete_table, places
from repro.display import formats, paper_tables, tables
from repro.errors import UserError, unknown
from repro.outcomes import index
from repro.outcomes.selection import CHOICES, PAPER
from repro.outcomes.store import Store, write_atomically
from repro.papers import arrangement
from repro.paths import Places
from repro.planning.configurations import gone
from repro.types import Result


def _complete(incomplete: str) -> list[str]:
    return [*complete_benchmark(incomplete), *complete_table(incomplete)]


def table(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            help="A benchmark, a paper's table such as lp-ft/2, or a paper for all of its tables; every benchmark with results where left out.",
            autocompletion=_complete,
        ),
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
        str, typer.Option("--format", help=f"One of {', '.join(formats.FORMATS)}.", autocompletion=lambda: list(formats.FORMATS))
    ] = "terminal",
    tiny: Annotated[bool, typer.Option("--tiny", help="Tables of tiny subsets, which are comparable with nothing.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file instead of the screen; with --all, a folder.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Write every paper's table as markdown, <out>/<paper>/<table>.md.")] = False,
) -> None:
    """Render what has been run, without running anything."""
    if select not in CHOICES:
        raise unknown("selection rule", select, CHOICES, "repro table --help")
    if form not in formats.FORMATS:
        raise unknown("format", form, formats.FORMATS, "repro table --help")
    where = places(context)
    with uncollected():
        if every:
            asked = {"--tiny": tiny, f"--select {select}": select != PAPER, f"--format {form}": form not in ("terminal", "markdown")}
            _write_all(where, [name, *(option for option, given in asked.items() if given)], out)
        elif name is not None and (own := of_paper(name)):
            write([_view(each, where, None if select == PAPER else select, tiny) for each in own], form, out)
        else:
            write(tables.build(_results(name, where, tiny), select), form, out)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles, which goes through all results again and again while a table is built of them, and finds none."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def of_paper(name: str) -> tuple[str, ...]:
    """The names of a paper's tables, or of the one that is named; none where it is a benchmark's; what is neither is a mistake."""
    known = arrangement.names()
    if name in known:
        return (name,)
    if own := tuple(other for other in known if other.startswith(f"{name}/")):
        return own
    benchmarks = plugins.names("benchmarks")
    if name.removeprefix("benchmark/") not in benchmarks:
        raise unknown("table", name, [*benchmarks, *known, *arrangement.papers()], "repro list tables")
    return ()


def _view(name: str, where: Places, select: str | None, tiny: bool) -> paper_tables.View:
    arranged = arrangement.load(name)
    found = index.find(Store(where.runs), arranged.benchmarks)
    known = paper_tables.benchmarks_of(arranged, where)
    return paper_tables.view(arranged, known_methods(found.results), found.failures, known, select=select, tiny=tiny)


def _results(name: str | None, where: Places, tiny: bool) -> list[Result]:
    """A benchmark's results, or all; none is a mistake."""
    store = Store(where.runs)
    name = name and name.removeprefix("benchmark/")
    stored = [result for result in index.find(store, None if name is None else [name]).results if result.run.benchmark.tiny == tiny]
    if not known_methods(stored):
        raise nothing_yet(store, name, tiny)
    return stored


def nothing_yet(store: Store, benchmark: str | None, tiny: bool) -> UserError:
    """The error where nothing has been run that could be shown."""
    return UserError(
        f"there are no results{f' of {benchmark}' if benchmark else ''}{' on tiny subsets' if tiny else ''} yet",
        f"looked in {store.root}",
        f"repro run {benchmark or 'digits'}{' --tiny' if tiny else ''}",
    )


def known_methods(stored: list[Result]) -> list[Result]:
    """Results of methods that this program has; what is left out is told."""
    results = [result for result in stored if not gone(result)]
    if len(results) < len(stored):
        names = ", ".join(sorted({result.run.method for result in stored if gone(result)}))
        typer.echo(f"left out: {len(stored) - len(results)} results of {names}, which this program does not have", err=True)
    return results


def _write_all(where: Places, excluded: list[str | None], out: Path | None) -> None:
    """Every paper's table into its file; one whose text is as before is not touched. `excluded` are names and options beside --all."""
    name = next(filter(None, excluded), None)
    if name is not None or out is None:
        what = "--all needs --out DIR" if name is None else f"--all and {name} exclude each other"
        raise UserError(what, "it writes <out>/<paper>/<table>.md for every table", "repro table --all --out DIR")
    written = 0
    for each in arrangement.names():
        path, content = out / f"{each}.md", formats.text([_view(each, where, None, False)], "markdown")
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            save(path, content)
            written += 1
    print(f"{out}: {len(arrangement.names())} tables, {written} written, the others are as they were")


def save(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise UserError(f"cannot write {path}", error.strerror or str(error), "name another place: --out") from None


def write(made: Sequence[tables.Table | paper_tables.View], form: str, out: Path | None) -> None:
    """Print tables, or write them to a file, in one of the formats."""
    if form == "terminal" and out is None:
        from rich.console import Console

        console = Console(highlight=False)
        for entry in formats.screens(made):
            console.print(entry)
        return
    text = formats.text(made, form)
    if out is None:
        print(text, end="")
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {out}", error.strerror or str(error), "name another file: --out FILE") from None
