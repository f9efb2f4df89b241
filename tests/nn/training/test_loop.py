"""The training loop on the digits' tiny subset: what a step does, and what is judged and kept."""

from pathlib import Path

import numpy as np
import pytest
import tiny_digits
import torch
import torch.nn.functional as F
from torch import nn

from repro.nn import fitting
from repro.nn.job import Batch, Job
from repro.nn.training.loop import Trainer
from repro.nn.training.optim import learning_rate
from repro.nn.training.seen import Diverged
from repro.paths import Places


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Places:
    places = tiny_digits.pretrained_home(tmp_path_factory.mktemp("loop"))
    assert tiny_digits.execute(tiny_digits.plan("lp"), places, tiny_digits.CPU, tiny_digits.Log()) == []
    return places


def job_with(home: Places, *sets: str, method: str = "ft") -> Job:
    return tiny_digits.job_of(tiny_digits.plan(method, sets=sets), method, home)


class Smooth(nn.Module):
    """A network in float64 without BatchNorm and dropout, so that sums may be split in any way."""

    def __init__(self, norm: bool = False):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 16), nn.BatchNorm1d(16) if norm else nn.Tanh()).double()
        self.head = nn.Linear(16, 10).double()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images.double()))

    def freeze_backbone(self) -> None:
        self.backbone.requires_grad_(False)


def mean_loss(model: nn.Module, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
    return {"loss": F.cross_entropy(model(batch.images), batch.labels)}


def trainer_of(job: Job, folder: Path, model: nn.Module | None = None, loss=mean_loss) -> Trainer:
    job.backbone()  # says how images are prepared
    model = Smooth() if model is None else model
    return Trainer(job, model, loss, job.images("train", augmented=True), {}, folder)


def first_batch(trainer: Trainer) -> tuple[torch.Tensor, torch.Tensor | None]:
    return trainer.order(0)[0], trainer.train.uniforms(trainer.job.run.seed, 0)


@pytest.mark.parametrize("parts", [2, 3, 7, 32, 100])
def test_accumulation_gives_the_gradient_of_the_whole_batch(home: Places, tmp_path: Path, parts: int) -> None:
    whole, split = (trainer_of(job_with(home, "batch_size=32", f"accumulate={n}", "momentum=0"), tmp_path) for n in (1, parts))
    for trainer in (whole, split):
        trainer._step(*first_batch(trainer))
    for a, b in zip(whole.model.parameters(), split.model.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-10, atol=1e-14)
        assert torch.allclose(a, b, rtol=1e-12)
    assert whole.progress.sums["loss"] == pytest.approx(split.progress.sums["loss"], rel=1e-10)
    assert whole.progress.seen == split.progress.seen == 32


def test_a_step_is_sgd_on_the_mean_gradient(home: Places, tmp_path: Path) -> None:
    trainer, untouched = trainer_of(job_with(home, "lr=0.05", "batch_size=32"), tmp_path), Smooth()
    index, uniforms = first_batch(trainer)
    F.cross_entropy(untouched(trainer.train.batch(index, uniforms)), trainer.train.labels[index]).backward()
    trainer._step(index, uniforms)
    for new, old in zip(trainer.model.parameters(), untouched.parameters(), strict=True):
        assert torch.allclose(new, old - 0.05 * old.grad, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("limit", [0.01, 1000.0])
def test_gradients_are_clipped_to_their_joint_norm(home: Places, tmp_path: Path, limit: float) -> None:
    free, clipped = (trainer_of(job_with(home, *sets), tmp_path) for sets in ((), (f"clip_norm={limit}",)))
    for trainer in (free, clipped):
        trainer._step(*first_batch(trainer))
    norm = torch.cat([parameter.grad.flatten() for parameter in free.model.parameters()]).norm()
    factor = min(1.0, limit / float(norm))
    for a, b in zip(free.model.parameters(), clipped.model.parameters(), strict=True):
        assert torch.allclose(b.grad, factor * a.grad, rtol=1e-4)


def test_batchnorm_in_evaluation_mode_keeps_its_statistics_and_trains_its_weights(home: Places, tmp_path: Path) -> None:
    for mode, frozen in (("eval", True), ("train", False)):
        model = Smooth(norm=True)
        norm = model.backbone[2]
        before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
        trainer = trainer_of(job_with(home, f"batchnorm={mode}", "batch_size=25"), tmp_path / mode, model)
        trainer.folder.mkdir()
        trainer.fit()
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            assert torch.equal(getattr(norm, name), before[name]) == frozen, (mode, name)
        assert not torch.equal(norm.weight, before["weight"]) and not torch.equal(norm.bias, before["bias"])


def test_a_frozen_backbone_is_bit_equal_and_the_head_moves(home: Places, tmp_path: Path) -> None:
    model, untouched = Smooth(norm=True), Smooth(norm=True)
    trainer_of(job_with(home, "freeze=backbone"), tmp_path, model).fit()
    for (name, new), old in zip(model.state_dict().items(), untouched.state_dict().values(), strict=True):
        assert torch.equal(new, old) == name.startswith("backbone."), name


@pytest.mark.parametrize(("drop", "sizes"), [("false", [32, 32, 32, 4]), ("true", [32, 32, 32])])
def test_every_example_once_per_epoch_but_for_a_dropped_rest(home: Places, tmp_path: Path, drop: str, sizes: list[int]) -> None:
    seen: list[torch.Tensor] = []

    def loss(model: nn.Module, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
        assert torch.equal(batch.labels, trainer.train.pack.labels[batch.index])
        seen.append(batch.index)
        return mean_loss(model, batch, job)

    trainer = trainer_of(job_with(home, "batch_size=32", "epochs=2", f"drop_last={drop}"), tmp_path, loss=loss)
    trainer.fit()
    epochs = seen[: len(sizes)], seen[len(sizes) :]
    assert [len(index) for index in epochs[0]] == [len(index) for index in epochs[1]] == sizes
    for epoch in epochs:
        assert len(torch.cat(epoch).unique()) == sum(sizes)
    assert not torch.equal(torch.cat(epochs[0]), torch.cat(epochs[1]))
    assert trainer.progress.step == trainer.total_steps == 2 * len(sizes)


def test_a_batch_larger_than_the_split_is_the_split(home: Places, tmp_path: Path) -> None:
    trainer = trainer_of(job_with(home, "batch_size=1000", "epochs=1", "drop_last=true"), tmp_path)
    trainer.fit()
    assert trainer.progress.step == 1 and trainer.progress.images == 100


def test_every_step_has_its_own_learning_rate(home: Places, tmp_path: Path) -> None:
    rates: list[tuple[float, float]] = []

    def loss(model: nn.Module, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
        groups = {group["lr_factor"]: group["lr"] for group in trainer.stepper.optimizer.param_groups}
        rates.append((groups[1.0], groups[10.0]))
        return mean_loss(model, batch, job)

    sets = ("epochs=3", "batch_size=50", "schedule=cosine_step", "warmup_steps=2", "head_lr_factor=10", "lr=0.01")
    trainer = trainer_of(job_with(home, *sets), tmp_path, loss=loss)
    trainer.fit()
    expected = [learning_rate(trainer.recipe, step, 2) for step in range(6)]
    assert [rate for rate, _ in rates] == expected
    assert [rate for _, rate in rates] == pytest.approx([10 * rate for rate in expected])


def test_a_loss_that_is_no_number_names_its_step_and_examples(home: Places, tmp_path: Path) -> None:
    def loss(model: nn.Module, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
        value = mean_loss(model, batch, job)["loss"]
        return {"loss": value * float("nan") if trainer.progress.step == 2 else value}

    trainer = trainer_of(job_with(home, "batch_size=32"), tmp_path, loss=loss)
    with pytest.raises(Diverged) as caught:
        trainer.fit()
    batch = trainer.order(0)[2].tolist()
    assert str(caught.value) == f"loss is nan at step 2 (learning rate 0.003), examples {batch[:8]} and 24 more"
    assert caught.value.details == {"step": 2, "examples": batch}
    assert all(torch.isfinite(parameter).all() for parameter in trainer.model.parameters())


def test_logits_that_the_last_step_ruined_are_no_result(home: Places, tmp_path: Path):
    job = job_with(home, "epochs=1", "batch_size=100")

    def ruin(model: nn.Module, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
        return {"loss": mean_loss(model, batch, job)["loss"] + (model.head.bias * 0).sum() ** 0.5}  # finite; its gradient is not

    trainer = trainer_of(job, tmp_path, loss=ruin)
    trainer.judged = {"id_val": job.images("id_val")}
    with pytest.raises(Diverged, match="the logits of id_val are not finite at epoch-1, step 1"):
        trainer.fit()
    assert trainer.progress.checkpoints == []


def test_what_is_judged_and_kept_is_what_the_method_makes_of_the_model(home: Places, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    class Negated(nn.Module):
        def __init__(self, model: nn.Module):
            super().__init__()
            self.inner = model

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return -self.inner(images)

    def judge(folder: Path, classifier) -> tuple[np.ndarray, set[str], int]:
        job = job_with(home, "batch_size=50", "epochs=1")
        job.backbone()
        folder.mkdir()
        trainer = Trainer(job, Smooth(), mean_loss, job.images("train"), tiny_digits.judged_splits(job), folder, classifier)
        trainer.fit()
        names = set(load_file(folder / "checkpoint" / "weights-epoch-1.safetensors"))
        with np.load(folder / "checkpoint" / "predictions-epoch-1.npz") as arrays:
            return arrays["id_val"], names, trainer.progress.step

    made: list[nn.Module] = []
    plain, names, _ = judge(tmp_path / "plain", None)
    negated, kept, steps = judge(tmp_path / "negated", lambda model, job: made.append(model) or Negated(model))
    assert np.array_equal(negated, -plain) and kept == {f"inner.{name}" for name in names}
    assert len(made) == 1 and steps == 2


def test_reduced_precision_runs_and_stays_close(home: Places, tmp_path: Path) -> None:
    sets = ("batch_size=25", "lr=1e-4")
    full = tiny_digits.fit(job_with(home, *sets), tmp_path / "full")[1]
    reduced = tiny_digits.fit(job_with(home, *sets, "precision=bf16"), tmp_path / "reduced")[1]
    assert reduced != full
    assert reduced == pytest.approx(full, rel=0.02)


class Small:
    """A loss with memory for `room` examples at a time; remembers how many it was asked for."""

    def __init__(self, room: int, error=torch.OutOfMemoryError):
        self.room, self.error, self.sizes = room, error, []

    def __call__(self, model: nn.Module, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
        self.sizes.append(len(batch.labels))
        if len(batch.labels) > self.room:
            raise self.error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return mean_loss(model, batch, job)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
def test_out_of_memory_is_smaller_micro_batches_with_the_same_gradient(home: Places, tmp_path: Path, error: type) -> None:
    """Bit by bit what `accumulate` gives, as close to the whole batch as that is, and recorded."""
    sets, loss = ("batch_size=32", "epochs=2"), Small(9, error)
    small = trainer_of(job_with(home, *sets), tmp_path / "small", loss=loss)
    asked = trainer_of(job_with(home, *sets, "accumulate=4"), tmp_path / "asked")
    for trainer in (small, asked):
        trainer.folder.mkdir()
        trainer.fit()
    assert loss.sizes[:6] == [32, 16, 8, 8, 8, 8] and max(loss.sizes[2:]) == 8, "once found, it stays"
    assert small.job.extras["micro_batches"] == {"from_step": 0, "parts": 4}
    assert all(torch.equal(a, b) for a, b in zip(small.model.parameters(), asked.model.parameters(), strict=True))
    assert small.progress.checkpoints[-1].train == asked.progress.checkpoints[-1].train


def test_images_leave_the_device_before_a_step_is_made_in_parts(home: Places, tmp_path: Path) -> None:
    loss = Small(16)
    small = trainer_of(job_with(home, "batch_size=32", "epochs=1"), tmp_path, loss=loss)
    small.train.pack = small.train.pack.on(tiny_digits.CPU)
    small.fit()
    assert loss.sizes[:4] == [32, 32, 16, 16] and max(loss.sizes[2:]) == 16
    assert small.job.extras["images_left_the_device"] == 0 and small.job.extras["micro_batches"] == {"from_step": 0, "parts": 2}


def test_an_interrupted_run_goes_on_with_its_micro_batches(home: Places, tmp_path: Path) -> None:
    sets, loss = ("batch_size=32", "epochs=1"), Small(9)
    first = trainer_of(job_with(home, *sets), tmp_path, loss=loss)
    first._step(*first_batch(first))
    first._save()
    loss.sizes.clear()
    trainer_of(job_with(home, *sets), tmp_path, loss=loss).fit()
    assert max(loss.sizes) == 8


@pytest.mark.parametrize(
    ("method", "sets", "norm", "why"),
    [
        ("ft", ("batchnorm=train",), True, "the statistics of its BatchNorm are of whole batches"),
        ("flyp", (), False, "the loss of flyp is of whole batches"),
        ("ft", (), False, "one example alone does not fit"),
    ],
)
def test_where_smaller_batches_would_be_other_mathematics_the_run_fails(
    home: Places, tmp_path: Path, method: str, sets: tuple[str, ...], norm: bool, why: str
) -> None:
    trainer = trainer_of(job_with(home, "batch_size=32", *sets, method=method), tmp_path, Smooth(norm), Small(0))
    before = [parameter.clone() for parameter in trainer.model.parameters()]
    with pytest.raises(fitting.TooLarge, match=why):
        trainer.fit()
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.model.parameters(), strict=True))


def test_another_error_is_no_lack_of_memory(home: Places, tmp_path: Path) -> None:
    def broken(model: nn.Module, batch: Batch, job: Job) -> dict[str, torch.Tensor]:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        trainer_of(job_with(home, "batch_size=32"), tmp_path, loss=broken).fit()
