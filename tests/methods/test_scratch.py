"""Training from scratch knows nothing of the pretraining."""

from pathlib import Path

import tiny_digits
import torch

from repro.methods import ft, scratch


def test_it_has_no_parent_and_its_tower_is_random(tmp_path: Path) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path), tiny_digits.plan("scratch", seeds=(0, 1))
    assert all(run.parents == {} and run.backbone.weights is None for run in plan.runs)
    job = tiny_digits.job_of(plan, "scratch", places)
    weight, again = (scratch.start(job).backbone.visual.conv1.weight for _ in range(2))
    pretrained = ft.start(tiny_digits.job_of(tiny_digits.plan("ft"), "ft", places)).backbone.visual.conv1.weight
    assert torch.equal(weight, again) and not torch.equal(weight, pretrained)
