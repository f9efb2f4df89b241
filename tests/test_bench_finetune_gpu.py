"""bench/speed/finetune_gpu.py, on a CPU and tiny: the loop that it times is a run's, and what it says of the figures."""

import math
from pathlib import Path

import pytest
import torch

from bench import plain
from bench.speed import finetune_gpu
from bench.speed.finetune_gpu import Measured, Network, Resident, of_network, ratios
from repro.nn.inputs.ahead import Ahead
from repro.nn.training.loop import Trainer
from repro.nn.training.step import Stepper

CPU = torch.device("cpu")
TINY = Network("ResNet-10-T", "test_resnet", 2, 0.1, 0.45)


def test_two_steps_an_epoch_are_taken_as_a_run_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, made = [], []
    step, init = Stepper.take, Ahead.__init__

    def remember(self: Stepper, number: int, index: torch.Tensor, uniforms: torch.Tensor, following: torch.Tensor | None = None) -> None:
        taken.append((type(self.train).__name__, number, index.tolist(), None if following is None else following.tolist()))
        step(self, number, index, uniforms, following)

    monkeypatch.setattr(Stepper, "take", remember)
    monkeypatch.setattr(
        Ahead, "__init__", lambda self, make, device: init(self, lambda *asked: made.append(1) or make(*asked), device, True)
    )
    paths = plain.photographs(tmp_path / "jpg", 2, [(60, 80)])
    found = of_network(TINY, tmp_path, paths, repeats=2, device=CPU, workers=0)
    assert all(math.isfinite(value) and value >= 0 for value in found[:4]) and min(found[:3]) > 0 and not found.short
    kinds = ["Images", "Resident"] * 4
    assert [(kind, number) for kind, number, _, _ in taken] == [(kind, number) for kind in kinds for number in (0, 1)]
    assert len(made) == len(taken), "each batch is made once, ahead of its step"
    for (_, _, first, following), (_, _, second, none) in zip(taken[::2], taken[1::2], strict=True):
        assert following == second and none is None and sorted(first + second) == [0, 1, 2, 3]


def test_a_resident_batch_is_made_once_for_each_size() -> None:
    class Images:
        labels = torch.zeros(4)
        calls = 0

        def batch(self, index: torch.Tensor, uniforms: torch.Tensor | None) -> torch.Tensor:
            self.calls += 1
            return index * 2

    images = Images()
    resident = Resident(images)
    made = [resident.batch(torch.tensor(index), None).tolist() for index in ([0, 1], [2, 3], [3], [1])]
    assert made == [[0, 2], [0, 2], [6], [6]] and images.calls == 2


def test_the_ratios_and_their_targets() -> None:
    good = list(ratios(TINY, Measured(1000.0, 1010.0, 150.0, 0.004), 500e9))
    assert [one.met for one in good] == [True, True, True, True]
    assert good[0].ratio == pytest.approx(6.667, abs=1e-3) and good[1].ratio == pytest.approx(0.990, abs=1e-3)
    assert good[2].ours == pytest.approx(0.4) and good[3].ratio == pytest.approx(0.6)
    assert good[3].baseline == pytest.approx(0.5) and good[3].ours == pytest.approx(0.3)
    poor = list(ratios(TINY, Measured(100.0, 110.0, 50.0, 0.02), 500e9))
    assert [one.met for one in poor] == [False, False, False, False]
    assert len(list(ratios(TINY, Measured(1000.0, 1010.0, 150.0, 0.004), None))) == 3, "of an unknown chip nothing is judged"
    assert len(list(ratios(TINY._replace(least=None), Measured(1000.0, 1010.0, 150.0, 0.004), 500e9))) == 3
    assert list(finetune_gpu.measure(CPU)) == [] and hasattr(Trainer, "take")
