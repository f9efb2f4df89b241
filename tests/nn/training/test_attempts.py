"""Steps that are taken again: from the same state, and only for reasons that may pass."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import tiny_digits
import together_cases
import torch

from repro.nn import fitting
from repro.nn.together import Together
from repro.nn.training.attempts import NO_MEMORY, NOT_DETERMINISTIC, OutOfStep
from repro.paths import Places

NO_FORM = "adaptive_pool_backward_cuda does not have a deterministic implementation, but you set 'torch.use_deterministic_algorithms(True)'. You can"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return tiny_digits.pretrained_home(tmp_path_factory.mktemp("attempts"))


@pytest.fixture
def attempted(monkeypatch: pytest.MonkeyPatch):
    """A case whose loss first raises what is in `errors`, after the forward pass."""
    errors: list[BaseException] = []

    def loss(model, batch, job):
        terms = together_cases.mean(model, batch, job)
        if errors:
            raise errors.pop(0)
        return terms

    monkeypatch.setitem(together_cases.CASES, "attempted", (loss, True, ("batchnorm=train",)))
    return errors


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def trainer_in(places: Places, folder: Path, name: str = "attempted"):
    """One that has judged nothing yet; its images are, so to speak, on a device."""
    job = tiny_digits.job_of(tiny_digits.plan("ft", sets=("batch_size=32", "epochs=2", "lr=0.05", "batchnorm=train")), "ft", places)
    job.backbone()
    folder.mkdir()
    loss = together_cases.CASES[name][0]
    splits = {"id_val": job.images("id_val")}
    return together_cases.Trainer(job, together_cases.Net(True), loss, job.images("train", augmented=True), splits, folder)


def test_images_leave_and_batchnorm_has_seen_the_batch_once(places: Places, attempted: list, tmp_path: Path) -> None:
    plain = trainer_in(places, tmp_path / "plain")
    plain.take(3)
    trainer = trainer_in(places, tmp_path / "again")
    beside = trainer.judged["id_val"]
    beside.pack = beside.pack.on(tiny_digits.CPU)
    attempted.append(torch.OutOfMemoryError("made up"))
    trainer.take(3)
    assert same(plain.model.state_dict(), trainer.model.state_dict())
    assert trainer.job.extras["images_left_the_device"] == 0 and not beside.leave_device(), "those that are judged, too"


def test_images_make_room_for_what_the_optimiser_remembers(places: Places, attempted: list, tmp_path: Path) -> None:
    attempts = trainer_in(places, tmp_path / "a").stepper.attempts
    errors: list[BaseException] = [torch.OutOfMemoryError("made up")]

    def make() -> str:
        if errors:
            raise errors.pop()
        return "made"

    with pytest.raises(torch.OutOfMemoryError):  # nothing lies there that could leave
        attempts.with_room(make)
    attempts.images[0].pack = attempts.images[0].pack.on(tiny_digits.CPU)
    errors.append(torch.OutOfMemoryError("made up"))
    assert attempts.with_room(make) == "made" and not attempts.images[0].leave_device()
    assert attempts.job.extras["images_left_the_device"] == 0
    attempts.images[0].pack = attempts.images[0].pack.on(tiny_digits.CPU)
    errors.append(RuntimeError("another"))
    with pytest.raises(RuntimeError, match="another"):
        attempts.with_room(make)
    assert attempts.images[0].leave_device(), "they stay for any other reason"


def test_an_operation_without_a_deterministic_form_is_recorded_and_taken(places: Places, attempted: list, tmp_path: Path) -> None:
    plain = trainer_in(places, tmp_path / "plain")
    plain.take(2)
    trainer = trainer_in(places, tmp_path / "again")
    trainer.stepper.attempts.strict = True
    attempted.append(RuntimeError(NO_FORM))
    trainer.take(2)
    assert same(plain.model.state_dict(), trainer.model.state_dict())
    assert trainer.job.extras["not_deterministic"].startswith("adaptive_pool_backward_cuda does not have")
    assert not trainer.stepper.attempts.strict


def test_strict_only_within_a_step(places: Places, attempted: list, tmp_path: Path) -> None:
    before = torch.are_deterministic_algorithms_enabled()
    trainer = trainer_in(places, tmp_path / "one")
    trainer.stepper.attempts.strict = True
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        with trainer.stepper.attempts.one():
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(before)


def test_other_errors_are_what_they_are(places: Places, attempted: list, tmp_path: Path) -> None:
    trainer = trainer_in(places, tmp_path / "one")
    attempts = trainer.stepper.attempts
    assert attempts.why(RuntimeError("CUDA error: out of memory")) == NO_MEMORY
    with pytest.raises(RuntimeError, match="shapes"):
        attempts.why(RuntimeError("shapes"))
    with pytest.raises(RuntimeError, match="deterministic implementation"):
        attempts.why(RuntimeError(NO_FORM))  # nobody asked for one
    attempts.strict = True
    assert attempts.why(RuntimeError(NO_FORM)) == NOT_DETERMINISTIC


def test_several_gpus_that_wait_for_each_other_within_a_step_end(places: Places, attempted: list, tmp_path: Path) -> None:
    """Their next words would not be answers to each other."""
    attempts = trainer_in(places, tmp_path / "one").stepper.attempts
    attempts.job.together = Together()
    attempts.job.together.size, attempts.job.device = 2, torch.device("cuda")
    with pytest.raises(OutOfStep, match="out of memory with 32 examples in a step of 2 processes"):
        attempts.again(NO_MEMORY, 0, 32, 1)


@pytest.mark.parametrize("words", fitting.SHORT)
def test_memory_runs_out_in_many_words(words: str) -> None:
    assert fitting.out_of_memory(RuntimeError(f"{words} when calling something")) and not fitting.out_of_memory(ValueError(words))


def test_nothing_of_a_finished_run_stays(places: Places, tmp_path: Path) -> None:
    """Without waiting for the collector of cycles: on a GPU it would be in the way of the next run."""
    trainer = together_cases.train("mean", places, tmp_path / "one")[0]
    watched = [weakref.ref(one) for one in (trainer, trainer.model, trainer.stepper, trainer.stepper.optimizer, trainer.train)]
    gc.collect()
    gc.disable()
    try:
        del trainer
        assert [one() for one in watched] == [None] * 5
    finally:
        gc.enable()
