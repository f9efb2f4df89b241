"""CORAL: the loss against numpy in float64, and training across a break."""

from pathlib import Path

import numpy as np
import pytest
import tiny_digits
from resumed import same_after_a_break

from repro.methods import coral


def test_the_loss_is_the_formula(tmp_path: Path) -> None:
    job = tiny_digits.job_of(tiny_digits.plan("coral", sets=("penalty_weight=7",)), "coral", tiny_digits.pretrained_home(tmp_path))
    model = coral.start(job).eval()
    trainer, _ = tiny_digits.fit(job, tmp_path / "run", stop_at=0)
    batch = trainer.stepper.batch(trainer.order(0)[0])
    assert len(batch.domains) == 16 and sorted(batch.domains.tolist()) == [0] * 8 + [1] * 8
    features, labels = model.features(batch.images).detach().double().numpy(), batch.labels.numpy()
    weight, bias = (value.detach().double().numpy() for value in (model.head.weight, model.head.bias))
    logits = features @ weight.T + bias
    risk = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(16), labels])
    a, b = (features[batch.domains.numpy() == domain] for domain in (0, 1))
    distance = np.mean((a.mean(0) - b.mean(0)) ** 2) + np.mean((np.cov(a.T) - np.cov(b.T)) ** 2)
    terms = coral.loss(model, batch, job)
    assert terms["coral"].item() == pytest.approx(distance, rel=1e-3)
    assert terms["loss"].item() == pytest.approx(risk + 7 * distance, rel=1e-4)


def test_a_broken_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    losses = same_after_a_break("coral", tiny_digits.pretrained_home(tmp_path), tmp_path, "epochs=2", "batch_size=20", stop_at=7)
    assert len(losses) == 10
