"""Targeted augmentations in a plan: only where the benchmark has them, with their stage and their draws side by side."""

import pytest
from tiny_digits import places_at

from repro import plugins
from repro.errors import UserError
from repro.planning import plan as planning
from repro.planning.plan import Plan, Request
from repro.planning.recipe import parse_set, resolve


def plan(tmp_path, benchmark: str, *methods: str, paper: str | None = "connect-later", tiny: bool = False, sets=(), **more) -> Plan:
    described = plugins.benchmark(benchmark).describe({}, places_at(tmp_path), tiny)
    own = {} if tiny else {"weights": "random"}
    return planning.make(Request(described, methods, more.pop("seeds", (0,)), sets=sets, paper=paper, strict=True, **own, **more))


def test_draws_go_side_by_side_and_the_probe_has_its_childs(tmp_path):
    made = plan(tmp_path, "camelyon17", "connect-later")
    stages = [run for run in made.runs if run.method == "connect-later-lp"]
    rows = [made.run(key) for key in made.asked]
    assert len(stages) == len(rows) == 20
    for row in rows:
        stage = made.run(row.parents["probe"])
        assert (stage.recipe.lr, stage.recipe.epochs, stage.recipe.batchnorm) == (row.recipe.probe_lr, 10, "eval")
        shared = ("targeted", "targeted_p", "stain_sigma", "weight_decay", "batch_size", "schedule", "momentum")
        assert all(getattr(stage.recipe, field) == getattr(row.recipe, field) for field in shared)
        assert stage.recipe.freeze == "backbone" and row.recipe.freeze == "none" and stage.seed == row.seed
        assert stage.provenance["lr"] == row.provenance["probe_lr"] == "tables/camelyon17.toml: connect-later connect-later (draws)"
    assert len({row.recipe.lr for row in rows}) == 20


def test_quick_is_the_recorded_winner_and_released_lets_statistics_adapt(tmp_path):
    made = plan(tmp_path, "iwildcam", "connect-later", quick=True, released=True, seeds=(1, 2))
    assert [run.method for run in made.runs] == ["connect-later-lp", "connect-later"] * 2
    recipe = made.runs[1].recipe
    assert (recipe.lr, recipe.targeted_p, recipe.seen_in) == (0.0002504172429234668, 0.5473471004493135, "all")
    assert made.runs[0].recipe.batchnorm == "adapt" and made.runs[0].recipe.lr == 0.0018804142350329204


def test_a_setting_takes_the_place_of_a_drawn_field(tmp_path):
    made = plan(tmp_path, "iwildcam", "connect-later", sets=("connect-later.lr=1e-4",))
    rows = [made.run(key) for key in made.asked]
    assert {row.recipe.lr for row in rows} == {1e-4} and len({row.recipe.probe_lr for row in rows}) == len(rows) == 10
    doubled = plan(tmp_path, "iwildcam", "connect-later", sets=("connect-later.batch_size=24,48",))
    assert len(doubled.asked) == 20


def test_a_tiny_subset_takes_one_draw(tmp_path):
    assert len(plan(tmp_path, "camelyon17", "connect-later", paper=None, tiny=True).asked) == 1


def test_masks_are_needed_for_copy_paste_alone(tmp_path):
    assert plan(tmp_path, "iwildcam", "erm").needs == ("iwildcam",)
    assert plan(tmp_path, "iwildcam", "erm-targeted").needs == ("iwildcam", "iwildcam-copypaste")
    assert plan(tmp_path, "iwildcam", "erm-targeted", paper=None, tiny=True).needs == ()
    assert plan(tmp_path, "camelyon17", "erm-targeted").needs == ("camelyon17",)


@pytest.mark.parametrize(
    ("benchmark", "method", "sets", "said"),
    [
        ("iwildcam", "erm", ("targeted=stain",), "erm: iwildcam has no targeted augmentation 'stain'"),
        ("living17", "erm", ("targeted=stain",), "erm: living17 has no targeted augmentation 'stain'"),
        ("iwildcam", "erm-targeted", ("resize=crop",), "erm-targeted: copy-paste with resize=crop, augment=none"),
        ("iwildcam", "erm-targeted", ("augment=rrc_flip",), "erm-targeted: copy-paste with resize=squash, augment=rrc_flip"),
        ("living17", "connect-later", (), "connect-later cannot run on living17 with moco-v2-resnet50"),
        ("living17", "erm-targeted", (), "erm-targeted cannot run on living17 with moco-v2-resnet50"),
    ],
)
def test_what_cannot_be_had_is_told_before_anything_is_run(tmp_path, benchmark, method, sets, said):
    with pytest.raises(UserError) as caught:
        plan(tmp_path, benchmark, method, paper=None, sets=sets)
    assert caught.value.what == said and caught.value.why and caught.value.cure


def test_fields_beside_the_augmentation_say_nothing(tmp_path):
    erm = plugins.declared("erm")

    def recipe(*sets: str):
        return resolve(erm, {}, [parse_set(f"erm.{text}", ["erm"]) for text in sets], True)[0].recipe

    assert recipe("targeted_p=0.3", "stain_sigma=0.2", "seen_in=all") == recipe()
    assert recipe("targeted=copy-paste", "stain_sigma=0.2") == recipe("targeted=copy-paste")
    assert recipe("targeted=stain", "stain_sigma=0.2") != recipe("targeted=stain")


def test_erm_starts_as_its_row_says(tmp_path):
    for benchmark, init in (("iwildcam", "own"), ("camelyon17", "random")):
        for paper in ("targeted-augs", "connect-later", "wilds"):
            assert plan(tmp_path, benchmark, "erm", paper=paper).runs[0].recipe.init == init
    described = plugins.benchmark("camelyon17").describe({}, places_at(tmp_path), False)
    assert planning.standard_weights(Request(described, ("erm", "erm-targeted"), paper="targeted-augs")) is None
    assert planning.standard_weights(Request(described, ("connect-later",))) == "camelyon17-densenet121:ckp-55.pth"
