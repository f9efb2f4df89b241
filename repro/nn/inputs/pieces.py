"""Batches of images made in pieces, a core each, on a CPU: what one step of a transform writes, the next finds in that core's cache."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier

import torch

PIECE_BYTES = 5 << 19  # four finished images of 224 pixels: with fewer, what surrounds the arithmetic costs more than the cache saves


def fill(out: torch.Tensor, make: Callable[[slice, torch.Tensor], None]) -> None:
    """`make(rows, part)` for each piece of the batch `out` (B, …): it computes those rows and writes them to `part`, which is `out[rows]`.

    Which rows are made together must not change them.
    """
    each = max(1, PIECE_BYTES * len(out) // max(out.nbytes, 1))
    pieces = [slice(start, min(start + each, len(out))) for start in range(0, len(out), each)]
    threads = torch.get_num_threads()
    if threads == 1 or len(pieces) <= 1:
        for rows in pieces:
            make(rows, out[rows])
    else:
        list(_pool(threads).map(lambda rows: make(rows, out[rows]), pieces))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads in which torch computes on one core: else each would start as many threads of its own."""
    pool = ThreadPoolExecutor(threads, "pieces", _take_one_core)
    begun = Barrier(threads + 1)
    for _ in range(threads):
        pool.submit(begun.wait)
    begun.wait()
    torch.set_num_threads(threads)  # threads begun later take over what was set last
    return pool


def _take_one_core() -> None:
    torch.set_num_threads(1)
    torch.get_num_threads()  # a thread that has never asked would take over what was set last, whoever set it
