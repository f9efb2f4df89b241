"""Runs that the processes of one torchrun share: what the first tells the others, and what these do."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import torch
from pydantic import BaseModel

from repro import plugins
from repro.nn import fitting
from repro.nn.job import Job, ParentRun
from repro.nn.step import Diverged
from repro.nn.together import ranks
from repro.outcomes.store import Store
from repro.reading import loading
from repro.types import Run
from repro.work import settle, train

AGREED = (Diverged, fitting.TooLarge, KeyboardInterrupt)  # what all processes of a torchrun meet at the same place


class Told(BaseModel):
    """What the first process of a torchrun tells the others of a run that they share."""

    run: Run
    folder: Path
    parents: dict[str, Path]
    weights: Path | None
    packs: Path
    device: str


def spreads(run: Run) -> bool:
    """Whether several processes can share a run: it takes steps, and its loss is one of examples or of all their rows."""
    method, recipe = plugins.method(run.method), run.recipe
    divisible = hasattr(method, "couple") or "accumulate" in method.METHOD.fields
    return recipe.trains and divisible and not (hasattr(method, "search") or recipe.clip_each or recipe.class_weights == "frequency")


def follow() -> None:
    """What the other processes of a torchrun do: their part of each run that the first names, until it names none."""
    together = ranks()
    while word := together.told():
        told = Told.model_validate_json(word)
        store = Store(told.folder.parent.parent)
        parents = {role: ParentRun(store.read_result(folder), folder) for role, folder in told.parents.items()}
        job = Job(told.run, _own_gpu(told.device), told.packs, loading.load, parents, told.weights, together=together)
        settle(job.device)
        with contextlib.suppress(Diverged, fitting.TooLarge):
            train(plugins.method(told.run.method), job, told.folder)
    together.close()


def dismiss() -> None:
    """Tell the other processes of a torchrun that there is no more to do."""
    ranks().told("")
    ranks().close()


def _own_gpu(device: str) -> torch.device:
    """Of several GPUs the one of this process."""
    return torch.device("cuda", int(os.environ["LOCAL_RANK"])) if device.startswith("cuda") else torch.device(device)
