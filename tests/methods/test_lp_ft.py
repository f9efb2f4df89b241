"""LP-FT starts from the probe of its own seed, with BatchNorm in evaluation mode."""

from pathlib import Path

import pytest
import tiny_digits
import torch

from repro.errors import UserError
from repro.methods import ft, lp_ft


def test_it_starts_from_the_probes_head_and_the_pretrained_tower(tmp_path: Path) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path), tiny_digits.plan("lp", "lp-ft", seeds=(0, 1))
    probes = {run.seed: run.key for run in plan.runs if run.method == "lp"}
    children = {run.seed: run.parents["head"] for run in plan.runs if run.method == "lp-ft"}
    assert probes == children and len(set(probes.values())) == 2
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    job = tiny_digits.job_of(plan, "lp-ft", places)
    model, head = lp_ft.start(job), job.parents["head"].weights("final")
    assert torch.equal(model.head.weight, head["head.weight"]) and torch.equal(model.head.bias, head["head.bias"])
    towers = [model, ft.start(tiny_digits.job_of(tiny_digits.plan("ft"), "ft", places))]
    for a, b in zip(*(tower.backbone.state_dict().values() for tower in towers), strict=True):
        assert torch.equal(a, b)


def test_the_papers_conventions_are_its_defaults() -> None:
    """RECIPES §1.6: BatchNorm in evaluation mode for LP-FT and in training mode for FT; SGD with momentum 0.9, no weight decay."""
    assert lp_ft.METHOD.defaults["batchnorm"] == "eval" and "batchnorm" not in ft.METHOD.defaults
    for method in ("ft", "lp-ft"):
        recipe = tiny_digits.plan(method).runs[-1].recipe
        assert (recipe.optimizer, recipe.momentum, recipe.weight_decay, recipe.schedule) == ("sgd", 0.9, 0.0, "cosine_epoch")
        assert recipe.clip_norm is None and recipe.warmup_steps == 0 and recipe.precision == "fp32" and not recipe.drop_last


def test_before_its_first_step_it_predicts_as_the_probe(tmp_path: Path) -> None:
    """The authors' ckp_0 of LP-FT is the probe (RECIPES §1.2)."""
    import numpy as np

    places, plan = tiny_digits.pretrained_home(tmp_path), tiny_digits.plan("lp-ft")
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    job = tiny_digits.job_of(plan, "lp-ft", places)
    model = lp_ft.start(job).eval()
    with torch.no_grad():
        logits = model(job.images("photos").batch(torch.arange(100), None)).numpy()
    with np.load(job.parents["head"].folder / "predictions.npz") as arrays:
        assert np.abs(logits - arrays["final/photos"]).max() < 1e-4


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes() + b"?")])
def test_a_probe_whose_weights_are_gone_or_changed_is_named(tmp_path: Path, damage) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path), tiny_digits.plan("lp")
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    job = tiny_digits.job_of(tiny_digits.plan("lp-ft"), "lp-ft", places)
    damage(job.parents["head"].folder / "weights-final.safetensors")
    with pytest.raises(UserError, match=r"no intact weights-final\.safetensors"):
        lp_ft.start(job)
