"""L2-SP: the penalty against automatic differentiation written out in float64, and its origin across a resume."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_digits
import torch
from torch import nn

from repro.methods import l2_sp
from repro.nn.job import Batch

WEIGHT = 0.3


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Tanh()).double()
        self.head = nn.Linear(5, 3).double()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))


@pytest.mark.parametrize("penalise_head", [False, True])
def test_loss_and_gradient_are_the_formulas(penalise_head: bool) -> None:
    recipe = SimpleNamespace(l2sp_weight=WEIGHT, l2sp_head=penalise_head, label_smoothing=0.0)
    job = SimpleNamespace(recipe=recipe, classifier=Small, origin=None, class_weights=None)
    model = l2_sp.start(job)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    images, labels = torch.randn(6, 3, 2, 2, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0, 2])
    terms = l2_sp.loss(model, Batch(images, labels, torch.arange(6)), job)
    terms["loss"].backward()

    theta = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    features = torch.tanh(images.flatten(1) @ theta["backbone.1.weight"].T + theta["backbone.1.bias"])
    logits = features @ theta["head.weight"].T + theta["head.bias"]
    entropy = -(logits[torch.arange(6), labels] - logits.exp().sum(dim=1).log()).sum() / 6
    distance = sum(
        ((value - start[name]) * (value - start[name])).sum() for name, value in theta.items() if penalise_head or "head" not in name
    )
    (entropy + WEIGHT * distance).backward()
    assert terms["loss"].item() == pytest.approx((entropy + WEIGHT * distance).item(), rel=1e-13)
    assert terms["l2sp"].item() == pytest.approx(WEIGHT * distance.item(), rel=1e-13) and distance.item() > 10
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter.grad, theta[name].grad, rtol=1e-11, atol=1e-13), name


def test_it_starts_as_fine_tuning_with_no_penalty(tmp_path: Path) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    sets = ("batch_size=100", "epochs=1", "l2sp_weight=1e4")
    penalised = tiny_digits.fit(tiny_digits.job_of(tiny_digits.plan("l2-sp", sets=sets), "l2-sp", places), tmp_path / "l2-sp")
    free = tiny_digits.fit(tiny_digits.job_of(tiny_digits.plan("ft", sets=sets[:2]), "ft", places), tmp_path / "ft")
    assert penalised[1] == free[1]  # one step, taken where the distance is zero
    for a, b in zip(penalised[0].model.parameters(), free[0].model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_resumed_run_stays_near_where_the_first_one_began(tmp_path: Path) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    plan = tiny_digits.plan("l2-sp", sets=("batch_size=20", "epochs=2", "lr=1e-3", "l2sp_weight=5"))
    whole, losses = tiny_digits.fit(tiny_digits.job_of(plan, "l2-sp", places), tmp_path / "whole")
    first, before = tiny_digits.fit(tiny_digits.job_of(plan, "l2-sp", places), tmp_path / "parts", stop_at=7)
    second, after = tiny_digits.fit(tiny_digits.job_of(plan, "l2-sp", places), tmp_path / "parts")
    assert len(before) == 7 and before + after == losses
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    for name, value in first.job.origin.items():
        assert torch.equal(value, second.job.origin[name])
    assert not torch.equal(first.job.origin["backbone.visual.conv1.weight"], first.model.backbone.visual.conv1.weight)
    assert whole.progress.checkpoints[-1].train["l2sp"] > 1e-3
