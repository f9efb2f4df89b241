"""Batches made ahead: the same ones, in whatever thread, and what went wrong is told where the batch is taken."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from repro.nn.inputs.ahead import Ahead
from repro.nn.job import Batch

CPU = torch.device("cpu")


class Maker:
    """Batches of the numbers asked for; remembers in which threads it made them."""

    def __init__(self, broken: int | None = None, pause: float = 0.0):
        self.broken, self.pause, self.made = broken, pause, []

    def __call__(self, index: torch.Tensor, uniforms: torch.Tensor | None) -> Batch:
        self.made.append((index.tolist(), threading.current_thread().name))
        time.sleep(self.pause)
        if self.broken in index.tolist():
            raise torch.OutOfMemoryError("made up")
        return Batch(index.float(), index, index)


def test_on_a_cpu_a_batch_is_made_when_it_is_taken() -> None:
    maker = Maker(pause=0.02)
    ahead = Ahead(maker, CPU)
    ahead.ask({"next": torch.tensor([1, 2])}, None)
    assert maker.made == []
    assert ahead.take("next", torch.tensor([1, 2]), None).labels.tolist() == [1, 2]
    assert maker.made == [([1, 2], threading.current_thread().name)]
    assert ahead.waited() >= 0.02
    assert ahead.waited() == 0, "each second is told once"


def test_what_was_asked_for_is_made_once_and_elsewhere() -> None:
    maker = Maker()
    ahead = Ahead(maker, CPU, threaded=True)
    parts = {number: torch.arange(3) + number for number in range(4)}
    ahead.ask(parts, None)
    ahead.ask(parts, None)
    assert [ahead.take(number, part, None).labels.tolist() for number, part in parts.items()] == [part.tolist() for part in parts.values()]
    assert len(maker.made) == 4 and {thread.split("_")[0] for _, thread in maker.made} == {"batches"}
    assert ahead.take("never asked", torch.tensor([9]), None).labels.tolist() == [9]
    ahead.close()


def test_what_went_wrong_is_told_to_whom_takes_it() -> None:
    ahead = Ahead(Maker(broken=5), CPU, threaded=True)
    ahead.ask({0: torch.tensor([4]), 1: torch.tensor([5])}, None)
    assert ahead.take(0, torch.tensor([4]), None).labels.tolist() == [4]
    with pytest.raises(torch.OutOfMemoryError):
        ahead.take(1, torch.tensor([5]), None)


def test_what_nobody_will_take_is_forgotten() -> None:
    maker = Maker(pause=0.05)
    ahead = Ahead(maker, CPU, threaded=True)
    ahead.ask({number: torch.tensor([number]) for number in range(10)}, None)
    ahead.ask({"other": torch.tensor([77])}, None)
    assert ahead.take("other", torch.tensor([77]), None).labels.tolist() == [77]
    assert len(maker.made) <= 3, "those whose turn had not come were cancelled"
    ahead.close()
