"""Which checkpoint of a run is reported: a pure function over stored records, applied after training."""

from __future__ import annotations

import statistics
from collections.abc import Container, Sequence
from typing import Literal

from repro.errors import UserError, unknown
from repro.outcomes.metrics import later_of_equals, rank, title
from repro.settings import Recipe
from repro.types import Benchmark, Checkpoint, Result, Role, Split

Rule = Literal["id_val", "ood_val", "last", "oracle"]
RULES: dict[str, str] = {
    "id_val": "best on the ID validation split",
    "ood_val": "best on the OOD validation split",
    "last": "the last checkpoint",
    "oracle": "best on the reported OOD splits: not a fair choice, shown as such",
}
PAPER = "paper"
CHOICES: dict[str, str] = {PAPER: "as the paper does whose recipe a row has; id_val where no paper says", **RULES}  # for a whole table
_ROLE: dict[str, Role] = {"id_val": "id_val", "ood_val": "ood_val", "oracle": "ood_test"}


def _looked_at(rule: str, benchmark: Benchmark) -> tuple[Split, ...]:
    """The splits of the rule's role; the oracle looks at headline splits alone, validation splits may be shown beside them."""
    return tuple(split for split in benchmark.with_role(_ROLE[rule]) if split.headline or rule != "oracle")


def possible(rule: str, benchmark: Benchmark, judged: Container[str]) -> bool:
    """Whether a rule has splits to look at, and all of them are among those judged."""
    splits = _looked_at(rule, benchmark)
    return bool(splits) and all(split.name in judged for split in splits)


def splits_of(rule: str, benchmark: Benchmark) -> tuple[Split, ...]:
    """The splits that a rule looks at; a benchmark without one is a `UserError`."""
    splits = _looked_at(rule, benchmark)
    if not splits:
        raise UserError(f"{benchmark.name} has no split for selection by {rule}", RULES[rule], "repro table NAME --select id_val")
    return splits


def headline(point: Checkpoint, split: Split, benchmark: Benchmark, metric: str | None = None) -> float:
    """The headline metric of a split, or `metric`; a `UserError` where the checkpoint was judged on another split or by another metric."""
    metric = metric or benchmark.metric_of(split)
    if split.name not in point.metrics:
        raise UserError(
            f"{point.name} of a run on {benchmark.name} was not judged on {split.name}",
            "with judge=selected that is done only at the checkpoint that ID validation selects",
            "repro table --select id_val, or run it with --set judge=all",
        )
    if metric not in point.metrics[split.name]:
        raise UserError(
            f"a result of {benchmark.name} has no {title(metric)} on {split.name}",
            "it was judged when the benchmark named another metric",
            "remove the runs that repro show lists for it, then run the same command again",
        )
    return point.metrics[split.name][metric]


def score(point: Checkpoint, rule: str, benchmark: Benchmark, by: str | None = None) -> float:
    """What the rule ranks a checkpoint by, the higher the better: mean over the rule's splits, each by its own headline metric.

    `by` is the metric that stands in the headline's place on ID validation (a recipe's `select_by`).
    """
    return _mean(point, _ranked_by(rule, benchmark, by), benchmark)


def _ranked_by(rule: str, benchmark: Benchmark, by: str | None) -> list[tuple[Split, str]]:
    """The rule's splits, each with the metric that it is ranked by."""
    return [(split, (by if rule == "id_val" else None) or benchmark.metric_of(split)) for split in splits_of(rule, benchmark)]


def _mean(point: Checkpoint, ranked: list[tuple[Split, str]], benchmark: Benchmark) -> float:
    return statistics.fmean([rank(metric, headline(point, split, benchmark, metric)) for split, metric in ranked])


def select(points: Sequence[Checkpoint], rule: str, benchmark: Benchmark, by: str | None = None) -> Checkpoint:
    """The reported checkpoint, by `score`; the earliest of equals unless the metric `by` says otherwise."""
    if rule not in RULES:
        raise unknown("selection rule", rule, RULES, "repro table --help")
    if rule == "last":
        return points[-1]
    ranked = _ranked_by(rule, benchmark, by)  # a single checkpoint is no choice, but the caption would name a rule that cannot be followed
    ordered = points[::-1] if by and rule == "id_val" and later_of_equals(by) else points
    return max(ordered, key=lambda point: _mean(point, ranked, benchmark))


def reported(result: Result, rule: str) -> Checkpoint:
    """The checkpoint of a result that the rule selects, by the metric that its recipe selects by; the index has looked already."""
    picked = result.picked(rule) if hasattr(result, "picked") else None
    return picked or select(result.checkpoints, rule, result.run.benchmark, result.run.recipe.select_by)


def worth_keeping(points: Sequence[Checkpoint], benchmark: Benchmark, recipe: Recipe | None = None) -> tuple[str, ...]:
    """Names of the checkpoints that some applicable rule would report, in order; with judge=selected, that of ID validation alone."""
    recipe = recipe or Recipe()
    judged = points[-1].metrics
    every = [rule for rule in RULES if rule == "last" or possible(rule, benchmark, judged)]
    rules = every if recipe.judge == "all" else ["id_val"]
    chosen = {select(points, rule, benchmark, recipe.select_by).name for rule in rules}
    return tuple(point.name for point in points if point.name in chosen)
