"""What a backbone starts from: a file, random weights, a pretraining; and how the choice reaches the runs that a method starts from."""

from __future__ import annotations

import fabricated
import pytest
from planned_runs import PRETRAINED, counts, one, planned

from repro.errors import UserError
from repro.planning.initial import stages
from repro.planning.plan import Request, standard_weights
from repro.types import Split

CORPUS = Split(name="corpus", role="pretrain", labelled=False)
WITH_CORPUS = fabricated.benchmark(backbone="timm:resnet10t", splits=(*fabricated.SPLITS, CORPUS))
HASH = "a" * 64


def test_stages_are_the_methods_that_pretrain():
    assert {"clip-pretrain", "swav-pretrain"} <= set(stages()) and "ft" not in stages()


def test_random_weights_need_no_file():
    plan = planned("ft", of=fabricated.benchmark(backbone="timm:resnet10t"), sets=("init=random",))
    assert counts(plan) == {"ft": 1} and one(plan, "ft").backbone.weights is None
    with pytest.raises(UserError, match="ft starts from pretrained weights"):
        planned("ft", of=fabricated.benchmark(backbone="timm:resnet10t"))


def test_random_weights_are_not_the_given_file():
    asked = {"weights": "x.safetensors", "weights_hash": HASH, "of": WITH_CORPUS}
    own, random = (one(planned("ft", sets=sets, **asked), "ft") for sets in ((), ("init=random",)))
    assert (own.backbone.weights, random.backbone.weights) == (HASH, None) and own.key != random.key


def test_a_pretraining_serves_every_seed_method_and_parent():
    plan = planned("ft", "lp-ft", seeds=(0, 1), of=WITH_CORPUS, sets=("init=swav-pretrain",))
    assert counts(plan) == {"swav-pretrain": 1, "ft": 2, "lp": 2, "lp-ft": 2}
    stage = one(plan, "swav-pretrain")
    assert stage.seed == 0 and stage.recipe.init == "random" and stage.backbone.weights is None
    assert {run.parents["backbone"] for run in plan.runs if run != stage} == {stage.key}
    assert {run.recipe.init for run in plan.runs if run != stage} == {"swav-pretrain"}


def test_a_pretraining_may_begin_from_the_file():
    sets = ("init=swav-pretrain", "swav-pretrain.init=own")
    plan = planned("ft", of=WITH_CORPUS, sets=sets, weights="x.safetensors", weights_hash=HASH)
    assert (one(plan, "swav-pretrain").backbone.weights, one(plan, "ft").backbone.weights) == (HASH, None)
    with pytest.raises(UserError, match="ft starts from pretrained weights"):
        planned("ft", of=WITH_CORPUS, sets=sets)


def test_a_choice_for_one_method_reaches_what_it_starts_from():
    plan = planned("lp", "lp-ft", of=WITH_CORPUS, sets=("lp-ft.init=random",), weights="x.safetensors", weights_hash=HASH)
    of = {run.key: run for run in plan.runs}
    child = one(plan, "lp-ft")
    assert of[child.parents["head"]].recipe.init == "random" and counts(plan)["lp"] == 2


def test_mixtures_begin_where_their_runs_do():
    plan = planned("wise-ft", of=WITH_CORPUS, sets=("wise-ft.base=lp-ft", "init=swav-pretrain"))
    assert counts(plan) == {"swav-pretrain": 1, "lp": 1, "lp-ft": 1, "wise-ft": 1}
    with pytest.raises(UserError, match="wise-ft starts from runs of different pretraining"):
        planned("wise-ft", of=PRETRAINED.model_copy(update={"splits": WITH_CORPUS.splits}), sets=("base=lp-ft", "lp-ft.init=swav-pretrain"))


@pytest.mark.parametrize(
    ("sets", "of", "what", "why", "cure"),
    [
        (("init=swav",), WITH_CORPUS, "ft: init=swav names no pretraining", "swav-pretrain", "--set ft.init=swav-pretrain"),
        (("init=ft",), WITH_CORPUS, "ft: init=ft names no pretraining", "clip-pretrain", "--set ft.init="),
        (
            ("init=swav-pretrain",),
            fabricated.benchmark(backbone="timm:resnet10t"),
            "ft starts from swav-pretrain, which cannot run",
            "trains on a split of role 'pretrain'",
            "--set ft.init=own",
        ),
        (("init=clip-pretrain",), WITH_CORPUS, "ft starts from clip-pretrain, which cannot run", "no", "ft.init=own"),
        (("init=random", "head=zero_shot"), WITH_CORPUS, "no zero-shot head with init=random", "text tower", "ft.head=random"),
        (
            ("init=swav-pretrain", "swav-pretrain.unlabelled=train"),
            WITH_CORPUS,
            "has no split 'train' to use without labels",
            "there is corpus",
            "swav-pretrain.unlabelled=corpus",
        ),
        (
            ("init=swav-pretrain", "swav-pretrain.crops=2,2"),
            WITH_CORPUS,
            "crops for 2 kinds, crop_min for 1 kinds",
            "a range of areas",
            "--set crops=",
        ),
    ],
)
def test_what_cannot_be_begun_from_is_refused_in_three_lines(sets, of, what, why, cure):
    with pytest.raises(UserError) as caught:
        planned("ft", of=of, sets=sets)
    lines = caught.value.lines()
    assert len(lines) == 3 and all(part in line for part, line in zip((what, why, cure), lines, strict=True)), lines


def test_only_what_reads_a_file_asks_for_it():
    of = fabricated.benchmark(backbone="swav-resnet50", splits=WITH_CORPUS.splits)
    asked = Request(of, ("ft",), (0,))
    assert standard_weights(asked) == "swav:swav_800ep_pretrain.pth.tar"
    assert standard_weights(asked._replace(sets=("init=random",))) is None
    assert standard_weights(asked._replace(sets=("init=swav-pretrain",))) is None
    assert standard_weights(asked._replace(sets=("init=swav-pretrain", "swav-pretrain.init=own"))) is not None
    assert standard_weights(asked._replace(methods=("scratch",))) is None


def test_methods_that_no_data_are_there_for_are_refused_by_what_they_need():
    for method, what in (
        ("coral", "several domains"),
        ("dann", "several domains"),
        ("irm", "several domains"),
        ("self-training", "without"),
    ):
        plan = planned(method, "ft", of=PRETRAINED)
        assert list(plan.skipped) == [method] and what in plan.skipped[method] and PRETRAINED.name in plan.skipped[method]
        with pytest.raises(UserError, match=f"{method} cannot run on"):
            planned(method, of=PRETRAINED, strict=True)
    several = PRETRAINED.model_copy(update={"domain": "writer", "splits": WITH_CORPUS.splits})
    assert planned("coral", "dann", "irm", "self-training", of=several).skipped == {}


@pytest.mark.parametrize(("sets", "cure"), [(("batch_size=25",), "batch_size=24"), (("batch_size=2",), "batch_size=4")])
def test_a_batch_is_of_whole_domains(sets, cure):
    with pytest.raises(UserError) as caught:
        planned("coral", of=PRETRAINED.model_copy(update={"domain": "writer"}), sets=sets)
    assert "is not of 2 domains" in caught.value.what and cure in caught.value.cure
