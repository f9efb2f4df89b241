"""Mixtures of finished runs in weight space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from repro.errors import UserError
from repro.selection import reported

if TYPE_CHECKING:
    from repro.nn.job import Job, ParentRun
    from repro.nn.model import Classifier

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
    """A classifier of the form of those runs, to be filled with their weights; they must agree on how features reach the head."""
    from repro import plugins

    forms = {_normalised(parent) for parent in parents}
    if len(forms) > 1:
        raise UserError(
            f"{job.run.method}: its runs cannot be mixed",
            "some of them scale features to length 1 before the head and some do not: "
            + ", ".join(dict.fromkeys(f"{parent.result.run.method} {'does' if _normalised(parent) else 'does not'}" for parent in parents)),
            "mix fine-tuning that starts from the zero-shot head: --set ft.head=zero_shot",
        )
    model = job.classifier(pretrained=plugins.declared(parents[0].result.run.method).pretrained)
    model.normalize = forms.pop()
    return model


def _normalised(parent: ParentRun) -> bool:
    """Whether a run's classifier is of CLIP's form: made by a text tower, at the start or at every judging."""
    run = parent.result.run
    return run.recipe.head == "zero_shot" or run.method in ("zero-shot", "flyp", "flyp-ce")


def state_of(model: Classifier, parent: ParentRun, rule: str) -> State:
    """The whole state of a run's checkpoint by a selection rule; what a frozen run did not keep is the pretrained tower's, in `model`."""
    kept = parent.weights(reported(parent.result, rule).name)
    state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    if not kept.keys() <= state.keys():
        raise UserError(
            f"run {parent.result.key} has weights of another network", f"for example {sorted(kept.keys() - state.keys())[0]}", "repro show"
        )
    return state | kept
