"""IRM: the loss before and after its weight changes, and the optimiser that starts afresh there, across a break."""

from pathlib import Path

import pytest
import tiny_digits
import torch
from resumed import same_after_a_break

from repro.methods import irm
from repro.nn.objectives.alignment import irm_terms
from repro.nn.training import step


@pytest.mark.parametrize(("step", "weight"), [(0, 1.0), (4, 1.0), (5, 30.0), (9, 30.0)])
def test_the_penalty_has_its_weight_after_the_annealing(tmp_path: Path, step: int, weight: float) -> None:
    job = tiny_digits.job_of(
        tiny_digits.plan("irm", sets=("penalty_weight=30", "anneal_steps=5")), "irm", tiny_digits.pretrained_home(tmp_path)
    )
    trainer, _ = tiny_digits.fit(job, tmp_path / "run", stop_at=0)
    model, batch = irm.start(job).eval(), trainer.stepper.batch(trainer.order(0)[0])
    job.step = step
    terms = irm.loss(model, batch, job)
    risk, penalty = irm_terms(model(batch.images).double(), batch.labels, batch.domains)
    assert terms["irm"].item() == pytest.approx(penalty.item(), rel=1e-4)
    assert terms["loss"].item() == pytest.approx((risk + weight * penalty).item(), rel=1e-4)


def test_the_optimiser_starts_afresh_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """wilds' IRM makes its optimiser anew where the weight changes (p-lambda/wilds@4726775 examples/algorithms/IRM.py:93-99)."""
    made, make = [], step.make_optimizer
    monkeypatch.setattr(step, "make_optimizer", lambda model, recipe: made.append(None) or make(model, recipe))
    sets = ("epochs=2", "batch_size=20", "anneal_steps=6", "optimizer=adamw", "lr=1e-3")
    job = tiny_digits.job_of(tiny_digits.plan("irm", sets=sets), "irm", tiny_digits.pretrained_home(tmp_path))
    trainer, losses = tiny_digits.fit(job, tmp_path / "run")
    assert len(losses) == 10 and len(made) == 2
    assert {int(state["step"]) for state in trainer.stepper.optimizer.state.values()} == {4}


@pytest.mark.parametrize("stop_at", [6, 8])
def test_a_broken_training_goes_on_bit_for_bit(tmp_path: Path, stop_at: int) -> None:
    sets = ("epochs=2", "batch_size=20", "anneal_steps=6", "penalty_weight=5", "optimizer=adamw", "lr=1e-3")
    losses = same_after_a_break("irm", tiny_digits.pretrained_home(tmp_path), tmp_path, *sets, stop_at=stop_at)
    assert len(losses) == 10 and all(torch.tensor(losses).isfinite())
