"""`repro compare`: two runs or two methods on the same examples."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from repro import plugins
from repro.cli.context import complete_benchmark, places
from repro.cli.left_out import telling
from repro.cli.options import AsJson
from repro.display.tables import rule_of
from repro.errors import unknown
from repro.outcomes import comparison, metrics, pairing
from repro.outcomes.comparison import Compared
from repro.outcomes.pairing import Pairs
from repro.outcomes.selection import CHOICES, PAPER
from repro.outcomes.store import Store


def _complete(context: typer.Context, incomplete: str) -> list[str]:
    keys = [folder.name.rpartition("-")[2] for folder in Store(places(context).runs).folders()]
    return [name for name in [*plugins.names("methods"), *keys] if name.startswith(incomplete)]


def compare(
    context: typer.Context,
    a: Annotated[str, typer.Argument(help="A run's key or its first digits, or a method: all its seeds.", autocompletion=_complete)],
    b: Annotated[str, typer.Argument(help="What it is compared with.", autocompletion=_complete)],
    split: Annotated[str | None, typer.Option("--split", help="One split; every reported one where left out.")] = None,
    select: Annotated[
        str, typer.Option("--select", help=f"Which checkpoint is compared: {', '.join(CHOICES)}.", autocompletion=lambda: list(CHOICES))
    ] = PAPER,
    benchmark: Annotated[
        str | None,
        typer.Option(
            "--benchmark",
            help="Its name or a part of its title, where both methods were run on several.",
            autocompletion=complete_benchmark,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs or methods on the same examples, with test-set and seed uncertainty apart."""
    if select not in CHOICES:
        raise unknown("selection rule", select, CHOICES, "repro compare --help")
    store = Store(places(context).runs)
    with telling() as damaged:
        pairs = pairing.find(store, a, b, select, benchmark, damaged)
    made = comparison.compare(store, pairs, select, split)
    if as_json:
        print(json.dumps(_as_json(pairs, select, made), indent=1))
        return
    print(pairs.benchmark.title)
    for name, rule, side in zip((pairs.a, pairs.b), _rules(pairs, select), zip(*pairs.pairs, strict=True), strict=True):
        keys = dict.fromkeys(f"{run.key[:8]} (seed {run.run.seed})" for run in side)
        print(f"  {name}, checkpoints by {rule}: {', '.join(keys)}")
    if pairs.benchmark.tiny:
        print("TINY subset: a check that the program works, comparable with nothing.")
    for one in made:
        _print(one)


def _rules(pairs: Pairs, select: str) -> list[str]:
    """By which rule the checkpoints of each side are selected."""
    return [rule_of(run.run, select) for run in pairs.pairs[0]]


def _print(one: Compared) -> None:
    drawn, found = one.drawn, one.examples
    half = "–" if one.seeds.half is None else f"± {100 * one.seeds.half:.1f}"
    pairs = f"{one.seeds.n} pair{'s' if one.seeds.n > 1 else ''} of seeds"
    print(f"\n{one.split}, {metrics.title(one.metric)} in %: {100 * one.a:.1f} and {100 * one.b:.1f}, difference {100 * found.mean:+.1f}")
    print(
        f"  over {drawn:<9} {100 * found.low:+.1f} to {100 * found.high:+.1f}, p = {found.p:.2g}"
        f"   (test set: 95 % paired bootstrap, {found.draws:,} draws of {drawn}, these trainings)"
    )
    print(f"  over seeds     {100 * one.seeds.mean:+.1f} {half}   (training: 95 % t interval of {pairs}, these examples)")
    print(f"  {one.sentence}")


def _as_json(pairs: Pairs, rule: str, made: list[Compared]) -> dict[str, Any]:
    """Fractions, as in results."""
    splits = [
        {
            "split": one.split,
            "metric": one.metric,
            "a": one.a,
            "b": one.b,
            "difference": one.examples.mean,
            "test_set": {
                "drawn": one.drawn,
                "low": one.examples.low,
                "high": one.examples.high,
                "p": one.examples.p,
                "draws": one.examples.draws,
            },
            "seeds": {"pairs": one.seeds.n, "half": one.seeds.half},
            "sentence": one.sentence,
        }
        for one in made
    ]
    keys = [[first.key, second.key] for first, second in pairs.pairs]
    return {
        "benchmark": pairs.benchmark.title,
        "tiny": pairs.benchmark.tiny,
        "select": _rules(pairs, rule),
        "a": pairs.a,
        "b": pairs.b,
        "pairs": keys,
        "splits": splits,
    }
