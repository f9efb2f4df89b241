"""Cells of tables whose true means and deviations are known: what a paper would print of its seeds, beside seeds of ours."""

from __future__ import annotations

import random
import statistics
from typing import Any

from repro.papers.reported import Reported
from repro.papers.verdicts import Outcome, compare


def reported(value: str, **changes: Any) -> Reported:
    """A verified accuracy over three seeds, made up."""
    fields = {"table": "1", "benchmark": "made-up", "split": "id_test", "metric": "accuracy", "method": "ft", "value": value, "seeds": 3}
    return Reported(**{**fields, "confidence": "verified", "source": "made up", "words": "", **changes})


def cell(
    draw: random.Random,
    *,
    shift: float = 0.0,
    theirs: float = 1.0,
    ours: float = 1.0,
    kind: str = "ci90",
    stated: bool = True,
    runs: int = 3,
    seeds: int = 3,
    digits: int = 1,
    examples: int | None = None,
) -> Outcome:
    """The verdict on one cell: `runs` of deviation `theirs` around a mean, printed to `digits`, against `seeds` of deviation `ours` around
    that mean + `shift`. `kind`: of the printed spread, empty for none; `stated`: whether the number of runs is printed.
    """
    mean = draw.uniform(40, 90)
    paper = [draw.gauss(mean, theirs) for _ in range(runs)]
    spread = {}
    if kind:
        deviation = statistics.stdev(paper)
        number = deviation if kind == "std" else {"ci90": 1.645, "ci95": 1.96}[kind] * deviation / runs**0.5
        spread = {"spread": f"{number:.{digits}f}", "spread_kind": kind}
    printed = reported(f"{statistics.fmean(paper):.{digits}f}", seeds=runs if stated else None, **spread)
    return compare(printed, [draw.gauss(mean + shift, ours) for _ in range(seeds)], examples=examples)


def rate(verdicts: tuple[str, ...], trials: int, seed: int = 0, **options: Any) -> float:
    """Share of cells that get one of the verdicts."""
    draw = random.Random(seed)
    return sum(cell(draw, **options).verdict in verdicts for _ in range(trials)) / trials
