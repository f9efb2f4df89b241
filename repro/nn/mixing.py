"""Mixtures of finished runs in weight space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from repro import plugins
from repro.errors import UserError
from repro.outcomes.selection import reported
from repro.planning.mixtures import unit_features

if TYPE_CHECKING:
    from repro.nn.job import Job, ParentRun
    from repro.nn.networks.model import Classifier

State = dict[str, torch.Tensor]


def between(start: State, end: State, alpha: float) -> State:
    """(1 − α)·start + α·end, key by key, buffers included; at α = 0 and 1 the very tensors. Integers (counters) are the end's.

    mlfoundations/wise-ft@58b7a4b src/wise_ft.py:15-40.
    """
    if alpha in (0.0, 1.0):
        return dict(end if alpha else start)
    return {name: (1 - alpha) * start[name] + alpha * tensor if tensor.is_floating_point() else tensor for name, tensor in end.items()}


def mean(states: Sequence[State]) -> State:
    """The unweighted mean, key by key; integers (counters) are the first's (mlfoundations/model-soups@d5398f1 main.py:94-100)."""
    first = states[0]
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if tensor.is_floating_point() else tensor
        for name, tensor in first.items()
    }


def classifier_of(job: Job, parents: Sequence[ParentRun]) -> Classifier:
    """A classifier of the form of those runs, with pretrained weights where they started from such, to be filled with theirs."""
    run = parents[0].result.run
    model = job.classifier(pretrained=plugins.declared(run.method).pretrained and run.recipe.init != "random")
    model.normalize = unit_features(run)
    return model


def parts_of(job: Job) -> list[ParentRun]:
    """The runs that a soup is made of, in the order of their roles."""
    return [parent for role, parent in sorted(job.parents.items()) if role.startswith("part-")]


def state_of(model: Classifier, parent: ParentRun, rule: str) -> State:
    """The whole state of a run's checkpoint by a selection rule; what a frozen run did not keep is `model`'s, as `classifier_of` made it."""
    kept = parent.weights(reported(parent.result, rule).name)
    state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    if not kept.keys() <= state.keys():
        raise UserError(
            f"run {parent.result.key} has weights of another network",
            f"for example {sorted(kept.keys() - state.keys())[0]}",
            f"repro show {parent.result.key}",
        )
    return state | kept
