"""What a plan will cost: as earlier runs tell, and where there are none, by its arithmetic."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from repro import backbones, plugins
from repro.outcomes.store import Store
from repro.planning.plan import Plan
from repro.settings import Recipe
from repro.types import Result, Run

FLOP_PER_SECOND = 30e12  # of one GPU, a round number for these networks in practice
BACKWARD = 2  # passes forward that one backward is worth: gradients of weights and of activations


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


def passes(run: Run) -> int | None:
    """Images through the image tower, a backward pass counted as two; None where a split does not say how many it has.

    Training, judging, and the features of a probe; what a greedy soup judges on its way is left out.
    """
    method, recipe = plugins.declared(run.method), run.recipe
    counts = {split.name: split.count for split in run.benchmark.splits}
    trained = [split.name for split in method.trained_on(run.benchmark, recipe)]
    judged = method.judged_on(run.benchmark)
    times = dict.fromkeys(judged, len(recipe.alphas) if "alphas" in method.fields else max(-(-recipe.epochs // recipe.judge_every), 1))
    if recipe.epochs:
        views = _views(recipe) if "crops" in method.fields else 1
        times |= dict.fromkeys(trained, recipe.epochs * views * (1 if recipe.freeze == "backbone" else 1 + BACKWARD))
    if "lp_features" in method.fields:
        val = run.benchmark.with_role("id_val")[0].name
        times |= {trained[0]: 1, val: times[val] + 1}
    known = [counts[name] * number for name, number in times.items() if counts[name] is not None]
    return round(sum(known)) if len(known) == len(times) else None


def _views(recipe: Recipe) -> float:
    """Views of an image, counted by their area beside that of the largest."""
    sides = recipe.crop_sides or (1,) * len(recipe.crops)
    return sum(count * (side / max(sides)) ** 2 for count, side in zip(recipe.crops, sides, strict=True))


def flop(run: Run) -> float | None:
    """Arithmetic of a run in the image tower, a multiply-add being two; None where the network's or the number of images is not known.

    Towers of convolutions and of patches alike cost with the square of the images' side.
    """
    entry, images = backbones.find(run.backbone.name), passes(run)
    if entry.gflops is None or images is None:
        return None
    return images * entry.gflops * 1e9 * ((run.recipe.image_size or entry.side) / entry.side) ** 2
