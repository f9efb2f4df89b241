"""Runs that the processes of one torchrun share: what the first tells the others, and what these do."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import torch
from pydantic import BaseModel

from repro import plugins
from repro.errors import UserError
from repro.nn import fitting
from repro.nn.job import Job, ParentRun
from repro.nn.together import ALONE, Ranks, Together, ranks
from repro.nn.training.seen import Diverged
from repro.outcomes.store import Store
from repro.preflight import environment
from repro.reading import loading
from repro.types import Run
from repro.work import settle, train

AGREED = (Diverged, fitting.TooLarge, KeyboardInterrupt)  # what all processes of a torchrun meet at the same place

FIRST_SAID = 10.0  # seconds in which torchrun ends a process that met what ended the first one, so that it is said once


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
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # between runs there is nothing to tidy; within one, training has its own handling
    try:
        _follow(ranks())
    except KeyboardInterrupt:
        os._exit(130)  # the first process has said so
    except Exception:
        time.sleep(FIRST_SAID)
        raise


def _follow(together: Ranks) -> None:
    while word := together.told():
        told = Told.model_validate_json(word)
        store = Store(told.folder.parent.parent)
        parents = {role: ParentRun(store.read_result(folder), folder) for role, folder in told.parents.items()}
        job = Job(told.run, _own_gpu(told.device), told.packs, loading.load, parents, told.weights, together=together)
        settle(job)
        with contextlib.suppress(Diverged, fitting.TooLarge):
            train(plugins.method(told.run.method), job, told.folder)
    together.close()


def dismiss() -> None:
    """Tell the other processes of a torchrun that there is no more to do."""
    ranks().told("")
    ranks().close()


def gathered(device: torch.device) -> Together:
    """The processes of the torchrun that started this one, which has `device`; `ALONE` without one.

    `UserError` where those of this machine cannot have a GPU each.
    """
    if environment.rank() is None:
        return ALONE
    if device != _own_gpu(str(device)):
        raise UserError(f"--device {device} under torchrun", "each of its processes has a GPU of its own", "for example --device cuda")
    return ranks()


def _own_gpu(device: str) -> torch.device:
    """Of several GPUs the one of this process."""
    if not device.startswith("cuda"):
        return torch.device(device)
    wanted, there = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if wanted > there:
        raise UserError(
            f"{wanted} processes and {there} GPUs", "each of several processes has a GPU of its own", f"torchrun --nproc-per-node {there} …"
        )
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
