"""A few images per class: how many, of which class, drawn anew by every seed; and FLYP's few-shot protocol, in a run and written again."""

from pathlib import Path

import numpy as np
import pytest
import tiny_digits
import torch

from repro import plugins
from repro.display import tables
from repro.errors import UserError
from repro.methods import flyp
from repro.nn.inputs import few_shot
from repro.nn.job import Batch, Job
from repro.nn.objectives.coupled import Coupled
from repro.nn.seeding import generator
from repro.nn.training import saved
from repro.nn.training.loop import Trainer
from repro.outcomes.selection import select
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning import plan as planning
from repro.types import Result

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
    seen, real = [], Coupled.__call__
    monkeypatch.setattr(Coupled, "__call__", lambda loss, model, batch, job: seen.append(batch) or real(loss, model, batch, job))
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


# tests judged once, at the checkpoint that validation selects

PROTOCOL = ("shots=4", "fixed_crops=true", "judge_start=true", "judge=selected", "select_by=cross_entropy", "augment=rrc")
SMALL = (*PROTOCOL, "epochs=4", "batch_size=40", "lr=3e-4")


def finished(home: Places, sets: tuple[str, ...]) -> Result:
    """The stored result of FLYP on digits, worked off in `home`."""
    made = tiny_digits.plan("flyp", sets=sets)
    assert tiny_digits.execute(made, home, tiny_digits.CPU, tiny_digits.Log()) == []
    return Store(home.runs).result(made.run(made.asked[0]))


def test_tests_are_judged_once_at_the_selected_checkpoint_as_if_always(home: Places, tmp_path: Path) -> None:
    once, always = (finished(home, (*SMALL, f"judge={judge}")) for judge in ("selected", "all"))
    chosen = select(once.checkpoints, "id_val", BENCHMARK, "cross_entropy").name
    assert once.kept == {"predictions": (chosen,), "weights": (chosen,)}
    assert len(once.checkpoints) == 5 and once.checkpoint(chosen) == always.checkpoint(chosen).model_copy(
        update={"seconds": once.checkpoint(chosen).seconds}
    )
    for point in once.checkpoints:
        assert point.metrics["id_val"] == always.checkpoint(point.name).metrics["id_val"]
        assert list(point.metrics) == ([split.name for split in BENCHMARK.judged] if point.name == chosen else ["id_val"])
    with pytest.raises(UserError, match="was not judged on"):
        tables.build([once], "oracle")
    frame = Store(home.runs).frame()
    assert set(frame[(frame["key"] == once.key) & (frame["split"] == "id_test")]["checkpoint"]) == {chosen}
    shown = [tables.build([result], "id_val")[0].rows[0].cells for result in (once, always)]
    assert shown[0] == shown[1]


def test_the_weights_of_the_choice_are_there_for_it_even_where_none_are_kept(home: Places) -> None:
    kept, none = (finished(home, (*SMALL, f"keep_weights={keep}", "lr=2e-4")) for keep in ("selected", "none"))
    assert [point.metrics for point in none.checkpoints] == [point.metrics for point in kept.checkpoints] and none.kept["weights"] == ()
    assert none.files.keys() == {"predictions.npz"}


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_a_run_killed_around_the_last_judging_ends_as_the_others(home: Places, tmp_path: Path, monkeypatch, when: str) -> None:
    """Before the tests are judged, between their predictions and the state that knows of them, and after both."""
    whole, _ = tiny_digits.fit(job_with(home, *SMALL), tmp_path / "whole", judge=True)
    real = saved.add_predictions

    def killed(trainer: Trainer, name: str, logits: dict[str, np.ndarray]) -> None:
        if when != "before":
            real(trainer, name, logits)
        if when == "after":
            monkeypatch.setattr(trainer, "_save", lambda: [saved.write_state(trainer), stop()])
        else:
            stop()

    def stop() -> None:
        raise tiny_digits.Stopped

    monkeypatch.setattr(saved, "add_predictions", killed)
    tiny_digits.fit(job_with(home, *SMALL), tmp_path / "killed", judge=True)
    monkeypatch.setattr(saved, "add_predictions", real)
    again, losses = tiny_digits.fit(job_with(home, *SMALL), tmp_path / "killed", judge=True)
    assert losses == [] and bytes_of(again) == bytes_of(whole)


def test_a_run_killed_while_it_trains_keeps_the_choice_so_far(home: Places, tmp_path: Path) -> None:
    whole, _ = tiny_digits.fit(job_with(home, *SMALL), tmp_path / "whole", judge=True)
    tiny_digits.fit(job_with(home, *SMALL), tmp_path / "killed", judge=True, stop_at=2)
    again, losses = tiny_digits.fit(job_with(home, *SMALL), tmp_path / "killed", judge=True)
    assert len(losses) == 2 and bytes_of(again) == bytes_of(whole)


def bytes_of(trainer: Trainer) -> list[bytes]:
    """Checkpoints without their times, predictions and weights."""
    points = [point.model_copy(update={"seconds": 0.0}).model_dump_json().encode() for point in trainer.progress.checkpoints]
    files = [path for path in sorted((trainer.folder / "checkpoint").iterdir()) if path.name != "state.pt"]
    assert [path.name for path in files] == [f"predictions-{trainer.keep[0]}.npz", f"weights-{trainer.keep[0]}.safetensors"]
    return [*points, *(path.read_bytes() for path in files)]


# the protocol, written again


@pytest.fixture(scope="module")
def sst2(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Where the small CLIP for the tiny Rendered SST2 is pretrained."""
    places = tiny_digits.places_at(tmp_path_factory.mktemp("sst2"))
    made = by_the_row(places, 0, 3e-5)
    pretraining = made.model_copy(update={"runs": tuple(run for run in made.runs if run.method == "clip-pretrain")})
    assert tiny_digits.execute(pretraining, places, tiny_digits.CPU, tiny_digits.Log()) == []
    return places


def by_the_row(places: Places, seed: int, lr: float) -> planning.Plan:
    """FLYP by its table's row on the tiny Rendered SST2, but for the rate, which a small network wants larger."""
    benchmark = plugins.benchmark("rendered-sst2").describe({}, places, True)
    sets = (*tiny_digits.PRETRAINING, "flyp.epochs=20", "flyp.batch_size=64", f"flyp.lr={lr}")
    return planning.make(planning.Request(benchmark, ("flyp",), (seed,), sets=sets))


def written_again(job: Job, peak: float) -> tuple[list[float], list[float], int]:
    """Losses of 20 steps, cross-entropies of validation before the first and after each, and the epoch that is chosen, −1 for none.

    After locuslab/FLYP@215d5bb src/models/flyp_loss_few_shot.py:135-186; its images are those that the program drew and cropped.
    """
    net = job.backbone()
    train, val = job.images("train", augmented=True), job.images("id_val")
    images, labels = train.batch(torch.arange(8), train.uniforms(job.run.seed, 0)), train.labels
    tokens = net.tokenize(["a negative review of a movie.", "a positive review of a movie."])
    optimizer = torch.optim.AdamW(net.parameters(), lr=peak, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.2)
    losses, validated, lowest, chosen = [], [], 1e10, None
    for epoch in range(-1, 20):
        net.train()
        if epoch >= 0:
            optimizer.param_groups[0]["lr"] = 0.5 * (1 + np.cos(np.pi * epoch / 20)) * peak
            order = torch.randperm(8, generator=generator("order", job.run.seed, epoch))  # sums depend on it in their last bits
            x, t = net.visual(images[order]), net.text(tokens[labels[order]])
            similar = net.logit_scale.exp() * (x / x.norm(dim=1, keepdim=True)) @ (t / t.norm(dim=1, keepdim=True)).T
            rows, columns = similar.log_softmax(dim=1).diagonal(), similar.log_softmax(dim=0).diagonal()
            loss = -(rows.mean() + columns.mean()) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            x, t = net.visual(val.batch(torch.arange(8), None)), net.text(tokens)
            logits = net.logit_scale.exp() * (x / x.norm(dim=1, keepdim=True)) @ (t / t.norm(dim=1, keepdim=True)).T
            value = -logits.double().log_softmax(dim=1)[torch.arange(8), val.labels].mean().item()
        validated.append(value)
        if value <= lowest:
            lowest, chosen = value, epoch
    return losses, validated, chosen


@pytest.mark.parametrize(("seed", "lr"), [(0, 3e-5), (1, 3e-3)])
def test_the_rows_recipe_is_flyps_few_shot_protocol(sst2: Places, tmp_path: Path, seed: int, lr: float) -> None:
    """With the small rate the last step is the best, with the large one an early step."""
    made = by_the_row(sst2, seed, lr)
    recipe = made.run(made.asked[0]).recipe
    assert (recipe.shots, recipe.weight_decay, recipe.augment, recipe.pack_side) == (4, 0.2, "rrc", 0)
    job = tiny_digits.job_of(made, "flyp", sst2)
    losses, validated, chosen = written_again(job, lr)
    trainer, ours = tiny_digits.fit(job, tmp_path, judge=True)
    points = trainer.progress.checkpoints
    assert ours == pytest.approx(losses, rel=1e-4) and len(ours) == 20 and ours[-1] < ours[0]
    assert [point.metrics["id_val"]["cross_entropy"] for point in points] == pytest.approx(
        validated, rel=1e-2, abs=1e-6
    )  # crops by another kernel
    assert (chosen == 19) == (lr < 1e-3) and trainer.keep == (f"epoch-{chosen + 1}",)
    assert [list(point.metrics) for point in points].count(["id_val", "id_test"]) == 1
