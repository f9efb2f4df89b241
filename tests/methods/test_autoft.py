"""AutoFT: the training with what the search found, its variants, the released objective, and where it starts."""

import json
from pathlib import Path

import pytest
import tiny_digits
import torch
from planned_runs import counts, one, planned
from tiny_digits import CPU, Log, execute, job_of

from repro import plugins
from repro.errors import UserError
from repro.methods import autoft
from repro.nn.objectives import objective
from repro.outcomes.store import Store
from repro.papers import rows
from repro.paths import Places
from repro.planning.plan import Plan
from repro.planning.recipe import resolve
from repro.settings import LOSSES, OBJECTIVE, SEARCH

SETS = (
    "search_on=id_val",
    "head=zero_shot",
    "batch_size=25",
    "search_examples=40",
    "trials=2",
    "inner_steps=2",
    "lr=1e-4",
    "search_lr_factor=10",
)


def plan(*sets: str) -> Plan:
    return tiny_digits.plan("autoft", sets=(*SETS, "epochs=1", *sets))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Places:
    places = tiny_digits.pretrained_home(tmp_path_factory.mktemp("autoft"))
    for sets in ((), ("variant=as_released",), ("variant=as_2023",)):
        assert execute(plan(*sets), places, CPU, Log()) == []
    return places


def trained(home: Places, folder: Path, *sets: str) -> tuple:
    job = job_of(plan(*sets), "autoft", home)
    trainer, losses = tiny_digits.fit(job, folder / "-".join(("run", *sets)))
    return job, trainer, losses


# what the search found


def test_the_settings_found_are_those_trained_with(home: Places, tmp_path: Path) -> None:
    job, trainer, _ = trained(home, tmp_path)
    best = job.parents["search"].result.extras["best"]
    assert job.objective == best["weights"] and job.objective["ce"] == 1.0
    assert (job.recipe.lr, job.recipe.weight_decay, job.draw) == (best["lr"], best["weight_decay"], best["seed"])
    assert trainer.stepper.optimizer.param_groups[0]["weight_decay"] == best["weight_decay"]
    assert trainer.recipe.lr == best["lr"] != job.run.recipe.lr


def test_the_record_names_them(home: Places) -> None:
    run = one(plan(), "autoft")
    extras = Store(home.runs).result(run).extras["objective"]
    assert set(extras) == {*LOSSES, "lr", "weight_decay", "seed"}


def test_both_towers_and_the_head_are_trained_and_the_classifier_is_kept(home: Places, tmp_path: Path) -> None:
    job, trainer, _ = trained(home, tmp_path)
    start = autoft.start(job)
    moved = {name for name, value in trainer.model.named_parameters() if not torch.equal(value, dict(start.named_parameters())[name])}
    assert {name.split(".")[1] for name in moved if name.startswith("backbone.")} == {"visual", "text", "logit_scale"}
    assert {"head.weight", "head.bias"} <= moved
    kept = autoft.judged(trainer.model, job)
    assert not any(name.startswith("backbone.text") for name in kept.state_dict()) and kept.head is trainer.model.head
    images = torch.randn(3, 3, 32, 32)
    assert torch.equal(kept.eval()(images), trainer.model.eval()(images))


# the variants: RECIPES' defects, each a switch


def terms(home: Places, folder: Path, *sets: str) -> list[dict[str, float]]:
    _, trainer, _ = trained(home, folder, *sets)
    return [point.train for point in trainer.progress.checkpoints]


def test_the_distances_are_zero_as_released_and_not_as_intended(home: Places, tmp_path: Path) -> None:
    for sets in (("variant=as_released",), ("variant=as_2023",)):
        for point in terms(home, tmp_path, *sets):
            assert point["l1init"] == point["l2init"] == 0 and point["l2zero"] > 0
    for point in terms(home, tmp_path):
        assert point["l1init"] > 0 and point["l2init"] > 0


def test_as_released_the_rate_is_the_recipes_and_the_drawn_weight_comes_back(home: Places, tmp_path: Path) -> None:
    job, trainer, _ = trained(home, tmp_path, "variant=as_released")
    best = job.parents["search"].result.extras
    assert trainer.recipe.lr == 1e-4 and trainer.recipe.weight_decay == best["best"]["weight_decay"]
    drawn = best["trials"][best["best"]["trial"]]["settings"]["weight_ce"]
    assert job.objective["ce"] == drawn != 1.0


def test_as_2023_the_contrastive_loss_is_fixed(home: Places, tmp_path: Path) -> None:
    job, trainer, _ = trained(home, tmp_path, "variant=as_2023")
    assert job.objective["flyp"] == 1.0 != job.objective["ce"]
    assert trainer.recipe.lr == 1e-4 and job.recipe.clip_each


def test_a_variant_sets_its_switches_and_each_can_be_set_by_itself() -> None:
    recipe = one(planned("autoft", sets=("search_on=id_val", "variant=as_released")), "autoft").recipe
    assert (recipe.variant, recipe.anchor, recipe.trial_lr, recipe.search_balanced) == ("as_released", "live", "warm_up", False)
    run = one(planned("autoft", sets=("search_on=id_val", "variant=as_released", "autoft.anchor=start")), "autoft")
    assert (run.recipe.anchor, run.recipe.trial_lr) == ("start", "warm_up")
    assert run.provenance["trial_lr"] == "variant as_released" and "anchor" not in run.provenance
    assert set(autoft.METHOD.variants) == {"as_released", "as_2023"}
    assert {field for switches in autoft.METHOD.variants.values() for field in switches} <= OBJECTIVE | SEARCH


def test_variants_can_be_swept() -> None:
    plan = planned("autoft", sets=("search_on=id_val", "variant=as_intended,as_released,as_2023"))
    assert counts(plan)["autoft"] == counts(plan)["autoft-search"] == 3


# plans


def test_the_search_has_the_trainings_settings_and_not_those_of_its_end() -> None:
    plan = planned("autoft", sets=("search_on=id_val", "autoft.batch_size=8", "trials=7", "autoft.augment=flip"))
    search = one(plan, "autoft-search")
    assert (search.recipe.batch_size, search.recipe.trials, search.recipe.augment, search.recipe.epochs) == (8, 7, "flip", 0)
    assert search.provenance["trials"] == "--set trials=7"
    longer = planned("autoft", sets=("search_on=id_val", "autoft.batch_size=8", "trials=7", "autoft.augment=flip", "epochs=99"))
    assert one(longer, "autoft-search").key == search.key and one(longer, "autoft").key != one(plan, "autoft").key


def test_where_there_is_no_such_split_it_says_so_in_three_lines() -> None:
    with pytest.raises(UserError) as caught:
        planned("autoft", strict=True)
    what, why, cure = caught.value.lines()
    assert "autoft searches on ood_val, and made-up has no such split" in what
    assert "id_val" in why and "--set autoft.search_on=id_val" in cure
    assert "autoft searches on ood_val" in planned("ft", "autoft").skipped["autoft"]


def test_the_searchs_own_settings_are_refused() -> None:
    with pytest.raises(UserError, match="autoft-search has the settings of the run that starts from it"):
        planned("autoft", sets=("search_on=id_val", "autoft-search.trials=5"))


def test_it_can_start_from_the_probe_and_others_cannot() -> None:
    plan = planned("autoft", sets=("search_on=id_val", "autoft.head=probe"))
    assert counts(plan) == {"clip-pretrain": 1, "lp": 1, "autoft-search": 1, "autoft": 1}
    assert one(plan, "autoft").parents["head"] == one(plan, "autoft-search").parents["head"] == one(plan, "lp").key
    with pytest.raises(UserError, match="ft: head=probe, and it starts from no linear probe"):
        planned("ft", sets=("head=probe",))


def test_its_mixtures_start_where_it_did() -> None:
    plan = planned("wise-ft", sets=("wise-ft.base=autoft", "autoft.search_on=id_val", "autoft.head=zero_shot"))
    mixture = one(plan, "wise-ft")
    assert plan.run(mixture.parents["end"]).method == "autoft" and plan.run(mixture.parents["start"]).method == "zero-shot"


def test_wise_ft_on_top_runs_and_its_end_is_the_training(home: Places) -> None:
    plan = tiny_digits.plan("wise-ft", sets=("wise-ft.base=autoft", *(f"autoft.{text}" for text in (*SETS, "epochs=1")), "alphas=0,0.5,1"))
    assert execute(plan, home, CPU, Log()) == []
    store = Store(home.runs)
    result = store.result(one(plan, "wise-ft"))
    assert [point.name for point in result.checkpoints] == ["alpha-0", "alpha-0.5", "alpha-1"]
    assert result.checkpoints[-1].metrics == store.result(one(plan, "autoft")).checkpoints[-1].metrics
    assert result.checkpoints[0].metrics == store.result(one(plan, "zero-shot")).checkpoints[-1].metrics


# the released objective

RELEASED = {  # cchoi1/auto-ft@594e6a2 autoft/hparams/*.json, to four digits
    "iwildcam": "1 0.6224 0.0004681 1.906 0.0001596 0.00155 0.0001931 0.0001727 0.000109 0.0001362 0.6042",
    "fmow": "1 0.6024 0.0014 0.002953 0.002604 0.00118 2.576e-05 0.0002536 0.002182 2.52e-05 0.4442",
    "imagenet": "1 0.05581 0.1869 0.663 0.07245 0.4238 0.001013 0.0009067 0.1058 3.025e-06 0.2094",
}


@pytest.mark.parametrize("benchmark", RELEASED)
def test_the_released_objective_is_as_published(benchmark: str) -> None:
    row = rows.rows_of(benchmark, "autoft-hparams")["autoft"]
    recipe = resolve(autoft.METHOD, rows.layer(benchmark, row), [], True)[0].recipe
    values = [*(getattr(recipe, f"weight_{name}") for name in LOSSES), recipe.lr, recipe.weight_decay]
    assert [f"{value:.4g}" for value in values] == RELEASED[benchmark].split()
    assert not recipe.searched


def test_a_given_objective_needs_no_search(home: Places, tmp_path: Path) -> None:
    sets = ("searched=false", "weight_ce=1", "weight_l2init=0.5")
    assert counts(plan(*sets)) == {"clip-pretrain": 1, "autoft": 1}
    job, trainer, _ = trained(home, tmp_path, *sets)
    assert job.objective == {"ce": 1.0, "l2init": 0.5} and job.draw is None and trainer.recipe.lr == 1e-4
    assert set(trainer.progress.checkpoints[0].train) == {"loss", "ce", "l2init"}
    with pytest.raises(UserError, match="an objective of no terms"):
        autoft.start(job_of(plan("searched=false"), "autoft", home))


def test_cross_entropy_alone_is_fine_tuning(home: Places, tmp_path: Path) -> None:
    """The same losses as ft from the same head, whose text tower is not there."""
    _, _, ours = trained(home, tmp_path, "searched=false", "weight_ce=1", "optimizer=sgd", "schedule=cosine_epoch")
    ft = tiny_digits.plan("ft", sets=("head=zero_shot", "batch_size=25", "lr=1e-4", "epochs=1"))
    assert ours == pytest.approx(tiny_digits.fit(job_of(ft, "ft", home), tmp_path / "ft")[1], rel=1e-6)


def test_a_resumed_run_takes_the_same_steps(home: Places, tmp_path: Path) -> None:
    whole = tiny_digits.fit(job_of(plan("epochs=2"), "autoft", home), tmp_path / "whole")[1]
    before = tiny_digits.fit(job_of(plan("epochs=2"), "autoft", home), tmp_path / "parts", stop_at=3)[1]
    after = tiny_digits.fit(job_of(plan("epochs=2"), "autoft", home), tmp_path / "parts")[1]
    assert len(before) == 3 and before + after == whole


def test_result_extras_are_json(home: Places) -> None:
    folder = Store(home.runs).folder(one(plan(), "autoft-search"))
    assert {"search", "best", "space", "trials"} <= set(json.loads((folder / "result.json").read_text())["extras"])


def test_captions_can_have_scientific_names_and_the_head_stays_english(monkeypatch: pytest.MonkeyPatch, home: Places) -> None:
    job = job_of(plan("autoft.captions=scientific"), "autoft-search", home)
    with pytest.raises(UserError, match="captions=scientific"):
        objective.start(job)
    names = tuple(reversed(job.benchmark.classes))
    monkeypatch.setattr(plugins.benchmark("digits"), "scientific_names", lambda: names, raising=False)
    model, english = objective.start(job), objective.start(job_of(plan(), "autoft-search", home))
    assert torch.equal(model.head.weight, english.head.weight)
    assert torch.equal(job.tokens, job.prompts(model.backbone).flip(0)) and not torch.equal(job.tokens, job.prompts(model.backbone))
    assert len(plugins.benchmark("iwildcam").scientific_names()) == 182
