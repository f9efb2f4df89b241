"""The linear probe, from images to head, against the same steps written out with scikit-learn's features' order."""

from pathlib import Path

import pytest
import tiny_digits
import torch

from repro.methods import lp
from repro.nn.probes import logreg


@pytest.mark.parametrize("features", ["eval", "train"])
def test_the_head_is_the_probe_of_the_frozen_features(tmp_path: Path, features: str) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    plan = tiny_digits.plan("lp", sets=("lp_c_count=5", "lp_c_min=1e-3", f"lp_features={features}", "augment=shift"))
    job = tiny_digits.job_of(plan, "lp", places)
    model = lp.start(job)
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters()) and not model.training
    train, val = job.images("train", augmented=features == "train"), job.images("id_val")
    with torch.no_grad():
        seen = model.features(train.batch(torch.arange(100), train.uniforms("probe", 0)))
        selected = model.features(val.batch(torch.arange(100), None))
    probe = logreg.fit((seen, train.labels), (selected, val.labels), 10, job.recipe, 0)
    assert torch.allclose(model.head.weight, probe.weight, rtol=1e-3, atol=1e-5)
    assert torch.allclose(model.head.bias, probe.bias, rtol=1e-3, atol=1e-4)
    assert job.extras["probe"]["c"] == pytest.approx(probe.c)
    assert job.extras["probe"]["id_val_accuracy"] == pytest.approx(list(probe.accuracies))
    accuracy = (model.head(selected).argmax(dim=1) == val.labels).float().mean().item()
    assert accuracy == pytest.approx(max(probe.accuracies)) and accuracy > 0.15


def test_it_trains_nothing_and_keeps_its_head_alone(tmp_path: Path) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path), tiny_digits.plan("lp")
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    job = tiny_digits.job_of(tiny_digits.plan("lp-ft"), "lp-ft", places)
    assert [point.name for point in job.parents["head"].result.checkpoints] == ["final"]
    assert set(job.parents["head"].weights("final")) == {"head.weight", "head.bias"}
