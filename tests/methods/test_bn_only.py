"""BatchNorm-only fine-tuning moves scales and shifts and the head, and no bit of anything else."""

from pathlib import Path

import pytest
import tiny_digits
import torch
from torch import nn

from repro.methods import bn_only


@pytest.mark.parametrize(("mode", "statistics_move"), [("train", True), ("eval", False)])
def test_all_weights_but_batchnorms_and_the_heads_stay(tmp_path: Path, mode: str, statistics_move: bool) -> None:
    plan = tiny_digits.plan("bn-only", sets=("batch_size=25", "epochs=1", f"batchnorm={mode}"))
    job = tiny_digits.job_of(plan, "bn-only", tiny_digits.pretrained_home(tmp_path))
    before = bn_only.start(job).state_dict()
    model = tiny_digits.fit(job, tmp_path / "run")[0].model
    norms = tuple(f"{name}." for name, part in model.named_modules() if isinstance(part, nn.BatchNorm2d))
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    affine = {f"{name}{part}" for name in norms for part in ("weight", "bias")}
    running = {f"{name}{part}" for name in norms for part in ("running_mean", "running_var", "num_batches_tracked")}
    assert moved == affine | {"head.weight", "head.bias"} | (running if statistics_move else set())
    assert len(norms) > 10
