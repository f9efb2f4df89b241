"""Training on several domains: which domain each example is of, and batches that hold a few of them in equal parts."""

from __future__ import annotations

import numpy as np
import torch

from repro.errors import UserError
from repro.nn.seeding import generator
from repro.types import Benchmark


def domains_of(benchmark: Benchmark, groups: dict[str, np.ndarray]) -> torch.Tensor | None:
    """(N,) int64: the domain of each example, numbered from 0 in the order of the group's values; None where nothing tells it."""
    values = groups.get(benchmark.domain or "")
    return None if values is None else torch.from_numpy(np.unique(values, return_inverse=True)[1].astype(np.int64))


def group_batches(domains: torch.Tensor, size: int, per_batch: int, seed: int, epoch: int) -> list[torch.Tensor]:
    """An epoch of N // size batches (size,), each of `per_batch` distinct domains drawn uniformly, with size / per_batch examples of each.

    Examples of a domain are drawn without repetition where it has more than are wanted, else with. The draw is a function of
    (seed, epoch). `UserError` where there are fewer domains. p-lambda/wilds@4726775 wilds/common/data_loaders.py:99-149 with
    uniform_over_groups and distinct_groups.
    """
    members = [torch.nonzero(domains == domain).flatten() for domain in range(int(domains.max()) + 1)]
    if len(members) < per_batch:
        raise UserError(
            f"groups_per_batch={per_batch}, and the training examples are of {len(members)} domain{'s' if len(members) > 1 else ''}",
            "a batch holds distinct ones",
            f"--set groups_per_batch={max(len(members), 2)}" if len(members) > 1 else "another benchmark, or a method such as ft",
        )
    draw, each = generator("groups", seed, epoch), size // per_batch
    batches = []
    for _ in range(max(len(domains) // size, 1)):
        chosen = torch.randperm(len(members), generator=draw)[:per_batch].tolist()
        batches.append(torch.cat([_drawn(members[domain], each, draw) for domain in chosen]))
    return batches


def _drawn(rows: torch.Tensor, count: int, draw: torch.Generator) -> torch.Tensor:
    if len(rows) > count:
        return rows[torch.randperm(len(rows), generator=draw)[:count]]
    return rows[torch.randint(len(rows), (count,), generator=draw)]
