"""What a plan will cost, as far as earlier runs tell."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from repro.plan import Plan
from repro.store import Store
from repro.types import Result, Run


class Forecast(NamedTuple):
    """`seconds` is None where nothing comparable has been run; `known` of the runs to do are like earlier ones."""

    todo: tuple[Run, ...]
    done: tuple[Run, ...]
    seconds: float | None
    known: int


def forecast(plan: Plan, store: Store) -> Forecast:
    """Split a plan into finished and missing runs, and predict the time of the missing ones from finished ones like them."""
    done = tuple(run for run in plan.runs if store.result(run))
    todo = tuple(run for run in plan.runs if run not in done)
    history = store.results() if todo else []
    predictions = [predict(run, history) for run in todo]
    known = [seconds for seconds in predictions if seconds is not None]
    total = sum(known) + (len(todo) - len(known)) * statistics.mean(known) if known else None
    return Forecast(todo, done, total, len(known))


def predict(run: Run, history: list[Result]) -> float | None:
    """Median seconds of finished runs of the same method, benchmark data and backbone, scaled by epochs."""
    like = [
        result.seconds["total"] * max(run.recipe.epochs, 1) / max(result.run.recipe.epochs, 1)
        for result in history
        if (result.run.method, result.run.benchmark.identity(), result.run.backbone.name)
        == (run.method, run.benchmark.identity(), run.backbone.name)
        and result.run.recipe.image_size == run.recipe.image_size
    ]
    return statistics.median(like) if like else None
