"""Several processes with one run, one GPU each: which part of a batch is whose, and what they tell each other.

Started by torchrun, each process takes the same steps with its part of every batch; gradients are summed, so that parameters stay equal
everywhere. Alone, everything here is the identity. The first process alone writes to disk.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from functools import cache

import torch
import torch.distributed as dist

WAIT = datetime.timedelta(days=14)  # for a process that fetches, packs or searches alone; torchrun ends those whose fellow died
BUCKET = 2**24  # numbers that are summed at once


class Together:
    """`rank` of `size` processes. `torn`: one of them stopped in the middle of a run, and what the others wait for will never come."""

    rank, size = 0, 1
    torn = False

    @property
    def first(self) -> bool:
        return self.rank == 0

    def own(self, rows: torch.Tensor) -> torch.Tensor:
        """This process's part of `rows`, in order; parts differ by one row at most."""
        return rows.tensor_split(self.size)[self.rank]

    def most(self, value: int) -> int:
        """The largest of all processes'. None goes on before all have said theirs."""
        return value

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over processes."""
        return values

    def joined(self, rows: torch.Tensor, count: int) -> torch.Tensor:
        """All `count` rows, of which this process has its `own`. No gradient goes through."""
        return rows

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Every parameter's gradient becomes the sum of all processes'."""

    def told(self, word: str | None = None) -> str:
        """What the first process says to all."""
        return word or ""


ALONE = Together()


class Ranks(Together):
    """The processes of a torchrun."""

    def __init__(self) -> None:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=WAIT)
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._words = dist.new_group(backend="gloo", timeout=WAIT)  # of the host, so that a word does not wait for a GPU's work

    def most(self, value: int) -> int:
        said = torch.tensor(value)
        dist.all_reduce(said, dist.ReduceOp.MAX, self._words)
        return int(said)

    def total(self, values: torch.Tensor) -> torch.Tensor:
        values = values.clone()
        dist.all_reduce(values)
        return values

    def joined(self, rows: torch.Tensor, count: int) -> torch.Tensor:
        rows = rows.detach().contiguous()
        found = []
        for rank, part in enumerate(torch.arange(count).tensor_split(self.size)):
            one = rows if rank == self.rank else rows.new_empty(len(part), *rows.shape[1:])
            if len(part):
                dist.broadcast(one, src=rank)
            found.append(one)
        return torch.cat(found)

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        parameters = list(parameters)
        has = torch.tensor([int(parameter.grad is not None) for parameter in parameters])
        dist.all_reduce(has, dist.ReduceOp.MAX, self._words)
        moved = [parameter for parameter, somewhere in zip(parameters, has.tolist(), strict=True) if somewhere]
        for parameter in moved:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        for bucket in _buckets([parameter.grad for parameter in moved]):
            flat = torch.cat([gradient.flatten() for gradient in bucket])
            dist.all_reduce(flat)
            for gradient, summed in zip(bucket, flat.split([gradient.numel() for gradient in bucket]), strict=True):
                gradient.copy_(summed.view_as(gradient))

    def told(self, word: str | None = None) -> str:
        said = (word or "").encode()
        length = torch.tensor(len(said))
        dist.broadcast(length, 0, self._words)
        letters = torch.tensor(list(said), dtype=torch.uint8) if self.first else torch.empty(int(length), dtype=torch.uint8)
        if len(letters):
            dist.broadcast(letters, 0, self._words)
        return bytes(letters.tolist()).decode()

    def close(self) -> None:
        """Leave; libraries complain of those who do not."""
        dist.destroy_process_group()


def _buckets(tensors: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
    """Tensors of one kind together, as many as make up a bucket; a large one alone."""
    found: list[list[torch.Tensor]] = []
    for kind in dict.fromkeys(tensor.dtype for tensor in tensors):
        room = 0
        for tensor in tensors:
            if tensor.dtype == kind:
                if tensor.numel() > room:
                    found.append([])
                    room = BUCKET
                found[-1].append(tensor)
                room -= tensor.numel()
    return found


@cache
def ranks() -> Ranks:
    """The processes of the torchrun that started this one."""
    return Ranks()
