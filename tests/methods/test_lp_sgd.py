"""The probe by gradient descent: its step in closed form, on features that do not change."""

from pathlib import Path

import tiny_digits
import torch
import torch.nn.functional as F

from repro.methods import lp_sgd
from repro.nn.networks.model import kept_state


def test_one_step_is_logistic_regressions(tmp_path: Path) -> None:
    plan = tiny_digits.plan("lp-sgd", sets=("batch_size=100", "epochs=1", "lr=0.01"))
    job = tiny_digits.job_of(plan, "lp-sgd", tiny_digits.pretrained_home(tmp_path))
    before, model = lp_sgd.start(job).eval(), tiny_digits.fit(job, tmp_path / "run")[0].model
    train = job.images("train")
    with torch.no_grad():
        features = before.features(train.batch(torch.arange(100), None))
        error = before.head(features).softmax(dim=1) - F.one_hot(train.labels, 10)
    assert torch.allclose(model.head.weight, before.head.weight - 0.01 * error.T @ features / 100, rtol=1e-4, atol=1e-6)
    assert torch.allclose(model.head.bias, before.head.bias - 0.01 * error.mean(dim=0), rtol=1e-4, atol=1e-6)


def test_the_backbone_keeps_every_bit_and_is_not_kept(tmp_path: Path) -> None:
    plan = tiny_digits.plan("lp-sgd", sets=("batch_size=25", "epochs=2"))
    job = tiny_digits.job_of(plan, "lp-sgd", tiny_digits.pretrained_home(tmp_path))
    before, model = lp_sgd.start(job), tiny_digits.fit(job, tmp_path / "run")[0].model
    for name, value in model.state_dict().items():  # running statistics, too
        assert torch.equal(value, before.state_dict()[name]) == (not name.startswith("head.")), name
    assert not model.backbone.training and set(kept_state(model)) == {"head.weight", "head.bias"}
