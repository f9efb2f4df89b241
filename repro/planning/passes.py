"""The work of a run, counted: images through the network, and their arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from repro import backbones, plugins
from repro.settings import Recipe
from repro.types import Method, Run

BACKWARD = 2  # passes forward that one backward is worth: gradients of weights and of activations


class Passes(NamedTuple):
    """Images through the image tower: in training, in judging, and once for the features of a probe, which is part of its start.

    `each`: what a training image is worth beside one that only goes forward.
    """

    trained: float
    judged: float
    features: float = 0
    each: int = 1

    @property
    def total(self) -> float:
        """Passes forward that all of it is worth."""
        return self.trained * self.each + self.judged + self.features


def searches(method: Method) -> bool:
    """Whether its runs try settings instead of training once."""
    return "trials" in method.fields and "epochs" not in method.fields


def length(run: Run) -> int:
    """What the time of a run goes with where its images are not counted: steps where the recipe counts them, else epochs, of a search all trials'."""
    return (
        run.recipe.trials * run.recipe.inner_steps
        if searches(plugins.declared(run.method))
        else max(run.recipe.steps or run.recipe.epochs, 1)
    )


def passes(run: Run, seen: Mapping[str, int] | None = None) -> Passes | None:
    """None where there are none, or nobody says how many a split has: neither the benchmark nor `seen`, split → examples that earlier runs found in it.

    What a greedy soup judges on its way is left out.
    """
    method, recipe = plugins.declared(run.method), run.recipe
    counts = _counts(run, seen or {})
    if searches(method):
        return _of_trials(run, counts)
    trained = [split.name for split in method.trained_on(run.benchmark, recipe)]
    times = _judgings(run, method)
    features = {}
    if "lp_features" in method.fields:
        features = {trained[0]: 1, run.benchmark.with_role("id_val")[0].name: 1}
    learned = dict.fromkeys(trained, recipe.epochs * (_views(recipe) if "crops" in method.fields else 1)) if recipe.trains else {}
    if recipe.steps:  # images whatever the split's number of them
        learned, counts["steps"] = {"steps": 1}, recipe.steps * recipe.batch_size
    if any(counts.get(name) is None for name in (*times, *features, *learned)):
        return None
    sums = [sum(counts[name] * number for name, number in parts.items()) for parts in (learned, times, features)]
    return Passes(*sums, 1 if recipe.freeze == "backbone" else 1 + BACKWARD) if any(sums) else None


def _of_trials(run: Run, counts: Mapping[str, int | None]) -> Passes | None:
    recipe = run.recipe
    known = [counts[split.name] for split in run.benchmark.searchable(recipe.search_on)]
    scored = min((number for number in (recipe.search_examples, *known[:1]) if number is not None), default=None)
    each = recipe.inner_steps * recipe.batch_size
    return None if scored is None else Passes(recipe.trials * each, recipe.trials * scored, 0, 1 + BACKWARD)


def _counts(run: Run, seen: Mapping[str, int]) -> dict[str, int | None]:
    """Split → its images: of a few-shot run as many of each class as it draws."""
    counts = {split.name: split.count if split.count is not None else seen.get(split.name) for split in run.benchmark.splits}
    if run.recipe.shots:
        drawn = [split.name for split in run.benchmark.with_role("train", "id_val")]
        counts |= dict.fromkeys(drawn, run.recipe.shots * len(run.benchmark.classes))
    return counts


def _judgings(run: Run, method: Method) -> dict[str, float]:
    """Split → how many times it is judged."""
    recipe, judged = run.recipe, method.judged_on(run.benchmark)
    if "alphas" in method.fields:
        return dict.fromkeys(judged, len(recipe.alphas))
    times = max(-(-recipe.epochs // recipe.judge_every), 1) + (recipe.judge_start and recipe.trains)
    if recipe.judge == "all":
        return dict.fromkeys(judged, times)
    validated = {split.name for split in run.benchmark.with_role("id_val")}
    return {name: times if name in validated else 1 for name in judged}


def _views(recipe: Recipe) -> float:
    """Views of an image, counted by their area beside that of the largest."""
    sides = recipe.crop_sides or (1,) * len(recipe.crops)
    return sum(count * (side / max(sides)) ** 2 for count, side in zip(recipe.crops, sides, strict=True))


def image_flop(run: Run) -> float | None:
    """Arithmetic of one image's pass forward through the image tower, a multiply-add being two; None where the network's is not known.

    Towers of convolutions and of patches alike cost with the square of the images' side.
    """
    entry = backbones.find(run.backbone.name)
    return None if entry.gflops is None else entry.gflops * 1e9 * ((run.recipe.image_size or entry.side) / entry.side) ** 2


def flop(run: Run, seen: Mapping[str, int] | None = None) -> float | None:
    """Arithmetic of a run in the image tower; None where the network's or the number of images is not known."""
    each, counted = image_flop(run), passes(run, seen)
    return None if each is None or counted is None else counted.total * each
