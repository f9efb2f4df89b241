"""Freeze-embed: the stem's weights keep every bit, all others are trained."""

from pathlib import Path

import pytest
import tiny_digits
import torch

from repro.methods import freeze_embed

STEM = tuple(f"backbone.visual.{part}." for part in ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"))


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_stem_stays_and_everything_else_is_trained(tmp_path: Path, mode: str) -> None:
    plan = tiny_digits.plan("freeze-embed", sets=("batch_size=25", "epochs=1", "lr=1e-3", f"batchnorm={mode}"))
    job = tiny_digits.job_of(plan, "freeze-embed", tiny_digits.pretrained_home(tmp_path))
    before = freeze_embed.start(job).state_dict()
    model = tiny_digits.fit(job, tmp_path / "run")[0].model
    for name, value in model.named_parameters():
        still = name.startswith(STEM) or name.endswith("attnpool.k_proj.bias")  # a softmax over keys does not see their common shift
        assert torch.equal(value, before[name]) == still, name
    running = {name: value for name, value in model.state_dict().items() if "running" in name}
    for name, value in running.items():  # not gradients move these: they follow `batchnorm`, in the stem, too, as in the authors' code
        assert torch.equal(value, before[name]) == (mode == "eval"), name
    assert sum(name.startswith(STEM) for name in running) == 6


def test_its_optimiser_is_sgd_with_momentum() -> None:
    recipe = tiny_digits.plan("freeze-embed").runs[-1].recipe
    assert (recipe.optimizer, recipe.momentum, recipe.weight_decay, recipe.freeze) == ("sgd", 0.9, 0.0, "embed")
