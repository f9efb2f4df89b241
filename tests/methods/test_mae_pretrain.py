"""Masked pretraining: golden losses, what it keeps for others to start from, and that a stop changes no number."""

from pathlib import Path

import pytest
import small_curves
import tiny_digits
import torch
from tiny_digits import CPU, Log, execute, places_at

from repro import plugins
from repro.methods import ft, mae_pretrain
from repro.nn.job import Job
from repro.outcomes.store import Store
from repro.paths import Places
from repro.planning import plan as planning
from repro.planning.plan import Plan, Request
from repro.reading.loading import load


def plan(folder: Path, *methods: str, sets: tuple[str, ...] = ()) -> Plan:
    if not (folder / "curves").is_dir():
        small_curves.write_domains(folder / "curves")
    options = {"root": str(folder / "curves"), "id": "near", "ood": "far"}
    benchmark = plugins.benchmark("light-curves").describe(options, places_at(folder), True)
    return planning.make(Request(benchmark, methods, (0,), sets=sets))


def job(folder: Path, *sets: str) -> Job:
    made = plan(folder, "ft", sets=tuple(f"mae-pretrain.{text}" for text in sets))
    return tiny_digits.job_of(made, "mae-pretrain", places_at(folder))


GOLDEN_SETTINGS = ("batch_size=20", "steps=5", "lr=1e-4", "optimizer=sgd", "schedule=constant", "weight_decay=0")
GOLDEN = [0.40590024, 0.41136587, 0.35812068, 0.35381967, 0.2907013]


def test_first_losses_are_the_golden_ones(tmp_path: Path) -> None:
    """A change here is a change of every number that the method has ever produced: raise its version."""
    assert tiny_digits.fit(job(tmp_path, *GOLDEN_SETTINGS), tmp_path / "run")[1] == pytest.approx(GOLDEN, rel=1e-4)


def test_the_loss_falls(tmp_path: Path) -> None:
    seen = tiny_digits.fit(job(tmp_path, "batch_size=24", "epochs=10", "lr=3e-3"), tmp_path / "run")[1]
    assert len(seen) == 30 and sum(seen[-5:]) < 0.8 * sum(seen[:5])


def test_others_start_from_its_encoder_and_nothing_else_is_kept(tmp_path: Path) -> None:
    places: Places = places_at(tmp_path)
    made = plan(tmp_path, "ft", sets=("mae-pretrain.epochs=1", "ft.epochs=1"))
    assert execute(made, places, CPU, Log()) == []
    pretrained, tuned = made.runs
    assert (pretrained.method, tuned.method) == ("mae-pretrain", "ft") and tuned.parents == {"backbone": pretrained.key}
    result = Store(places.runs).result(pretrained)
    assert [point.metrics for point in result.checkpoints] == [{}] and result.kept["predictions"] == ()
    start = ft.start(tiny_digits.job_of(made, "ft", places)).backbone.state_dict()
    kept = tiny_digits.job_of(made, "ft", places).parents["backbone"].weights(result.checkpoints[-1].name)
    assert kept.keys() == start.keys() and all(torch.equal(kept[name], start[name]) for name in kept)
    fresh = mae_pretrain.start(Job(pretrained, CPU, places.packs, load)).backbone.state_dict()
    assert any(not torch.equal(kept[name], fresh[name]) for name in kept)


@pytest.mark.parametrize("sets", [("epochs=3", "batch_size=16"), ("steps=11", "batch_size=16", "schedule=linear")])
def test_a_stop_changes_no_number(tmp_path: Path, sets: tuple[str, ...]) -> None:
    whole, losses = tiny_digits.fit(job(tmp_path, *sets), tmp_path / "whole")
    _, before = tiny_digits.fit(job(tmp_path, *sets), tmp_path / "stopped", stop_at=7)
    resumed, after = tiny_digits.fit(job(tmp_path, *sets), tmp_path / "stopped")
    assert len(before) == 7 and before + after == losses
    ours, theirs = (trainer.model.state_dict() for trainer in (whole, resumed))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_budget_in_steps_ends_within_a_pass(tmp_path: Path) -> None:
    trainer, losses = tiny_digits.fit(job(tmp_path, "steps=11", "batch_size=16"), tmp_path / "run")
    assert len(losses) == trainer.total_steps == trainer.progress.step == 11 and trainer.steps_per_epoch == 5
    assert [(point.epoch, point.step) for point in trainer.progress.checkpoints] == [(1, 5), (2, 10), (3, 11)]
    assert job(tmp_path, "steps=11").recipe.epochs == 0  # the key says nothing of epochs
