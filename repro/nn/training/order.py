"""Which examples make each batch: a function of the recipe, the run's seed and the epoch, and of nothing that happened before."""

from __future__ import annotations

import torch

from repro.nn.job import Job
from repro.nn.seeding import generator
from repro.nn.training.domains import group_batches
from repro.settings import Recipe


def steps_per_epoch(recipe: Recipe, examples: int) -> int:
    """Optimiser steps in which an epoch of so many examples passes."""
    size = recipe.batch_size
    return max(examples // size, 1) if recipe.drop_last or recipe.groups_per_batch else -(-examples // size)


def batches(job: Job, examples: int, epoch: int, domains: torch.Tensor | None = None) -> list[torch.Tensor]:
    """The epoch's batches: a seeded permutation, the last one short unless the recipe drops it; or the recipe's number of domains each; or
    each a draw of its own.
    """
    recipe = job.recipe
    if recipe.groups_per_batch:
        return group_batches(domains, recipe.batch_size, recipe.groups_per_batch, job.run.seed, epoch)
    draws = generator("order", job.chance, epoch)
    if recipe.order == "independent":
        return [torch.randperm(examples, generator=draws)[: recipe.batch_size] for _ in range(steps_per_epoch(recipe, examples))]
    found = list(torch.randperm(examples, generator=draws).split(recipe.batch_size))
    return found[:-1] if recipe.drop_last and len(found) > 1 and len(found[-1]) < recipe.batch_size else found
