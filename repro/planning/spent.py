"""What a finished run spent, and how like another run it is."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from repro import backbones, plugins
from repro.outcomes.kept import Kept
from repro.outcomes.predicted import predictable
from repro.planning.passes import searches
from repro.types import Result, Run

LATEST = 5  # finished runs that are heard: several, for a median; not more, for a machine changes with its load and its software
MANNER = ("batch_size", "accumulate", "augment", "targeted", "crops", "unlabelled")  # fields that change what an image costs


class Spent(NamedTuple):
    """Seconds in training, in judging, and for all else but packing; where a result does not tell them apart, all of it is training."""

    result: Result | Kept
    fit: float
    judge: float
    rest: float

    @property
    def run(self) -> Run:
        return self.result.run

    @classmethod
    def of(cls, result: Result | Kept) -> Spent:
        told, total = result.seconds, predictable(result.seconds)
        fit, judge = told.get("fit", total), told.get("judge", 0.0)
        return cls(result, fit, judge, max(total - fit - judge, 0.0))


def latest(groups: Iterable[Iterable[Spent]]) -> Sequence[Spent]:
    """Those that ended last, of all groups together, oldest first."""
    return sorted(chain.from_iterable(groups), key=lambda spent: spent.result.finished)[-LATEST:]


def network(run: Run) -> Hashable:
    """What decides how much an image costs: network, side, precision."""
    entry = backbones.find(run.backbone.name)
    return run.backbone.name, json.dumps(run.backbone.kwargs, sort_keys=True), run.recipe.image_size or entry.side, run.recipe.precision


def manner(run: Run) -> Hashable:
    """What else does, of the recipe."""
    return tuple(getattr(run.recipe, name) for name in MANNER)


def saves(run: Run) -> int:
    """How many times its state is written."""
    return (
        max(run.recipe.epochs, 1) if run.recipe.trains else len(run.recipe.alphas) if "alphas" in plugins.declared(run.method).fields else 1
    )


def trains(run: Run) -> str:
    """How much of the network gets gradients."""
    if not (run.recipe.trains or searches(plugins.declared(run.method))):
        return "nothing"
    return "head" if run.recipe.freeze == "backbone" else "both towers" if plugins.declared(run.method).needs_text else "image tower"
