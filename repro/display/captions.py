"""The sentences below a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from repro.errors import a_few
from repro.outcomes.metrics import is_share, spell
from repro.outcomes.selection import RULES, splits_of
from repro.outcomes.stats import INTERVAL
from repro.outcomes.stored import Damaged
from repro.types import Benchmark, Result

if TYPE_CHECKING:
    from repro.display.tables import Column, Row


MARK = "†"  # beside the head of a column that choices were made on


def caption(
    results: list[Result], paper: str | None, columns: tuple[Column, ...], rows: list[Row], shared: tuple[str, ...], notes: list[str]
) -> list[str]:
    """The sentences below a table: what its columns measure, which runs, recipes and rules are behind them, what rows share, how they were tuned."""
    benchmark = results[-1].run.benchmark
    counts = sorted({len(row.seeds) for row in rows if row.seeded})
    seeds = f"{' or '.join(map(str, counts)) or 'no'} seed{'s' if counts != [1] else ''}"
    fixed = dict.fromkeys(row.method for row in rows if not row.seeded)
    backbone = sorted({_spell(result) for result in results})
    sentences = [
        f"{_metrics(columns)}, mean ± {INTERVAL} ({seeds}{'; ' + ', '.join(fixed) + ' has nothing random' if fixed else ''}); best mean of each column in bold.",
        f"Backbone {', '.join(backbone)}. {_rules(rows, benchmark)}.",
    ]
    if paper:
        sentences.append(f"Recipes of {paper}.")
    sentences += _chosen(columns, rows)
    beside = [column.name for column in columns if not column.headline]
    if beside:
        sentences.append(f"Shown beside the others, in no average: {', '.join(beside)}.")
    if shared:
        sentences.append(f"All rows with {' '.join(shared)}.")
    if notes:
        sentences.append("; ".join(notes) + ".")
    if benchmark.tiny:
        sentences.append("TINY subset: a check that the program works, comparable with nothing.")
    return sentences


def lacking(damaged: Iterable[Damaged], benchmarks: Collection[str], tiny: bool) -> list[str]:
    """What is missing below a table of those benchmarks because it cannot be read: a sentence, or none."""
    own = [one for one in damaged if one.benchmark in benchmarks and one.tiny == tiny]
    if not own:
        return []
    told = f"{len(own)} result{'s' if len(own) > 1 else ''} of {', '.join(dict.fromkeys(one.benchmark for one in own))}"
    return [f"{told} {'are' if len(own) > 1 else 'is'} damaged and left out: {a_few([one.folder.name for one in own])}."]


def _metrics(columns: tuple[Column, ...]) -> str:
    """What the columns measure, per group where the columns of each agree: `ID: accuracy; OOD: worst-region accuracy, in %`."""
    measured = dict.fromkeys((column.group, column.metric) for column in columns)
    if len(measured) > len({group for group, _ in measured}):
        measured = {(f"{column.group} avg" if len(column.splits) > 1 else column.name, column.metric): None for column in columns}
    text = spell(measured)
    if not any(is_share(metric) for _, metric in measured):
        return text
    return f"{text}, in %" if ": " in text else f"{text[0].upper()}{text[1:]} in %"


def _rules(rows: list[Row], benchmark: Benchmark) -> str:
    """The rule of all rows, or each of those that the rows name."""
    used = dict.fromkeys(row.rule for row in rows if row.selected) or dict.fromkeys(row.rule for row in rows[:1])
    told = "; ".join(f"by {rule}: {RULES[rule]}{_ranked_by(rule, benchmark)}" for rule in used)
    return f"Checkpoint selected {told}" if len(used) == 1 else f"Checkpoints selected as each row says, {told}"


def _chosen(columns: tuple[Column, ...], rows: list[Row]) -> list[str]:
    """What the mark at a column's head means: which rows have a choice behind them that was made on the very split."""
    by_rows = dict.fromkeys(column.selected_on for column in columns if column.selected_on)
    return [
        f"{MARK} {', '.join(column.name for column in columns if column.selected_on == names)}: checkpoint, settings or the probe's C "
        f"{'of ' + ', '.join(names) if len(names) < len(rows) else 'of every row'} were chosen on this very split, so the numbers are optimistic."
        for names in by_rows
    ]


def _ranked_by(rule: str, benchmark: Benchmark) -> str:
    """The metrics that a rule ranks by, where the benchmark has more than one headline metric."""
    several = len({benchmark.metric_of(split) for split in benchmark.splits}) > 1
    return (
        f" (by {spell((split.name, benchmark.metric_of(split)) for split in splits_of(rule, benchmark))})"
        if several and rule != "last"
        else ""
    )


def _spell(result: Result) -> str:
    reference = result.run.backbone
    kwargs = "".join(f",{key}={value}" for key, value in reference.kwargs.items())
    return f"{reference.name}{kwargs}" + (f" (weights {reference.weights[:8]})" if reference.weights else "")
