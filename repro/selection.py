"""Which checkpoint of a run is reported: a pure function over stored records, applied after training."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal

from repro.errors import UserError, unknown
from repro.metrics import title
from repro.types import Benchmark, Checkpoint, Role, Split

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


def splits_of(rule: str, benchmark: Benchmark) -> tuple[Split, ...]:
    """The splits that a rule looks at; a benchmark without one is a `UserError`."""
    splits = _looked_at(rule, benchmark)
    if not splits:
        raise UserError(f"{benchmark.name} has no split for selection by {rule}", RULES[rule], "repro table NAME --select id_val")
    return splits


def headline(point: Checkpoint, split: Split, benchmark: Benchmark) -> float:
    """The headline metric of a split; a checkpoint judged before the benchmark named that metric is a `UserError`."""
    metric = benchmark.metric_of(split)
    if metric not in point.metrics[split.name]:
        raise UserError(
            f"a result of {benchmark.name} has no {title(metric)} on {split.name}",
            "it was judged when the benchmark named another metric",
            "remove the runs that repro show lists for it, then run the same command again",
        )
    return point.metrics[split.name][metric]


def score(point: Checkpoint, rule: str, benchmark: Benchmark) -> float:
    """What the rule ranks a checkpoint by: mean over the rule's splits, each by its own headline metric."""
    return statistics.fmean(headline(point, split, benchmark) for split in splits_of(rule, benchmark))


def select(points: Sequence[Checkpoint], rule: str, benchmark: Benchmark) -> Checkpoint:
    """The reported checkpoint; the earliest of equals (pandas' idxmax in the LP-FT authors' scripts/summarize_results.py does the same)."""
    if rule not in RULES:
        raise unknown("selection rule", rule, RULES, "repro table --help")
    if rule == "last":
        return points[-1]
    splits_of(rule, benchmark)  # a single checkpoint is no choice, but the caption would name a rule that cannot be followed
    return max(points, key=lambda point: score(point, rule, benchmark))


def worth_keeping(points: Sequence[Checkpoint], benchmark: Benchmark) -> tuple[str, ...]:
    """Names of the checkpoints that some applicable rule would report, in order."""
    rules = [rule for rule in RULES if rule == "last" or _looked_at(rule, benchmark)]
    chosen = {select(points, rule, benchmark).name for rule in rules}
    return tuple(point.name for point in points if point.name in chosen)
