"""WiSE-FT: its ends are the runs it lies between, and between them every number of the state is on the line."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_digits
import torch
from safetensors.numpy import load_file

from repro import plugins
from repro.methods import wise_ft
from repro.nn import mixing
from repro.nn.job import ParentRun
from repro.nn.training.loop import Trainer
from repro.outcomes.store import Store
from repro.planning.plan import Plan
from repro.types import Run
from repro.work import work

BASES = {"ft": "zero-shot", "flyp": "zero-shot", "lp-ft": "lp"}  # and what each starts from
SETS = ("wise-ft.base=ft,flyp,lp-ft", "ft.head=zero_shot", "alphas=0,0.3,1", "lp.lp_c_count=5", "ft.keep_weights=last")


class Mixed:
    """Every base's run, its start, and the mixtures of both."""

    def __init__(self, folder: Path):
        self.places, self.plan = tiny_digits.pretrained_home(folder), tiny_digits.plan("wise-ft", sets=SETS)
        self.store = Store(self.places.runs)
        assert tiny_digits.execute(self.plan, self.places, tiny_digits.CPU, tiny_digits.Log()) == []

    def run(self, base: str) -> Run:
        return next(run for run in self.plan.runs if run.method == "wise-ft" and run.recipe.base == base)

    def parent(self, base: str, role: str) -> Run:
        return self.plan.run(self.run(base).parents[role])

    def logits(self, run: Run, checkpoint: str) -> dict[str, np.ndarray]:
        with np.load(self.store.folder(run) / "predictions.npz") as arrays:
            return {name.partition("/")[2]: arrays[name] for name in arrays.files if name.startswith(f"{checkpoint}/")}

    def whole(self, base: str, role: str) -> dict[str, np.ndarray]:
        """The whole state of a parent's last checkpoint, without the code under test: kept tensors over those of the pretraining."""
        run, pretraining = self.parent(base, role), self.parent(base, "backbone")
        kept = load_file(self.store.folder(run) / f"weights-{self.store.result(run).checkpoints[-1].name}.safetensors")
        tower = load_file(self.store.folder(pretraining) / f"weights-{self.store.result(pretraining).checkpoints[-1].name}.safetensors")
        return {f"backbone.{name}": value for name, value in tower.items() if name.startswith("visual.")} | kept


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    return Mixed(tmp_path_factory.mktemp("wise"))


def mixtures(mixed: Mixed, base: str) -> dict[str, dict[str, np.ndarray]]:
    """α's name → the state that is judged there."""
    job = tiny_digits.job_of(one_run(mixed.plan, mixed.run(base)), "wise-ft", mixed.places)
    model = wise_ft.start(job)
    return {name: {key: value.numpy().copy() for key, value in state.items()} for name, state in wise_ft.states(model, job)}


def one_run(plan: Plan, run: Run) -> Plan:
    return plan.model_copy(update={"runs": (run, *(other for other in plan.runs if other is not run))})


@pytest.mark.parametrize("base", BASES)
def test_it_starts_where_its_base_started(mixed: Mixed, base: str) -> None:
    assert mixed.parent(base, "start").method == BASES[base] and mixed.parent(base, "end").method == base
    assert mixed.parent(base, "start").key == mixed.parent(base, "end").parents.get("head", mixed.parent("ft", "start").key)


@pytest.mark.parametrize("base", BASES)
def test_the_ends_are_the_runs_bit_for_bit(mixed: Mixed, base: str) -> None:
    run, states = mixed.run(base), mixtures(mixed, base)
    assert list(states) == ["alpha-0", "alpha-0.3", "alpha-1"]
    for name, role in (("alpha-0", "start"), ("alpha-1", "end")):
        parent, whole = mixed.parent(base, role), mixed.whole(base, role)
        assert states[name].keys() == whole.keys() and any(key.startswith("head.") for key in whole) and len(whole) > 50
        assert all(states[name][key].tobytes() == value.tobytes() for key, value in whole.items())
        ours, theirs = mixed.logits(run, name), mixed.logits(parent, mixed.store.result(parent).checkpoints[-1].name)
        assert theirs and (not ours or ours.keys() == theirs.keys()), name
        assert all(ours[split].tobytes() == theirs[split].tobytes() for split in ours)
        metrics = mixed.store.result(run).checkpoint(name).metrics
        assert metrics == mixed.store.result(parent).checkpoints[-1].metrics
    assert mixed.logits(run, "alpha-1"), "the last checkpoint's predictions always stay"


@pytest.mark.parametrize("base", BASES)
def test_between_them_every_tensor_is_on_the_line(mixed: Mixed, base: str) -> None:
    state, start, end = mixtures(mixed, base)["alpha-0.3"], mixed.whole(base, "start"), mixed.whole(base, "end")
    moved = 0
    for name, value in state.items():
        if np.issubdtype(value.dtype, np.floating):
            line = 0.7 * start[name].astype(np.float64) + 0.3 * end[name].astype(np.float64)
            assert np.abs(value - line).max() <= 2e-7 * max(1.0, np.abs(line).max()), name
            moved += bool((start[name] != end[name]).any())
        else:
            assert value == end[name], f"{name} is a counter, and the fine-tuned model's"
    buffers = [name for name in state if "running_" in name and (start[name] != end[name]).any()]
    assert moved > 20 and (start["head.weight"] != end["head.weight"]).any()
    assert bool(buffers) == (base != "lp-ft"), "LP-FT freezes BatchNorm's statistics, the others' are mixed"


@pytest.mark.parametrize("base", BASES)
def test_kept_weights_are_whole(mixed: Mixed, base: str) -> None:
    result, run = mixed.store.result(mixed.run(base)), mixed.run(base)
    states = mixtures(mixed, base)
    assert result.kept["weights"]
    for name in result.kept["weights"]:
        kept = load_file(mixed.store.folder(run) / f"weights-{name}.safetensors")
        assert kept.keys() == states[name].keys()
        assert all(np.array_equal(kept[key], value) for key, value in states[name].items())


class Killed(Exception):
    """In place of a kill."""


def test_after_a_kill_between_two_mixtures_only_what_is_missing_is_judged(mixed: Mixed, tmp_path: Path, monkeypatch) -> None:
    """And what is left is the same: the ends are read anew, not from the mixture at which the run stood."""
    home = tmp_path / "home"
    shutil.copytree(mixed.places.home, home)
    places, run = tiny_digits.places_at(home), mixed.run("ft")
    whole = tiny_digits.bytes_of(mixed.places, run)
    shutil.rmtree(Store(places.runs).folder(run))
    judged: list[str] = []
    real = Trainer._record

    def record(trainer: Trainer, name: str, *told) -> None:
        if name == "alpha-1" and "alpha-1" not in judged:
            judged.append(name)
            raise Killed
        judged.append(name)
        real(trainer, name, *told)

    monkeypatch.setattr(Trainer, "_record", record)
    store = Store(places.runs)
    for ending in (Killed, None):
        job = tiny_digits.job_of(one_run(mixed.plan, run), "wise-ft", places)
        folder = store.claim(run)
        if ending:
            with pytest.raises(Killed):
                work(run, folder, job)
        else:
            store.finish(folder, work(run, folder, job))
        store.release(folder)
    assert judged == ["alpha-0", "alpha-0.3", "alpha-1", "alpha-1"]
    left = tiny_digits.bytes_of(places, run)
    assert left == whole


def test_a_frozen_start_is_not_read_from_the_model_that_is_filled(mixed: Mixed) -> None:
    """A resumed run's model stands at its last mixture when the states are asked for."""
    job = tiny_digits.job_of(one_run(mixed.plan, mixed.run("ft")), "wise-ft", mixed.places)
    model = wise_ft.start(job)
    with torch.no_grad():
        for value in model.parameters():
            value.fill_(7.0)
    name, state = next(iter(wise_ft.states(model, job)))
    whole = mixed.whole("ft", "start")
    assert name == "alpha-0" and len(state) > 50
    assert all(np.array_equal(value.numpy(), whole[name]) for name, value in state.items())


def test_the_checkpoint_that_is_mixed_can_be_chosen(tmp_path: Path) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path), tiny_digits.plan("flyp", sets=("epochs=3", "lr=3e-2"))
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    run = plan.runs[-1]
    parent = ParentRun(Store(places.runs).result(run), Store(places.runs).folder(run))
    best = max(parent.result.checkpoints, key=lambda point: point.metrics["id_val"]["accuracy"]).name
    assert best != "epoch-3", "or this tells nothing"
    model = mixing.classifier_of(tiny_digits.job_of(plan, "flyp", places), [parent])
    for rule, name in (("last", "epoch-3"), ("id_val", best)):
        state = mixing.state_of(model, parent, rule)
        assert all(torch.equal(state[key], value) for key, value in parent.weights(name).items())


def test_the_papers_grid_is_its_default() -> None:
    """mlfoundations/wise-ft@58b7a4b README: --alpha 0 0.1 … 1."""
    (run,) = (run for run in tiny_digits.plan("wise-ft", sets=("base=flyp",)).runs if run.method == "wise-ft")
    assert run.recipe.alphas == tuple(round(0.1 * step, 1) for step in range(11)) and run.recipe.mix_at == "last"
    assert plugins.declared("wise-ft").defaults == {"base": "ft"}


def test_shares_are_judged_ascending_and_once() -> None:
    recipes = {tiny_digits.plan("wise-ft", sets=("base=flyp", f"alphas={text}")).runs[-1].recipe for text in ("0.5,0,1", "1,0.5,0.5,0")}
    assert [recipe.alphas for recipe in recipes] == [(0.0, 0.5, 1.0)]
