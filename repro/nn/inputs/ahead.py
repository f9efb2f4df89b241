"""Batches made ahead of their step, so that a GPU finds them in its memory; and how long steps waited for theirs all the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from repro.nn.job import Batch

Make = Callable[[Any, torch.Tensor | None], "Batch"]


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One for all batches of a device: memory, once freed, serves the stream alone that it was taken on."""
    return torch.cuda.Stream(device)


class Ahead:
    """`make(rows, uniforms)` of what was asked for, in a thread and on a stream of its own where `device` is a GPU, else when it is taken.

    `rows` tell which examples: an index (B,), or what else `make` understands. On a CPU all cores are the step's already. `waited()`:
    seconds that steps waited for their batches; of a GPU those in which its stream stood still between the end of what was launched before
    and the batch.
    """

    def __init__(self, make: Make, device: torch.device, threaded: bool | None = None):
        self.make, self.device = make, device
        gpu = device.type == "cuda"
        self._thread = ThreadPoolExecutor(1, "batches") if (gpu if threaded is None else threaded) else None
        self._stream = _stream(device) if gpu else None
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(device))  # for what the batches are made of
        self._made: dict[Hashable, Future[tuple[Batch, Any]]] = {}
        self._seconds, self._pauses = 0.0, []

    def ask(self, wanted: dict[Hashable, Any], uniforms: torch.Tensor | None) -> None:
        """Begin with the batches of `wanted`, name → rows; those asked for before and not taken are forgotten."""
        if self._thread is None:
            return
        for name in [name for name in self._made if name not in wanted]:
            self._made.pop(name).cancel()
        for name, rows in wanted.items():
            if name not in self._made:
                self._made[name] = self._thread.submit(self._work, rows, uniforms)

    def take(self, name: Hashable, rows: Any, uniforms: torch.Tensor | None) -> Batch:
        """The batch of that name, made now where nobody asked for it. What went wrong in making it is raised here."""
        began, free = time.monotonic(), self._mark()
        try:
            if name not in self._made:
                return self.make(rows, uniforms)
            batch, ready = self._made.pop(name).result()
            if ready is not None:
                self._hand_over(batch, ready)
            return batch
        finally:
            if free is None:
                self._seconds += time.monotonic() - began
            else:
                self._pauses.append((free, self._mark()))

    def waited(self) -> float:
        """Seconds since the last call; on a GPU all that was launched is waited for."""
        for free, ready in self._pauses:
            ready.synchronize()
            self._seconds += free.elapsed_time(ready) / 1000
        self._pauses.clear()
        found, self._seconds = self._seconds, 0.0
        return found

    def close(self) -> None:
        """Forget what nobody will take."""
        self.ask({}, None)

    def _work(self, rows: Any, uniforms: torch.Tensor | None) -> tuple[Batch, Any]:
        if self._stream is None:
            return self.make(rows, uniforms), None
        with torch.cuda.device(self.device), torch.cuda.stream(self._stream):
            return self.make(rows, uniforms), self._stream.record_event()

    def _hand_over(self, batch: Batch, ready: Any) -> None:
        """The step's stream waits for the batch, whose memory is its own from now on."""
        stream = torch.cuda.current_stream(self.device)
        stream.wait_event(ready)
        for part in batch:
            for tensor in part if isinstance(part, list) else [part]:
                if isinstance(tensor, torch.Tensor) and tensor.is_cuda:
                    tensor.record_stream(stream)

    def _mark(self) -> torch.cuda.Event | None:
        """An event on the step's stream, None on a CPU."""
        if self._stream is None:
            return None
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event
