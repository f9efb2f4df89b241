"""`repro plot`: figures of what has been run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import hexdigits
from typing import Annotated

import typer

from repro import plugins
from repro.cli.context import complete_benchmark, places
from repro.cli.left_out import telling
from repro.cli.tabling import nothing_yet
from repro.display import tables
from repro.display.tables import Table
from repro.errors import UserError, unknown
from repro.figures import kinds, measures, plots, searches
from repro.figures.kinds import MOST
from repro.outcomes.selection import CHOICES, PAPER
from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged
from repro.paths import Places
from repro.types import Benchmark, Result

KINDS = {
    "robustness": "ID against OOD of all rows",
    "wise-ft": "the curve of mixtures over α",
    "training": "loss and metrics per epoch",
    "groups": "accuracy of each group, such as regions",
    "distortion": "how far fine-tuning moved the features",
    "search": "the trials of autoft's search, and which settings mattered",
}


def plot(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            help="; ".join(f"{kind}: {caption}" for kind, caption in KINDS.items()) + ".",
            autocompletion=lambda incomplete: [kind for kind in KINDS if kind.startswith(incomplete)],
        ),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="BENCHMARK|KEY",
            help="A benchmark or runs' keys; every benchmark with results where left out.",
            autocompletion=complete_benchmark,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="FILE.svg, FILE.pdf or FILE.png; default: KIND-BENCHMARK.svg, here.")] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="Figures of tiny subsets, which are comparable with nothing.")] = False,
    rule: Annotated[
        str,
        typer.Option(
            "--select", help=f"Which checkpoint is shown: {', '.join(CHOICES)}; as in tables.", autocompletion=lambda: list(CHOICES)
        ),
    ] = PAPER,
    device: Annotated[str, typer.Option("--device", help="Where distortion computes features: auto, cpu, cuda or cuda:1.")] = "auto",
) -> None:
    """Draw what has been run; distortion computes features of kept weights, nothing is trained."""
    if kind not in KINDS:
        raise unknown("kind of figure", kind, KINDS, "repro plot --help")
    if rule not in CHOICES:
        raise unknown("selection rule", rule, CHOICES, "repro plot --help")
    plots.require()
    if out:
        plots.form_of(out)
    where = places(context)
    with telling() as damaged:
        stored, only, named = _wanted(Store(where.runs), names or [], tiny, damaged)
    if kind == "search":
        searched = [result for result in stored if result.key in only and (named or searches.trials_of(result))]
        if not searched:
            raise UserError("no search has been run of those", "the figure shows autoft's trials", "repro run BENCHMARK --method autoft")
        _draw(kind, [searches.search(result) for result in searched], [result.run.benchmark for result in searched], out)
        return
    made = tables.build(stored, rule, only)
    if not made:
        raise UserError("those runs are no rows of a table", "they are stages of other runs", "repro show")
    if kind == "training" and named:
        shown = [measures.training(result, tables.rule_of(result.run, rule)) for result in named]
    else:
        shown = _compute(kind, made, {result.key: result for result in stored}, where, device)
    _draw(kind, shown, [table.benchmark for table in made], out)


def _draw(kind: str, shown: list, benchmarks: list[Benchmark], out: Path | None) -> None:
    """Draw the panels into the file, and say what is in it."""
    if len(shown) > MOST:
        raise UserError(f"that would be {len(shown)} panels", f"one page holds {MOST}", f"name a benchmark or keys: repro plot {kind} NAME")
    subjects = dict.fromkeys(benchmark.name for benchmark in benchmarks)
    target = out or Path(f"{kind}-{'-'.join(subjects)}{'-tiny' if benchmarks[0].tiny else ''}.svg")
    plots.draw(shown, target)
    print(target)
    print(plots.caption_of(shown))


def _wanted(store: Store, names: Sequence[str], tiny: bool, damaged: list[Damaged]) -> tuple[list[Result], frozenset[str], list[Result]]:
    """All results, the keys of those asked for, and the runs asked for one by one; of these a damaged one is an error."""
    benchmarks = [name for name in names if name in plugins.names("benchmarks")]
    named = [_finished(store, name) for name in names if name not in benchmarks]
    if named and len({result.run.benchmark.tiny for result in named}) > 1:
        raise UserError(
            "some of those runs are of tiny subsets and some are not",
            "they are comparable with nothing",
            "name runs of one kind; repro show lists them",
        )
    tiny = named[0].run.benchmark.tiny if named else tiny
    stored = [result for result in store.results(damaged=damaged) if result.run.benchmark.tiny == tiny]
    keys = {result.key for result in named}
    for benchmark in benchmarks or ([] if named else [None]):
        found = {result.key for result in stored if benchmark in (None, result.run.benchmark.name)}
        if not found:
            raise nothing_yet(store, benchmark, tiny)
        keys |= found
    return stored, frozenset(keys), named


def _finished(store: Store, name: str) -> Result:
    """The run of a key; what is neither a key nor a benchmark is a `UserError`."""
    if set(name) - set(hexdigits):
        raise unknown("benchmark or key", name, plugins.names("benchmarks"), "repro list benchmarks, or repro show for keys")
    folder = store.find(name)
    result = store.read_result(folder)
    if result is None:
        raise UserError(f"run {folder.name} is not finished", "a figure needs its result", "run the same command again to continue it")
    return result


def _compute(kind: str, made: list[Table], results: dict[str, Result], where: Places, device: str) -> list:
    """The numbers of the panels. Tables that have nothing for the kind are passed over where others have."""
    found, lacking = [], []
    for table in made:
        try:
            found += _of_table(kind, table, results, where, device)
        except measures.Nothing as error:
            lacking.append(error)
    if not found:
        raise lacking[0]
    return found


def _of_table(kind: str, table: Table, results: dict[str, Result], where: Places, device: str) -> list:
    if kind in kinds.KINDS:
        return list(kinds.KINDS[kind](table, results))
    tuned = measures.tuned(table, results)
    from repro.figures.features import distortion

    typer.echo(f"features of {len(tuned)} runs, unless they are known from before", err=True)
    splits = [split for names in measures.headline_splits(table.benchmark).values() for split in names]
    return [measures.distortion(table, distortion(tuned, splits, where, device))]
