"""SwAV pretraining as a run: what it sees, keeps and resumes, and that others begin from it."""

from pathlib import Path

import pytest
import tiny_digits
import torch
from resumed import same_after_a_break
from tiny_digits import CPU, Log, ParentRun, Store, execute

from repro.errors import UserError
from repro.methods import swav_pretrain
from repro.paths import Places

SETS = ("swav-pretrain.epochs=1", "swav-pretrain.batch_size=50")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Places:
    places = tiny_digits.pretrained_home(tmp_path_factory.mktemp("swav"))
    plan = tiny_digits.plan("lp", "ft", "lp-ft", sets=(*SETS, "init=swav-pretrain", "lp_c_count=4"))
    assert execute(plan, places, CPU, Log()) == []
    return places


def plan_of(*methods: str):
    return tiny_digits.plan(*methods, sets=(*SETS, "init=swav-pretrain", *(("lp_c_count=4",) if methods != ("ft",) else ())))


def test_one_run_makes_the_weights_that_all_begin_from(home: Places) -> None:
    plan, store = plan_of("lp", "ft", "lp-ft"), Store(home.runs)
    stages = [run for run in plan.runs if run.method == "swav-pretrain"]
    assert [run.method for run in plan.runs] == ["swav-pretrain", "lp", "ft", "lp-ft"] and stages[0].recipe.init == "random"
    assert {run.parents["backbone"] for run in plan.runs[1:]} == {stages[0].key}
    assert {run.backbone.weights for run in plan.runs} == {None}
    result = store.result(stages[0])
    kept = ParentRun(result, store.folder(stages[0])).weights(result.checkpoints[-1].name)
    assert all(name.startswith("visual.") for name in kept) and len(kept) > 20
    assert result.kept["predictions"] == () and result.checkpoints[-1].metrics == {}
    start = tiny_digits.job_of(plan, "ft", home).classifier().state_dict()
    assert all(torch.equal(start[f"backbone.{name}"], value) for name, value in kept.items())


def test_it_sees_every_split_that_is_there_for_it(home: Places) -> None:
    job = tiny_digits.job_of(tiny_digits.plan("swav-pretrain", sets=SETS), "swav-pretrain", home)
    assert job.trained_on() == ["pretrain", "unlabelled"]
    swav_pretrain.start(job)
    assert len(swav_pretrain.training(job)) == 200
    named = tiny_digits.plan("swav-pretrain", sets=(*SETS, "unlabelled=unlabelled"))
    assert tiny_digits.job_of(named, "swav-pretrain", home).trained_on() == ["unlabelled"]
    assert named.runs[-1].key != job.run.key


def test_it_may_itself_begin_from_other_weights(home: Places) -> None:
    plan = tiny_digits.plan("ft", sets=(*SETS, "init=swav-pretrain", "swav-pretrain.init=own"))
    assert [run.method for run in plan.runs] == ["clip-pretrain", "swav-pretrain", "ft"]
    job = tiny_digits.job_of(tiny_digits.plan("swav-pretrain", sets=(*SETS, "init=own")), "swav-pretrain", home)
    tower = swav_pretrain.start(job).backbone.state_dict()
    parent = job.parents["backbone"]
    pretrained = parent.weights(parent.result.checkpoints[-1].name)
    assert all(torch.equal(value, pretrained[name]) for name, value in tower.items())


def test_prototypes_begin_to_move_when_they_may(home: Places, tmp_path: Path) -> None:
    for frozen, moved in ((4, False), (3, True)):
        sets = (*SETS, f"swav-pretrain.frozen_prototype_steps={frozen}")
        job = tiny_digits.job_of(tiny_digits.plan("swav-pretrain", sets=sets), "swav-pretrain", home)
        first = swav_pretrain.start(job).prototypes.weight.detach()
        trainer, losses = tiny_digits.fit(job, tmp_path / str(frozen))
        assert len(losses) == 4
        now = torch.nn.functional.normalize(trainer.model.prototypes.weight.detach(), dim=1)
        assert torch.allclose(now, torch.nn.functional.normalize(first, dim=1), atol=1e-6) != moved


def test_a_broken_pretraining_goes_on_bit_for_bit(home: Places, tmp_path: Path) -> None:
    losses = same_after_a_break("swav-pretrain", home, tmp_path, *SETS, "swav-pretrain.epochs=2", stop_at=5)
    assert len(losses) == 8


def test_other_augmentations_than_crops_are_refused(home: Places) -> None:
    job = tiny_digits.job_of(tiny_digits.plan("swav-pretrain", sets=("augment=shift",)), "swav-pretrain", home)
    with pytest.raises(UserError, match="augment=shift"):
        swav_pretrain.start(job)
