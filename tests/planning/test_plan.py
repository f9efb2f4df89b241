"""A plan: parents are shared by content, a key changes with everything that changes a result, and finished runs drop out."""

from __future__ import annotations

import hashlib

import fabricated
import pytest
from planned_runs import PRETRAINED, counts, one, planned

from repro import plugins
from repro.errors import UserError
from repro.planning.plan import Request, as_in_paper, parse_methods, parse_seeds
from repro.types import Split

# what a paper has where nothing is named


def test_methods_and_seeds_are_the_papers_where_none_are_named():
    camelyon17 = fabricated.benchmark(name="camelyon17")
    asked = Request(camelyon17, seeds=())
    first = as_in_paper(asked)
    assert (first.methods, first.seeds) == (("lp", "ft", "lp-ft", "connect-later"), tuple(range(15)))
    other = as_in_paper(asked._replace(paper="targeted-augs"))
    assert (other.methods, other.seeds) == (("erm", "erm-targeted"), tuple(range(10)))
    named = asked._replace(methods=("lp",), seeds=(4,), paper="wilds")
    assert as_in_paper(named) == named
    small = as_in_paper(asked._replace(benchmark=camelyon17.model_copy(update={"tiny": True})))
    assert (small.methods, small.seeds) == (camelyon17.methods, (0, 1, 2))
    assert as_in_paper(Request(PRETRAINED, seeds=()))[1:3] == (PRETRAINED.methods, (0, 1, 2))


# parents


def test_one_linear_probe_serves_itself_and_lp_ft():
    plan = planned("lp", "lp-ft", seeds=(0, 1, 2))
    assert counts(plan) == {"clip-pretrain": 1, "lp": 3, "lp-ft": 3}
    for run in plan.runs:
        if run.method == "lp-ft":
            assert plan.run(run.parents["head"]).method == "lp"
            assert plan.run(run.parents["head"]).seed == run.seed


def test_a_parent_comes_first_and_is_not_a_row():
    plan = planned("lp-ft", seeds=(0, 1))
    seen = set()
    for run in plan.runs:
        assert set(run.parents.values()) <= seen
        seen.add(run.key)
    assert len(seen) == len(plan.runs) == 5
    assert {plan.run(key).method for key in plan.asked} == {"lp-ft"}


def test_pretraining_is_one_run_for_all_seeds_and_methods():
    plan = planned("zero-shot", "lp", "ft", "lp-ft", seeds=(3, 4))
    assert counts(plan) == {"clip-pretrain": 1, "zero-shot": 1, "lp": 2, "ft": 2, "lp-ft": 2}
    pretrained = one(plan, "clip-pretrain")
    assert pretrained.seed == 0
    assert {run.parents["backbone"] for run in plan.runs if run.method != "clip-pretrain"} == {pretrained.key}


def test_zero_shot_is_one_run_whatever_the_seeds():
    plan = planned("zero-shot", seeds=(5, 6, 7))
    assert [run.seed for run in plan.runs if run.method == "zero-shot"] == [0]
    assert len(plan.asked) == 1


def test_scratch_starts_from_nothing(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    plan = planned("scratch", weights=str(tmp_path / "w.safetensors"))
    assert counts(plan) == {"scratch": 1}
    assert plan.runs[0].parents == {} and plan.runs[0].backbone.weights is None
    assert plan.runs[0].key == planned("scratch").runs[0].key


def test_the_same_request_has_the_same_keys():
    assert [run.key for run in planned("lp-ft").runs] == [run.key for run in planned("lp-ft").runs]


def test_the_order_of_methods_and_the_company_change_no_key():
    alone = one(planned("ft"), "ft").key
    assert one(planned("lp-ft", "ft", "zero-shot", seeds=(1, 0)), "ft").key != alone, "seed 1 comes first"
    assert alone in [run.key for run in planned("lp-ft", "ft", "zero-shot", seeds=(1, 0)).runs]


# keys

CHANGES = {
    "data": {"of": PRETRAINED.model_copy(update={"data": "1" * 64})},
    "benchmark version": {"of": PRETRAINED.model_copy(update={"version": 2})},
    "benchmark options": {"of": PRETRAINED.model_copy(update={"options": {"id": "photo"}})},
    "tiny": {"of": PRETRAINED.model_copy(update={"tiny": True})},
    "seed": {"seeds": (1,)},
    "recipe": {"sets": ("lr=0.5",)},
    "recipe of the parent": {"sets": ("lp.lp_c_count=3",)},
    "recipe of the parent's parent": {"sets": ("clip-pretrain.lr=0.5",)},
    "backbone": {"backbone": "open_clip:RN50", "weights": "random"},
    "arguments of the backbone": {"backbone": "timm:resnet18,drop_rate=0.1", "weights": "random"},
    "pretraining": {"weights": "random"},
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_key_changes_with(what):
    keys = {name: one(planned("lp-ft", **change), "lp-ft").key for name, change in CHANGES.items()}
    assert keys[what] != one(planned("lp-ft"), "lp-ft").key
    assert len(set(keys.values())) == len(CHANGES)


@pytest.mark.parametrize("which", ["lp-ft", "lp"])
def test_the_key_changes_with_the_version_of_a_method_and_of_its_parents(which, monkeypatch):
    before = one(planned("lp-ft"), "lp-ft").key
    real = plugins.declared

    def newer(name):
        return real(name).model_copy(update={"version": 99}) if name == which else real(name)

    monkeypatch.setattr(plugins, "declared", newer)
    assert one(planned("lp-ft"), "lp-ft").key != before


def test_the_keys_of_others_stay_when_one_method_is_set():
    plain, changed = planned("lp", "ft"), planned("lp", "ft", sets=("ft.lr=0.5",))
    assert one(plain, "lp").key == one(changed, "lp").key
    assert one(plain, "ft").key != one(changed, "ft").key


# sweeps


def test_sweeps_multiply():
    plan = planned("ft", seeds=(0, 1), sets=("lr=0.1,0.2,0.3", "weight_decay=0,0.1"))
    assert counts(plan) == {"clip-pretrain": 1, "ft": 2 * 3 * 2}
    assert len(plan.asked) == 12
    assert len({run.recipe for run in plan.runs if run.method == "ft"}) == 6


def test_a_sweep_of_a_parent_multiplies_its_children():
    plan = planned("lp-ft", sets=("lp.lp_c_count=3,5", "lp-ft.lr=0.1,0.2"))
    assert counts(plan) == {"clip-pretrain": 1, "lp": 2, "lp-ft": 4}
    assert len({(run.parents["head"], run.recipe.lr) for run in plan.runs if run.method == "lp-ft"}) == 4


def test_an_unscoped_setting_leaves_parents_that_were_not_asked_for():
    plan = planned("lp-ft", sets=("augment=flip", "lp.lp_features=train"))
    assert one(plan, "lp-ft").recipe.augment == "flip"
    assert one(plan, "lp").recipe.augment == "none"
    both = planned("lp", "lp-ft", sets=("augment=flip", "lp.lp_features=train"))
    assert one(both, "lp").recipe.augment == "flip"
    assert one(both, "lp-ft").parents["head"] == one(both, "lp").key


def test_an_unscoped_image_setting_reaches_every_parent():
    plan = planned("lp-ft", sets=("image_size=48",))
    assert [run.recipe.image_size for run in plan.runs] == [48] * len(plan.runs)


def test_a_setting_that_no_method_uses_is_a_mistake():
    with pytest.raises(UserError, match="no method of this run uses lp_c_count"):
        planned("ft", sets=("lp_c_count=3",))


# what cannot be run


def test_methods_that_cannot_run_are_left_out_with_a_reason():
    plan = planned("zero-shot", "ft", backbone="timm:resnet18", weights="random")
    assert plan.skipped == {"zero-shot": "zero-shot needs a text tower, and timm:resnet18 has none"}
    assert counts(plan) == {"ft": 1}
    promptless = PRETRAINED.model_copy(update={"templates": ()})
    assert planned("zero-shot", "lp", of=promptless).skipped == {"zero-shot": "zero-shot needs prompts, and made-up has none"}
    untrained = PRETRAINED.model_copy(update={"splits": tuple(split for split in PRETRAINED.splits if split.role != "train")})
    assert planned("ft", of=untrained).skipped == {"ft": "ft trains on a split of role 'train', and made-up has none"}
    assert planned("ft", of=untrained).runs == ()


CURVES = PRETRAINED.model_copy(
    update={
        "kind": "light-curves",
        "targeted": {"redshift": ()},
        "backbone": "informer-small",
        "pretrained_by": "mae-pretrain",
        "splits": (
            Split(name="pretrain", role="pretrain"),
            *PRETRAINED.splits,
            Split(name="redshifted", role="train", targeted="redshift"),
        ),
    }
)


def test_methods_and_networks_of_images_are_refused_for_light_curves():
    assert counts(planned("ft", of=CURVES)) == {"mae-pretrain": 1, "ft": 1}
    skipped = planned("ft", "flyp", "bn-only", of=CURVES).skipped
    assert skipped == {name: f"{name} is made for images, and made-up has light-curves" for name in ("flyp", "bn-only")}
    number = CURVES.model_copy(update={"task": "regression"})
    assert planned("lp", "ft", of=number).skipped == {"lp": "lp is made for classification, and made-up is regression"}
    with pytest.raises(UserError, match="timm:resnet18 takes images, and made-up has light-curves"):
        planned("ft", of=CURVES, backbone="timm:resnet18", weights="random")
    with pytest.raises(UserError, match="informer-small takes light-curves, and made-up has images"):
        planned("ft", backbone="informer-small", weights="random")


def test_settings_that_mean_nothing_on_a_benchmark_are_refused():
    assert one(planned("scratch", of=CURVES, sets=("targeted=redshift",)), "scratch").recipe.targeted == "redshift"
    with pytest.raises(UserError, match="made-up has no targeted augmentation 'redshift'"):
        planned("scratch", sets=("targeted=redshift",))
    with pytest.raises(UserError, match="augment means nothing on made-up"):
        planned("scratch", of=CURVES, sets=("augment=flip",))


def test_a_method_asked_for_by_name_that_cannot_run_is_a_mistake():
    with pytest.raises(UserError, match="zero-shot cannot run on made-up with timm:resnet18"):
        planned("zero-shot", backbone="timm:resnet18", weights="random", strict=True)


def test_pretrained_methods_need_weights_or_the_word_random():
    with pytest.raises(UserError, match=r"ft starts from pretrained weights, and none are given for timm:resnet18") as caught:
        planned("ft", backbone="timm:resnet18")
    assert caught.value.cure == "--weights FILE, or on purpose: --weights random"
    assert planned("ft", backbone="timm:resnet18", weights="random").weights_file is None
    assert counts(planned("scratch", backbone="timm:resnet18")) == {"scratch": 1}
    with pytest.raises(UserError, match="made-up has no backbone of its own"):
        planned("ft", of=fabricated.benchmark(backbone=None))


# weights


def test_weights_are_named_by_their_content(tmp_path):
    content, keys = b"not really weights", []
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(content)
        plan = planned("ft", weights=str(tmp_path / name))
        assert plan.weights_file == str(tmp_path / name)
        assert plan.runs[0].backbone.weights == hashlib.sha256(content).hexdigest()
        assert counts(plan) == {"ft": 1}, "weights of one's own need no pretraining"
        keys.append(plan.runs[0].key)
    assert keys[0] == keys[1]
    (tmp_path / "two").write_bytes(b"others")
    assert planned("ft", weights=str(tmp_path / "two")).runs[0].key != keys[0]


def test_a_weights_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UserError, match=f"cannot read the weights file {path}"):
            planned("ft", weights=str(path))


# the words of the command line


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", (0, 1, 2)), ("1", (0,)), ("0,4", (0, 4)), ("7,", (7,)), (" 2 , 1,2", (2, 1)), ("0,", (0,)), ("20260101,", (20260101,))],
)
def test_seeds_are_how_many_or_which(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", ",", "0", "-1", "-1,2", "1.5", "three", "1;2", "1 2", "1001", "99999999999", "1,99999999999"])
def test_seeds_that_are_none(text):
    with pytest.raises(UserError, match="--seeds") as caught:
        parse_seeds(text)
    assert "3 means the seeds 0, 1, 2" in caught.value.why and "42, means seed 42 alone" in caught.value.why


def test_methods_take_commas_repeats_and_all():
    assert parse_methods([], PRETRAINED) == PRETRAINED.methods
    assert parse_methods(["ft,lp", "ft", " lp-ft "], PRETRAINED) == ("ft", "lp", "lp-ft")
    every = parse_methods(["all"], PRETRAINED)
    assert every[:4] == PRETRAINED.methods
    assert "scratch" in every and "clip-pretrain" not in every
    assert len(set(every)) == len(every)


def test_a_wrong_method_suggests_the_nearest():
    with pytest.raises(UserError, match="there is no method 'lpft'") as caught:
        parse_methods(["ft,lpft"], PRETRAINED)
    assert caught.value.why == "did you mean 'lp-ft'?"
