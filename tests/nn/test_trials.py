"""Trials of a search: cheap, from one start, in the order of the training that follows; what is searched; on which examples."""

from pathlib import Path

import numpy as np
import pytest
import tiny_digits
import torch
from tiny_digits import job_of
from tiny_searches import STILL, bench_of, planned

from repro.nn import trials
from repro.nn.inputs import packs
from repro.nn.inputs.images import Images
from repro.nn.inputs.packs import Resize
from repro.nn.job import Job
from repro.nn.objectives import objective
from repro.nn.training.loop import Trainer
from repro.paths import Places
from repro.reading.examples import Examples
from repro.types import Apart, Benchmark, Split


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return tiny_digits.pretrained_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def bench(home: Places) -> trials.Bench:
    return bench_of(home)


# one trial


def state(bench: trials.Bench) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in bench.model.state_dict().items()}


def test_a_trial_is_the_beginning_of_the_training_that_follows(home: Places, bench: trials.Bench, tmp_path: Path) -> None:
    """With a constant rate, two steps of the one loop by the same objective, order and start give the same weights bit for bit."""
    settings = {**STILL, "weight_flyp": 0.5, "weight_l2init": 2.0}
    bench.score(settings, 0)
    job = job_of(planned("schedule=constant"), "autoft-search", home)
    model = objective.start(job)
    job.objective = {name: settings.get(f"weight_{name}", 1.0) for name in bench.terms}
    job.draw, job.origin, job.tuned = 2, objective.origin_of(model), {"lr": 1e-3, "epochs": 1}
    trainer = Trainer(job, model, objective.LOSS, job.images("train", augmented=True), {}, tmp_path)
    trainer.take(2)
    for name, value in model.state_dict().items():
        assert torch.equal(value, bench.model.state_dict()[name]), name


def test_trials_start_from_the_same_place_whatever_was_before(bench: trials.Bench) -> None:
    first = bench.score(STILL, 0)
    after = state(bench)
    bench.score({**STILL, "lr": 1e-1, "weight_l1zero": 9.0, "seed": 5}, 1)
    assert not torch.equal(after["head.weight"], bench.model.state_dict()["head.weight"])
    assert bench.score(STILL, 2) == first
    for name, value in state(bench).items():
        assert torch.equal(value, after[name]), name


@pytest.mark.parametrize("variant", ["as_intended", "as_released", "as_2023"])
def test_the_distance_to_the_start_grows_in_a_trial(home: Places, monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    bench, seen = bench_of(home, f"variant={variant}"), []
    real = objective.LOSS.couple

    def couple(model, rows, batch, job):
        terms = real(model, rows, batch, job)
        seen.append((terms["l1init"].item(), terms["l2init"].item()))
        return terms

    monkeypatch.setattr(objective, "LOSS", objective.LOSS._replace(couple=couple))
    bench.score({**STILL, "weight_ce": 1.0}, 0)
    assert seen[0] == (0, 0) and seen[1][0] > 0 and seen[1][1] > 0


def test_batches_and_validation_images_are_made_once(home: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, made = bench_of(home, "augment=shift"), []
    real = Images.batch
    monkeypatch.setattr(Images, "batch", lambda self, index, uniforms: made.append(len(index)) or real(self, index, uniforms))
    bench.score(STILL, 0)
    assert made == [20, 20, 40], "two training batches, then the validation examples"
    bench.score({**STILL, "lr": 1e-2}, 1)
    assert made[3:] == [40], "the same seed brings the same batches"
    bench.score({**STILL, "seed": 3}, 2)
    assert made[4:] == [20, 20, 40]


def test_no_more_batches_are_kept_than_there_is_room_for(home: Places) -> None:
    images = bench_of(home).train.images
    kept, whole = trials.Kept(images, room=20 * 3 * 32 * 32 * 4), trials.Kept(images)
    for index in torch.arange(60).split(20):
        assert torch.equal(kept.batch(index, None), whole.batch(index, None))
    assert len(kept.made) == 1 and len(whole.made) == 3
    assert whole.leave_device() and not whole.leave_device(), "where memory is short, none are kept"
    assert torch.equal(kept.batch(torch.arange(20), None), whole.batch(torch.arange(20), None)) and not whole.made


def test_a_trial_that_diverges_has_no_score(bench: trials.Bench) -> None:
    assert bench.score({**STILL, "lr": 1e30}, 0) is None


def test_warm_up_takes_the_recipes_rate_and_searched_the_trials(home: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    real = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, *a, **k: rates.append(self.param_groups[0]["lr"]) or real(self, *a, **k))
    bench_of(home).score(STILL, 0)
    assert rates == [1e-3, 1e-3]
    bench_of(home, "trial_lr=warm_up", "warmup_steps=500").score(STILL, 0)
    assert rates[2:] == pytest.approx([1e-4 / 500, 2e-4 / 500])
    bench_of(home, "trial_lr=warm_up").score(STILL, 0)
    assert rates[4:] == pytest.approx([1e-4, 5e-5]), "without warm-up, the cosine over the trial's steps"


def test_a_rebuilt_head_is_the_text_towers(home: Places) -> None:
    """At a rate of almost nothing the two heads are the same; at a larger one the trained head is another."""
    assert bench_of(home, "trial_head=rebuilt").score({**STILL, "lr": 1e-12}, 0) == bench_of(home).score({**STILL, "lr": 1e-12}, 0)
    bench = bench_of(home, "trial_head=rebuilt")
    bench.score({**STILL, "lr": 1e-2, "weight_flyp": 1.0}, 0)
    before = bench.model.head.weight.clone()
    assert not torch.equal(objective.start(bench.job).head.weight, before), "the head was trained"


# what is searched


def names(bench: trials.Bench) -> list[str]:
    return list(trials.space(bench.job, bench.terms))


def test_the_space_is_the_releases_or_that_of_the_papers_time(home: Places, bench: trials.Bench) -> None:
    space = trials.space(bench.job, bench.terms)
    losses = [name for name in space if name.startswith("weight_") and name != "weight_decay"]
    assert losses == [f"weight_{name}" for name in ("dcm", "entropy", "flyp", "hinge", "l1init", "l1zero", "l2init", "l2zero")]
    assert {(space[name].low, space[name].high, space[name].log) for name in losses} == {(1e-4, 10.0, True)}
    assert (space["seed"].low, space["seed"].high, space["seed"].whole) == (0, 10, True)
    assert (space["lr"].low, space["lr"].high, space["lr"].log) == (pytest.approx(1e-5), pytest.approx(1e-3), True)
    assert (space["weight_decay"].low, space["weight_decay"].high, space["weight_decay"].log) == (0.0, 1.0, False)
    old = bench_of(home, "variant=as_2023")
    then = trials.space(old.job, old.terms)
    assert "weight_flyp" not in then and "weight_ce" in then
    assert (then["weight_decay"].high, then["seed"].high) == (0.3, 100)
    assert "weight_ce" in names(bench_of(home, "variant=as_released"))


def test_the_fixed_term_is_1_in_trials_even_where_a_weight_was_drawn(home: Places) -> None:
    drawn = {"weight_ce": 7.0, "weight_dcm": 0.5}
    assert trials.weights_of(drawn, ("ce", "dcm"), "ce") == {"ce": 1.0, "dcm": 0.5}
    assert trials.weights_of(drawn, ("ce", "dcm"), None) == {"ce": 7.0, "dcm": 0.5}


# the validation examples


def test_the_examples_are_as_many_of_each_class(home: Places, bench: trials.Bench) -> None:
    labels = Images.only(bench.job.images("id_val"), bench.rows).labels.numpy()
    assert np.bincount(labels, minlength=10).tolist() == [4] * 10
    assert bench.rows.tolist() == sorted(set(bench.rows.tolist())) == bench_of(home).rows.tolist()


def test_another_seed_has_other_examples_unless_they_are_shared(home: Places) -> None:
    def rows(seed: int, *sets: str) -> list[int]:
        return bench_of(home, *sets, seed=seed).rows.tolist()

    assert rows(0) != rows(1)
    assert rows(0, "search_shared=true") == rows(1, "search_shared=true") == rows(0)


def test_unbalanced_examples_are_drawn_uniformly(home: Places) -> None:
    bench = bench_of(home, "search_balanced=false", "search_examples=37")
    assert len(bench.rows) == 37
    assert len(set(np.bincount(bench.validation.labels.numpy(), minlength=10).tolist())) > 1
    assert bench_of(home, "search_examples=none").rows.tolist() == list(range(100))


def test_a_class_with_fewer_gives_all_that_it_has(bench: trials.Bench) -> None:
    labels = torch.tensor([0] * 50 + [1] * 2 + [3] * 9)
    rows = trials.draw(labels, 10, bench.job, "x")
    assert np.bincount(labels[rows], minlength=10).tolist() == [4, 2, 0, 4, 0, 0, 0, 0, 0, 0]


def test_they_are_judged_as_evaluation_does_or_augmented(home: Places) -> None:
    assert bench_of(home, "augment=shift").validation.augment == "none"
    assert bench_of(home, "augment=shift", "search_augmented=true").validation.augment == "shift"


def apart_job(home: Places, *sets: str) -> tuple[Job, list[int]]:
    """The job of a search whose split is apart: images of the ID validation, whose reading is counted row by row."""
    job, read = job_of(planned(*sets), "autoft-search", home), []
    split = job.benchmark.split("id_val").model_copy(update={"apart": Apart(name="other", data="1" * 64, root="x")})
    splits = tuple(split if one.name == "id_val" else one for one in job.benchmark.splits)
    job.run = job.run.model_copy(update={"benchmark": job.benchmark.model_copy(update={"splits": splits})})
    real = job.examples

    class Read(list):
        def __getitem__(self, row):
            read.append(row)
            return super().__getitem__(row)

    def examples(benchmark: Benchmark, split: Split) -> Examples:
        found = real(benchmark, split.model_copy(update={"apart": None}))
        return found._replace(sources=Read(found.sources)) if split.apart else found

    job.examples = examples
    return job, read


def test_of_a_split_apart_only_the_drawn_examples_are_read_and_packed(home: Places, bench: trials.Bench) -> None:
    job, read = apart_job(home)
    made = trials.Bench(job, home.home)
    assert read == made.rows.tolist() == bench.rows.tolist() and len(made.validation) == 40
    assert torch.equal(made.validation.labels, bench.validation.labels)
    index = torch.arange(40)
    assert torch.equal(made.validation.batch(index, None), bench.validation.batch(index, None))
    assert made.score(STILL, 0) == bench.score(STILL, 0)
    assert job.extras["examples"]["id_val"] == 40


def test_other_rows_and_other_content_of_a_split_apart_are_other_packs(home: Places) -> None:
    job, _ = apart_job(home)
    split, resize = job.benchmark.split("id_val"), Resize(mode="squash", side=24)
    other = split.model_copy(update={"apart": split.apart.model_copy(update={"data": "2" * 64})})
    rows = (None, np.array([1, 2]), np.array([1, 3]))
    folders = {packs.folder_of(home.packs, job.benchmark, one, resize, drawn) for one in (split, other) for drawn in rows}
    assert len(folders) == 6
