"""Two processes with one training: the same numbers as by one, whatever the loss couples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_digits
import together_cases
import torch
from safetensors.torch import load_file

from repro.nn.together import ALONE, Together, _buckets

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes left what they trained."""
    folder = tmp_path_factory.mktemp("two")
    places = tiny_digits.pretrained_home(folder / "home")
    tests = str(Path(together_cases.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, str(Path(tests).parent)]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*TORCHRUN, together_cases.__file__, str(places.home), str(folder)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("name", together_cases.CASES)
def test_two_processes_take_the_steps_of_one(by_two: Path, tmp_path: Path, name: str) -> None:
    """Parameters, running statistics, reported terms and judged logits, in float64: eight steps of 32 examples, the last of an epoch of 4."""
    _, alone = together_cases.train(name, tiny_digits.places_at(by_two / "home"), tmp_path)
    together = load_file(by_two / f"{name}.safetensors")
    assert together.keys() == alone.keys() and len(together) >= 8
    for key, tensor in alone.items():
        assert torch.allclose(together[key], tensor, rtol=1e-9, atol=1e-12), key


def test_a_process_whose_memory_runs_out_does_not_wait_for_ever(by_two: Path) -> None:
    """Others may be in the middle of the step and wait for this one."""
    assert "imed out" in (by_two / "waited").read_text()


@pytest.mark.parametrize("parts", [2, 5, 32])
def test_micro_batches_of_a_coupled_loss_have_the_gradient_of_the_whole(by_two: Path, tmp_path: Path, parts: int) -> None:
    """As many negatives as in one piece, whatever fits into memory."""
    places = tiny_digits.places_at(by_two / "home")
    trainer, split = together_cases.train("coupled", places, tmp_path / "parts", ALONE, f"accumulate={parts}")
    assert trainer.progress.step == 8
    whole = together_cases.train("coupled", places, tmp_path / "whole")[1]
    for key, tensor in whole.items():
        assert torch.allclose(split[key], tensor, rtol=1e-9, atol=1e-12), key
    assert not torch.equal(split["head.weight"], whole["head.weight"]), "otherwise nothing was split"


def test_processes_that_see_other_checkpoints_take_no_step(by_two: Path, tmp_path: Path) -> None:
    class Behind(Together):
        """This process finds no checkpoint; another one finds that of step 3."""

        said = iter([0, max(-0, -3), max(0, 3)])

        def most(self, value: int, patience: object = None) -> int:
            return next(self.said)

    with pytest.raises(RuntimeError, match="from steps 0 to 3"):
        together_cases.train("mean", tiny_digits.places_at(by_two / "home"), tmp_path, Behind())


def test_gradients_of_one_kind_are_summed_together() -> None:
    large = [torch.empty(2**23), torch.empty(2**23, dtype=torch.float64), torch.empty(2**23), torch.empty(1), torch.empty(2**25)]
    found = [[(tensor.dtype, tensor.numel()) for tensor in bucket] for bucket in _buckets(large)]
    assert found == [
        [(torch.float32, 2**23), (torch.float32, 2**23)],
        [(torch.float32, 1)],
        [(torch.float32, 2**25)],
        [(torch.float64, 2**23)],
    ]


def test_alone_everything_is_as_it_was() -> None:
    rows = torch.arange(5)
    assert ALONE.own(rows) is not None and torch.equal(ALONE.own(rows), rows) and torch.equal(ALONE.joined(rows, 5), rows)
    assert torch.equal(ALONE.total(rows), rows) and ALONE.most(3) == 3 and ALONE.told("a") == "a" and ALONE.first
