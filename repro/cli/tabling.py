"""`repro table`: results as the papers print them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro import plugins
from repro.cli.context import complete_benchmark, complete_table, places
from repro.cli.left_out import telling
from repro.display import formats, paper_tables, tables
from repro.display.paper_tables import View
from repro.display.tables import Table
from repro.errors import UserError, nearest, unknown
from repro.outcomes import index, unchanged
from repro.outcomes.selection import CHOICES, PAPER
from repro.outcomes.store import Store, write_atomically
from repro.outcomes.stored import Damaged
from repro.outcomes.unchanged import Made
from repro.papers import arrangement
from repro.papers.arrangement import PaperTable
from repro.paths import Places
from repro.planning.configurations import gone
from repro.types import Result

if TYPE_CHECKING:
    from rich.console import Console


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
        else:
            _put(_asked(name, where, select, form, tiny, _console(form, out)), out)


def show_table(name: str, where: Places, tiny: bool, as_json: bool) -> None:
    """Print a paper's table with all that has been run of it."""
    form = "json" if as_json else "terminal"
    with uncollected():
        _put(_asked(arrangement.load(name).name, where, PAPER, form, tiny, _console(form, None)), None)


def _asked(name: str | None, where: Places, select: str, form: str, tiny: bool, console: Console | None) -> str:
    """The text of one table or several."""
    arranged = [arrangement.load(each) for each in (() if name is None else of_paper(name))]
    benchmark = name and name.removeprefix("benchmark/")
    rule = None if select == PAPER else select

    def make() -> Made:
        told: list[str] = []
        with telling(tiny) as damaged:
            if arranged:
                made = [_view(each, where, rule, tiny, told, damaged) for each in arranged]
            else:
                made = tables.build(_results(benchmark, where, tiny, told, damaged), select, damaged=damaged)
        return Made([_laid_out(made, form, console)], told, whole=not damaged)

    involved = [own for each in arranged for own in each.benchmarks] if arranged else [benchmark] if benchmark else None
    shape = f"{console.options} {console.color_system} {console.no_color}" if console else ""
    (text,) = _unchanged(where, involved, f"table {name} {select} {form} {tiny}", shape, make)
    return text


def _unchanged(where: Places, benchmarks: list[str] | None, asked: str, shape: str, make: Callable[[], Made]) -> list[str]:
    """Texts of tables, those of last time where nothing has changed; what is left out of them is told each time."""
    made, kept = unchanged.made(Store(where.runs), benchmarks, asked, shape, make)
    for sentence in made.told if kept else ():
        typer.echo(sentence, err=True)
    return made.texts


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
        names = [*benchmarks, *arrangement.papers()]
        raise unknown("table", name, [*names, *known] if nearest(name, [*names, *known]) else names, "repro list tables")
    return ()


def _view(arranged: PaperTable, where: Places, select: str | None, tiny: bool, told: list[str], damaged: list[Damaged]) -> View:
    found = index.find(Store(where.runs), arranged.benchmarks)
    damaged += found.damaged
    known = paper_tables.benchmarks_of(arranged, where)
    results = known_methods(found.results, told)
    return paper_tables.view(arranged, results, found.failures, known, damaged=found.damaged, select=select, tiny=tiny)


def _results(name: str | None, where: Places, tiny: bool, told: list[str], damaged: list[Damaged]) -> list[Result]:
    """A benchmark's results, or all; none is a mistake."""
    store = Store(where.runs)
    found = index.find(store, None if name is None else [name])
    damaged += found.damaged
    stored = [result for result in found.results if result.run.benchmark.tiny == tiny]
    if not known_methods(stored, told):
        raise nothing_yet(store, name, tiny)
    return stored


def nothing_yet(store: Store, benchmark: str | None, tiny: bool) -> UserError:
    """The error where nothing has been run that could be shown."""
    return UserError(
        f"there are no results{f' of {benchmark}' if benchmark else ''}{' on tiny subsets' if tiny else ''} yet",
        f"looked in {store.root}",
        f"repro run {benchmark or 'digits'}{' --tiny' if tiny else ''}",
    )


def known_methods(stored: list[Result], told: list[str] | None = None) -> list[Result]:
    """Results of methods that this program has; what is left out is said, and added to `told`."""
    results = [result for result in stored if not gone(result)]
    if len(results) < len(stored):
        names = ", ".join(sorted({result.run.method for result in stored if gone(result)}))
        left_out = f"left out: {len(stored) - len(results)} results of {names}, which this program does not have"
        typer.echo(left_out, err=True)
        (told if told is not None else []).append(left_out)
    return results


def _write_all(where: Places, excluded: list[str | None], out: Path | None) -> None:
    """Every paper's table into its file; one whose text is as before is not touched. `excluded` are names and options beside --all."""
    name = next(filter(None, excluded), None)
    if name is not None or out is None:
        what = "--all needs --out DIR" if name is None else f"--all and {name} exclude each other"
        raise UserError(what, "it writes <out>/<paper>/<table>.md for every table", "repro table --all --out DIR")

    def make() -> Made:
        told: list[str] = []
        with telling(tiny=False) as damaged:
            views = (_view(arrangement.load(each), where, None, False, told, damaged) for each in arrangement.names())
            return Made([formats.text([view], "markdown") for view in views], told, whole=not damaged)

    written = 0
    for each, content in zip(arrangement.names(), _unchanged(where, None, "table --all", "", make), strict=True):
        path = out / f"{each}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            save(path, content)
            written += 1
    print(f"{out}: {len(arrangement.names())} tables, {written} written, the others are as they were")


def save(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise UserError(f"cannot write {path}", error.strerror or str(error), "name another place by --out") from None


def write(made: Sequence[Table | View], form: str, out: Path | None) -> None:
    """Print tables, or write them to a file, in one of the formats."""
    _put(_laid_out(made, form, _console(form, out)), out)


def _console(form: str, out: Path | None) -> Console | None:
    """The terminal, where tables are laid out for it."""
    from rich.console import Console

    return Console(highlight=False) if form == "terminal" and out is None else None


def _laid_out(made: Sequence[Table | View], form: str, console: Console | None) -> str:
    if console is None:
        return formats.text(made, form)
    with console.capture() as captured:
        for entry in formats.screens(made):
            console.print(entry)
    return captured.get()


def _put(text: str, out: Path | None) -> None:
    if out is None:
        print(text, end="")
    else:
        save(out, text)
