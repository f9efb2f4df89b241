"""Which runs are mixed, and which mixtures are refused before anything is trained."""

from __future__ import annotations

import fabricated
import pytest
from planned_runs import counts, one, planned

from repro import plugins
from repro.errors import UserError
from repro.planning import mixtures

MIXTURES = ("wise-ft", "uniform-soup", "greedy-soup")


def parts(run) -> list[str]:
    return [key for role, key in run.parents.items() if role.startswith("part-")]


# which runs


@pytest.mark.parametrize(("base", "start"), [("flyp", "zero-shot"), ("lp-ft", "lp"), ("ft", "zero-shot")])
def test_wise_ft_lies_between_its_base_and_what_that_started_from(base, start):
    plan = planned("wise-ft", seeds=(0, 1), sets=(f"base={base}", "ft.head=zero_shot"))
    assert counts(plan)[base] == counts(plan)["wise-ft"] == 2
    for run in plan.runs:
        if run.method == "wise-ft":
            end, begin = plan.run(run.parents["end"]), plan.run(run.parents["start"])
            assert (end.method, end.seed, begin.method) == (base, run.seed, start)
            assert end.parents.get("head", begin.key) == begin.key


@pytest.mark.parametrize("method", ["uniform-soup", "greedy-soup"])
def test_a_soup_is_one_run_of_every_setting_and_seed(method):
    plan = planned(method, seeds=(0, 1, 2), sets=("base=lp-ft", "lp-ft.lr=0.1,0.2"))
    assert counts(plan) == {"clip-pretrain": 1, "lp": 3, "lp-ft": 6, method: 1}
    assert set(parts(one(plan, method))) == {run.key for run in plan.runs if run.method == "lp-ft"}
    assert len(plan.asked) == 1


def test_a_mixture_prepares_images_as_its_base_does():
    plan = planned("wise-ft", "uniform-soup", sets=("base=flyp", "flyp.image_size=48", "flyp.crop_ratio=0.9"))
    for method in ("wise-ft", "uniform-soup"):
        run = one(plan, method)
        assert (run.recipe.image_size, run.recipe.crop_ratio) == (48, 0.9)
        assert run.provenance["image_size"] == "--set flyp.image_size=48"


def test_each_pretraining_has_mixtures_of_its_own():
    """Runs from two pretrainings do not lie in one basin, and are never parents of one run."""
    plan = planned("lp-ft", *MIXTURES, sets=("base=lp-ft", "clip-pretrain.lr=0.1,0.2"))
    assert counts(plan) == {"clip-pretrain": 2, "lp": 2, "lp-ft": 2, **dict.fromkeys(MIXTURES, 2)}
    for run in plan.runs:
        if "backbone" in run.parents:
            origins = {plan.run(key).parents.get("backbone", key) for key in run.parents.values()}
            assert origins == {run.parents["backbone"]}


def test_of_several_starts_that_with_the_ends_images_is_taken():
    plan = planned("flyp", "wise-ft", sets=("base=flyp", "image_size=48,64"))
    mixed = [run for run in plan.runs if run.method == "wise-ft"]
    assert {run.recipe.image_size for run in mixed} == {48, 64}
    assert all(plan.run(run.parents[role]).recipe.image_size == run.recipe.image_size for run in mixed for role in ("start", "end"))


# keys


def test_orders_change_no_key():
    sets = ("base=lp-ft", "lp-ft.lr=0.1,0.2")
    plan = planned("lp", "lp-ft", *MIXTURES, seeds=(0, 1), sets=sets)
    for other in (
        planned(*reversed(("lp", "lp-ft", *MIXTURES)), seeds=(0, 1), sets=sets),
        planned("lp", "lp-ft", *MIXTURES, seeds=(1, 0), sets=sets),
        planned("lp", "lp-ft", *MIXTURES, seeds=(0, 1), sets=("base=lp-ft", "lp-ft.lr=0.2,0.1")),
    ):
        assert {run.key for run in other.runs} == {run.key for run in plan.runs}
    alone = planned("uniform-soup", seeds=(0, 1), sets=sets)
    assert one(alone, "uniform-soup").key == one(plan, "uniform-soup").key


def test_naming_the_default_changes_no_key_and_another_base_does():
    sets = ("ft.head=zero_shot",)
    for method in MIXTURES:
        key = one(planned(method, sets=sets), method).key
        assert one(planned(method, sets=(*sets, "base=ft")), method).key == key
        assert one(planned(method, sets=(*sets, "base=flyp")), method).key != key
        assert one(planned(method, sets=("ft.head=zero_shot", "ft.lr=0.5")), method).key != key


# what is refused


def test_a_base_whose_head_does_not_fit_is_refused_with_the_cure():
    with pytest.raises(UserError, match="wise-ft cannot mix ft and zero-shot") as caught:
        planned("wise-ft", strict=True)
    assert caught.value.cure == "--set ft.head=zero_shot, or --set wise-ft.base=lp-ft"
    assert counts(planned("wise-ft", strict=True, sets=("ft.head=zero_shot",)))["wise-ft"] == 1
    with pytest.raises(UserError, match="wise-ft cannot mix scratch and zero-shot") as caught:
        planned("wise-ft", strict=True, sets=("base=scratch",))
    assert caught.value.cure == "--set wise-ft.base=lp-ft"


def test_heads_of_both_forms_make_no_soup():
    with pytest.raises(UserError, match="uniform-soup cannot mix ft and ft"):
        planned("uniform-soup", strict=True, sets=("ft.head=random,zero_shot",))


def test_images_of_two_kinds_make_no_soup():
    with pytest.raises(UserError, match="uniform-soup cannot mix runs of different image_size"):
        planned("uniform-soup", strict=True, sets=("ft.image_size=48,64",))


def test_among_all_methods_what_does_not_fit_is_left_out_with_its_parents():
    plan = planned("lp", "wise-ft")
    assert counts(plan) == {"clip-pretrain": 1, "lp": 1}, "neither ft nor zero-shot is run for nothing"
    assert "wise-ft cannot mix ft and zero-shot" in plan.skipped["wise-ft"] and "--set wise-ft.base=lp-ft" in plan.skipped["wise-ft"]


def test_without_a_text_tower_wise_ft_needs_a_base_that_starts_from_a_probe():
    asked = {"backbone": "timm:resnet18", "weights": "random", "strict": True}
    for sets, parent in (((), "zero-shot"), (("base=flyp",), "flyp")):
        with pytest.raises(UserError, match=f"wise-ft starts from {parent}, which cannot run") as caught:
            planned("wise-ft", sets=sets, **asked)
        assert caught.value.why == f"{parent} needs a text tower, and timm:resnet18 has none"
    assert counts(planned("wise-ft", sets=("base=lp-ft",), **asked)) == {"lp": 1, "lp-ft": 1, "wise-ft": 1}


def test_a_wrong_base_suggests_the_nearest():
    for method in MIXTURES:
        with pytest.raises(UserError, match="there is no method 'lpft'") as caught:
            planned(method, sets=(f"{method}.base=lpft",))
        assert caught.value.why == "did you mean 'lp-ft'?"


@pytest.mark.parametrize("base", ["lp", "wise-ft", "uniform-soup"])
def test_what_trains_no_weights_is_no_base(base):
    with pytest.raises(UserError, match=f"runs of {base} cannot be its base"):
        planned("wise-ft", sets=(f"base={base}",))


def test_the_start_of_the_line_mixed_with_itself_is_one_run_for_all_seeds():
    plan = planned("wise-ft", sets=("base=zero-shot",), seeds=(0, 1, 2))
    mixed = [run for run in plan.runs if run.method == "wise-ft"]
    assert len(mixed) == 1 and mixed[0].seed == 0 and mixed[0].parents["start"] == mixed[0].parents["end"]
    for soup in set(MIXTURES) - {"wise-ft"}:
        with pytest.raises(UserError, match="runs of zero-shot cannot be its base"):
            planned(soup, sets=(f"{soup}.base=zero-shot",))


@pytest.mark.parametrize("base", ["none", "clip-pretrain"])
def test_what_is_no_row_is_no_base(base):
    with pytest.raises(UserError, match=r"there is no method 'none'|runs of clip-pretrain cannot be its base"):
        planned("wise-ft", sets=(f"base={base}",))


def test_the_form_of_a_classifier_is_its_heads():
    unit = {name for name in plugins.names("methods") if mixtures.unit_features(fabricated.run(name))}
    assert unit == {"zero-shot", "flyp", "flyp-ce", "clip-pretrain"}
    assert mixtures.unit_features(fabricated.run("ft", head="zero_shot"))
