"""A few images per class: how many, of which class, drawn anew by every seed; and FLYP's few-shot protocol in a run."""

from pathlib import Path

import numpy as np
import pytest
import tiny_digits
import torch

from repro import plugins
from repro.errors import UserError
from repro.methods import flyp
from repro.nn import few_shot
from repro.nn.job import Batch, Job
from repro.paths import Places

BENCHMARK = plugins.benchmark("digits").describe({}, tiny_digits.places_at(Path("unused")), True)
LABELS = torch.randint(10, (300,), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return tiny_digits.pretrained_home(tmp_path_factory.mktemp("few-shot"))


def job_with(home: Places, *sets: str) -> Job:
    return tiny_digits.job_of(tiny_digits.plan("flyp", sets=sets), "flyp", home)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """Those that the method's loss sees."""
    seen, real = [], flyp.loss
    monkeypatch.setattr(flyp, "loss", lambda model, batch, job: seen.append(batch) or real(model, batch, job))
    return seen


@pytest.mark.parametrize("shots", [1, 4])
def test_every_class_has_as_many_images(shots: int) -> None:
    rows = few_shot.draw(LABELS, shots, BENCHMARK, "train", 0)
    assert torch.bincount(LABELS[rows]).tolist() == [shots] * 10 and len(rows.unique()) == 10 * shots


def test_seeds_and_splits_draw_for_themselves() -> None:
    drawn = [few_shot.draw(LABELS, 4, BENCHMARK, split, seed).tolist() for split in ("train", "id_val") for seed in (0, 1)]
    assert len({tuple(rows) for rows in drawn}) == 4
    assert few_shot.draw(LABELS, 4, BENCHMARK, "train", 0).tolist() == drawn[0]
    seen = torch.cat([few_shot.draw(LABELS, 4, BENCHMARK, "train", seed) for seed in range(100)])
    assert len(seen.unique()) > 290  # any image can be drawn


def test_a_class_with_fewer_images_is_an_error() -> None:
    with pytest.raises(UserError, match="shots=3: train of digits has 2 images of 'nine'"):
        few_shot.draw(torch.arange(10).repeat_interleave(torch.tensor([5] * 9 + [2])), 3, BENCHMARK, "train", 0)


def test_training_and_validation_are_drawn_and_tests_are_whole(home: Places) -> None:
    job, whole = job_with(home, "shots=4"), job_with(home)
    for one in (job, whole):
        one.backbone()
    assert [len(job.images(split)) for split in ("train", "id_val", "id_test", "photos")] == [40, 40, 100, 100]
    few, all_of = job.images("train"), whole.images("train")
    rows = few_shot.draw(all_of.labels, 4, job.benchmark, "train", 0)
    assert torch.equal(few.batch(torch.arange(40), None), all_of.batch(rows, None)) and torch.equal(few.labels, all_of.labels[rows])


def test_flyps_protocol_is_one_fixed_batch_and_the_untouched_model_is_a_choice(home: Places, tmp_path: Path, batches: list[Batch]) -> None:
    sets = ("shots=4", "fixed_crops=true", "judge_start=true", "epochs=5", "batch_size=40", "augment=rrc", "lr=1e-3")
    job = job_with(home, *sets)
    trainer, losses = tiny_digits.fit(job, tmp_path, judge=True)
    assert [point.name for point in trainer.progress.checkpoints] == [f"epoch-{number}" for number in range(6)]
    assert len(losses) == 5 and [len(batch.index) for batch in batches] == [40] * 5
    first, *others = (batch.images[batch.index.argsort()] for batch in batches)
    assert all(torch.equal(images, first) for images in others)
    start = trainer.progress.checkpoints[0]
    assert start.train == {} and start.step is None and start.seconds == 0
    model = flyp.judged(flyp.start(job), job).eval()
    images = job.images("id_val")
    with torch.no_grad():
        hits = model(images.batch(torch.arange(40), None)).argmax(dim=1) == images.labels
    assert start.metrics["id_val"]["accuracy"] == pytest.approx(float(hits.float().mean()))
    with np.load(tmp_path / "checkpoint" / f"predictions-{trainer.keep[0]}.npz") as arrays:
        assert arrays["id_val"].shape == (40, 10) and arrays["photos"].shape == (100, 10)


def test_without_it_crops_differ_between_epochs(home: Places, tmp_path: Path, batches: list[Batch]) -> None:
    tiny_digits.fit(job_with(home, "shots=4", "epochs=2", "batch_size=40", "augment=rrc"), tmp_path)
    first, second = (batch.images[batch.index.argsort()] for batch in batches)
    assert not torch.equal(first, second)


def test_a_run_stopped_after_its_start_was_judged_judges_it_once(home: Places, tmp_path: Path) -> None:
    sets = ("shots=4", "judge_start=true", "epochs=2", "batch_size=40")
    tiny_digits.fit(job_with(home, *sets), tmp_path, judge=True, stop_at=0)
    trainer, losses = tiny_digits.fit(job_with(home, *sets), tmp_path, judge=True)
    assert [point.name for point in trainer.progress.checkpoints] == ["epoch-0", "epoch-1", "epoch-2"] and len(losses) == 2
