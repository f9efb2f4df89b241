"""DANN: the loss and its gradients against the two objectives written apart, three learning rates, and what is judged."""

from pathlib import Path

import pytest
import tiny_digits
import torch
import torch.nn.functional as F
from resumed import same_after_a_break

from repro.methods import dann
from repro.nn.job import Job
from repro.nn.training.loop import Trainer

SETS = ("batch_size=20", "epochs=2", "lr=1e-3", "head_lr_factor=10", "discriminator_lr=4e-3", "penalty_weight=0.5")


def job_at(folder: Path, *sets: str) -> Job:
    return tiny_digits.job_of(tiny_digits.plan("dann", sets=(*SETS, *sets)), "dann", tiny_digits.pretrained_home(folder))


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return tiny_digits.fit(job_at(tmp_path), tmp_path / "run", stop_at=0)[0]


def test_features_work_against_the_discriminator_and_it_against_them(trainer: Trainer) -> None:
    model, batch = trainer.model.eval(), trainer.stepper.batch(trainer.order(0)[0])
    assert batch.domains.unique().tolist() == [0, 1]
    terms = dann.loss(model, batch, trainer.job)
    found = torch.autograd.grad(terms["loss"], list(model.parameters()), retain_graph=True)
    features = model.backbone.visual(batch.images)
    risk = F.cross_entropy(features @ model.head.weight.T + model.head.bias, batch.labels)
    told = F.cross_entropy(model.discriminator(features), batch.domains)
    assert terms["domain"].item() == pytest.approx(told.item(), rel=1e-5)
    assert terms["loss"].item() == pytest.approx(risk.item() + 0.5 * told.item(), rel=1e-5)
    for (name, parameter), gradient in zip(model.named_parameters(), found, strict=True):
        sign = 0.5 if name.startswith("discriminator.") else -0.5
        objective = risk + sign * told
        expected = torch.autograd.grad(objective, parameter, retain_graph=True)[0]
        assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-6), name


def test_there_are_three_learning_rates(trainer: Trainer) -> None:
    rates = {id(p): group["lr"] for group in trainer.stepper.optimizer.param_groups for p in group["params"]}
    for name, parameter in trainer.model.named_parameters():
        expected = {"discriminator": 4e-3, "head": 1e-2, "backbone": 1e-3}[name.split(".")[0]]
        assert rates[id(parameter)] == pytest.approx(expected), name
    assert len(trainer.stepper.optimizer.param_groups) == 3


def test_what_is_judged_and_kept_has_no_discriminator(tmp_path: Path) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    plan = tiny_digits.plan("dann", sets=SETS)
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    result = tiny_digits.Store(places.runs).result(plan.runs[-1])
    state = tiny_digits.ParentRun(result, tiny_digits.Store(places.runs).folder(plan.runs[-1])).weights(result.kept["weights"][0])
    assert "head.weight" in state and not [name for name in state if name.startswith("discriminator")]
    assert {"loss", "domain"} <= set(result.checkpoints[-1].train)


@pytest.mark.parametrize("schedule", ["constant", "sigmoid"])
def test_a_broken_training_goes_on_bit_for_bit(tmp_path: Path, schedule: str) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    losses = same_after_a_break("dann", places, tmp_path, *SETS, f"penalty_schedule={schedule}", stop_at=7)
    assert len(losses) == 10
