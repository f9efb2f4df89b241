"""Losses that are looked at later, and batches made ahead: the same training bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_digits
import together_cases
import torch

from repro.nn.inputs import ahead, mixup
from repro.nn.inputs.ahead import Ahead
from repro.nn.together import ALONE
from repro.nn.training import seen, step
from repro.nn.training.seen import Diverged
from repro.nn.training.step import Part


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory):
    return tiny_digits.pretrained_home(tmp_path_factory.mktemp("step"))


@pytest.mark.parametrize("name", ["mean", "coupled"])
def test_looking_late_and_making_ahead_change_no_bit(places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    plainly = together_cases.train(name, places, tmp_path / "plain")[1]
    made: list[str] = []

    class Threaded(Ahead):
        def __init__(self, make, device):
            super().__init__(lambda *words: made.append("") or make(*words), device, threaded=True)

    monkeypatch.setattr(step, "Ahead", Threaded)
    monkeypatch.setitem(seen.PENDING, "cpu", 3)
    trainer, late = together_cases.train(name, places, tmp_path / "late")
    assert late.keys() == plainly.keys() and all(torch.equal(late[key], plainly[key]) for key in late)
    assert len(made) == 8 * (3 if name == "mean" else 1), "each part of each batch once"
    assert trainer.progress.data_seconds < trainer.progress.fit_seconds
    assert ahead.Ahead is Ahead


@pytest.mark.parametrize("name", ["mixup", "scant-cutmix"])
def test_mixed_batches_are_the_same_in_micro_batches_made_ahead(places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Partners lie in other micro-batches: images, labels and gradients are those of the whole batch."""
    monkeypatch.setattr(step, "Ahead", lambda make, device: Ahead(make, device, threaded=True))
    whole = together_cases.train(name, places, tmp_path / "whole", ALONE, "accumulate=1")[1]
    split = together_cases.train(name, places, tmp_path / "split", ALONE, "accumulate=5")[1]
    plain = together_cases.train(name, places, tmp_path / "plain", ALONE, "augment=none")[1]
    for key, tensor in whole.items():
        assert torch.allclose(split[key], tensor, rtol=1e-9, atol=1e-12), key
    assert not torch.equal(split["head.weight"], whole["head.weight"]), "otherwise nothing was split"
    assert not torch.allclose(plain["head.weight"], whole["head.weight"], rtol=1e-2), "otherwise nothing was mixed"


@pytest.mark.parametrize("augment", ["mixup", "cutmix"])
def test_a_step_sees_the_mixture_of_its_number(places, tmp_path: Path, augment: str) -> None:
    """By the loop's own plain batch, mixed by hand."""
    trainer = together_cases.train("mean", places, tmp_path, ALONE, f"augment={augment}", "epochs=1")[0]
    stepper, whole = trainer.stepper, torch.tensor([5, 3, 8, 99, 40])
    plain, mixture = trainer.train.batch(whole, None), mixup.draw(trainer.job, 11, 5)
    one = stepper.part(Part(11, whole, torch.tensor([3, 1])))
    assert one.share == mixture.share and one.index.tolist() == [99, 3]
    assert torch.equal(one.labels, trainer.train.labels[[99, 3]])
    partners = mixture.partners[[3, 1]]
    assert torch.equal(one.others, trainer.train.labels[whole[partners]])
    assert torch.equal(one.images, mixture.images(plain[[3, 1]], plain[partners]))
    assert one.images.is_contiguous(memory_format=torch.channels_last)
    assert stepper.part(Part(11, whole, torch.arange(0))).images.shape == (0, *plain.shape[1:])


def test_a_loss_that_is_looked_at_late_still_names_its_step(places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(seen.PENDING, "cpu", 100)
    monkeypatch.setitem(together_cases.CASES, "broken", (broken, False, ()))
    with pytest.raises(Diverged, match=r"loss is nan at step 1 \(learning rate 0.05\), examples \[") as caught:
        together_cases.train("broken", places, tmp_path)
    assert caught.value.details["step"] == 1 and len(caught.value.details["examples"]) == 32
    assert not (tmp_path / "checkpoint" / "state.pt").exists(), "nothing of it is kept"


def broken(model, batch, job) -> dict[str, torch.Tensor]:
    terms = together_cases.mean(model, batch, job)
    return {"loss": terms["loss"] * (float("nan") if job.step == 1 else 1.0)}


def test_both_ways_through_the_towers_meet_the_same_dropout(places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a coupled loss in parts: the gradient is that of the rows that the loss has seen."""
    dropout, seen_of = torch.nn.Dropout(0.5), []
    coupled, _, sets = together_cases.CASES["coupled"]

    def encode(model, images, pairs):
        rows = coupled.encode(model, images, pairs)
        kept = dropout(rows[0])
        seen_of.append(kept.detach() / rows[0].detach())
        return kept, rows[1]

    monkeypatch.setitem(together_cases.CASES, "dropped", (coupled._replace(encode=encode), False, (*sets, "accumulate=2")))
    together_cases.train("dropped", places, tmp_path)
    assert len(seen_of) == 8 * 4
    for first, second, again, again_second in zip(*(seen_of[place::4] for place in range(4)), strict=True):
        assert torch.equal(first, again) and torch.equal(second, again_second)
        assert first.shape != second.shape or not torch.equal(first, second)
