"""Rows of recipes: layers with their origin, papers, winners instead of grids, faults named."""

from __future__ import annotations

import pytest
from planned_runs import one, planned

from repro import plugins
from repro.errors import UserError
from repro.outcomes.selection import RULES
from repro.papers import cell as cells
from repro.papers import reported, rows
from repro.paths import Places, tables_dir
from repro.planning.recipe import resolve
from repro.settings import Recipe

TABLE = """
title = "x"
benchmark = "made-up"
[[paper]]
name = "first"
[[paper]]
name = "second"
backbone = "timm:resnet18"
select = "last"
[[row]]
paper = "first"
method = "ft"
source = "a@b c:1"
ours = ["epochs"]
recipe = { lr = [0.1, 0.2], epochs = 3 }
quick = { lr = 0.2 }
released = { momentum = 0.0 }
[[row]]
paper = "second"
method = "ft"
source = "d@e f:1"
recipe = { lr = 0.3 }
[[row]]
paper = "second"
method = "lp-ft"
source = "d@e f:2"
recipe = { lr = 0.4 }
"""


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "tables_dir", lambda: tmp_path)
    path = tmp_path / "made-up.toml"
    path.write_text(TABLE)
    return path


def test_a_row_is_a_layer_of_the_recipe(table):
    plan = planned("ft", "lp")
    assert [(run.recipe.lr, run.recipe.epochs) for run in plan.runs if run.method == "ft"] == [(0.1, 3), (0.2, 3)]
    assert one(plan, "ft").provenance["lr"] == "tables/made-up.toml: first ft"
    assert one(plan, "ft").provenance["epochs"] == "tables/made-up.toml: first ft (our choice)"
    assert rows.rows_of("other") == {} and rows.table_of("other").tuned == ("lr",)


def test_quick_takes_the_winners_and_released_what_the_code_does(table):
    run = one(planned("ft", quick=True), "ft")
    assert (run.recipe.lr, run.provenance["lr"]) == (0.2, "tables/made-up.toml: first ft (quick)")
    assert len(planned("ft", quick=True).asked) == 1 and len(planned("ft").asked) == 2
    run = one(planned("ft", released=True), "ft")
    assert (run.recipe.momentum, run.provenance["momentum"]) == (0.0, "tables/made-up.toml: first ft (as released)")


def test_each_paper_has_its_own_rows_and_shares_those_it_lacks(table):
    assert rows.paper_of("made-up", None).name == "first" and rows.paper_of("made-up", "second").select == "last"
    second = planned("ft", paper="second", weights="random")
    assert one(second, "ft").recipe.lr == 0.3 and one(second, "ft").backbone.name == "timm:resnet18"
    assert one(planned("lp-ft"), "lp-ft").recipe.lr == 0.4
    with pytest.raises(UserError) as caught:
        planned("ft", paper="secnd")
    assert caught.value.what == "there is no paper with recipes for made-up 'secnd'" and "second" in caught.value.why


def test_a_papers_tables_choose_of_a_benchmark_and_the_user_chooses_otherwise():
    """WiSE-FT reports ObjectNet, LP-FT does not, Connect Later has no rows."""
    found = {paper: rows.described("imagenet", paper, Places.find()) for paper in ("wise-ft", "lp-ft", "connect-later")}
    assert found["wise-ft"].options == {"ood": ("v2", "r", "a", "sketch", "objectnet")}
    usual = plugins.benchmark("imagenet").describe({}, Places.find())
    assert found["lp-ft"] == found["connect-later"] == usual and usual.options == {}
    assert rows.described("imagenet", "wise-ft", Places.find(), {"ood": "v2,r,a,sketch"}) == usual
    tiny = rows.described("imagenet", "wise-ft", Places.find(), tiny=True)
    assert tiny.tiny and tiny.options == found["wise-ft"].options


def test_a_runs_provenance_tells_its_paper(table):
    behind = {
        name: rows.paper_behind("made-up", one(planned("ft", paper=name, weights="random"), "ft").provenance)
        for name in ("first", "second")
    }
    assert {name: paper.name for name, paper in behind.items()} == {"first": "first", "second": "second"}
    for asked in ({"quick": True}, {"released": True}, {"sets": ("lr=7",)}):
        assert rows.paper_behind("made-up", one(planned("ft", **asked), "ft").provenance).name == "first"
    assert rows.paper_behind("made-up", one(planned("lp"), "lp").provenance) is None
    assert rows.paper_behind("other", {"lr": "tables/other.toml: ft"}) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("title = ", "cannot read"),
        ('title = "x"', "benchmark: Field required"),
        ('title = "x"\nbenchmark = "y"\n[[row]]\nlr = 1', "row.0.method: Field required"),
        ('title = "x"\nbenchmark = "y"\nrow = 3', "row: Input should be a valid"),
        (TABLE.replace('paper = "second"\nmethod = "lp-ft"', 'paper = "third"\nmethod = "lp-ft"'), "there is no paper 'third'"),
        (TABLE.replace('method = "lp-ft"', 'method = "lp-tf"'), "there is no method 'lp-tf'"),
        (TABLE.replace('method = "lp-ft"', 'method = "ft"'), "two rows for ft second"),
        (TABLE.replace("momentum", "momentun"), ""),
    ],
)
def test_a_fault_in_a_table_is_named(table, content, said):
    table.write_text(content)
    with pytest.raises(UserError, match=r"made-up\.toml") as caught:
        planned("ft", released=True)
    assert said in f"{caught.value.what} {caught.value.why}"


def test_every_table_that_ships_is_whole():
    paths = sorted(tables_dir().glob("*.toml"))
    assert len(paths) == 16
    for path in paths:
        table = rows.read(path)
        assert (
            table.benchmark == path.stem and table.benchmark in plugins.names("benchmarks") and set(table.tuned) <= set(Recipe.model_fields)
        )
        for paper in table.paper:
            assert paper.select in RULES and {row.method for row in table.row if row.paper == paper.name} >= set(paper.methods)
        for row in table.row:
            drawn = set(row.search.fields()) if row.search else set()
            assert row.source and set(row.ours) <= set(row.recipe) and set(row.quick) <= set(row.recipe) | drawn
            for quick, released in ((False, False), (True, True)):
                layer = rows.layer(table.benchmark, row, quick, released)
                assert resolve(plugins.declared(row.method), layer, [], asked=True), (path.name, row.method)


@pytest.mark.parametrize(
    ("benchmark", "papers", "count", "recipe"),
    [
        # Resize 256, CenterCrop 224 for every network, where CLIP's own preprocessing has 224 of 224:
        # AnanyaKumar/transfer_learning@13c3e2b configs/adaptation/datasets_living17_nonorm.yaml:22-28, and for ImageNet
        # @36fb2ef configs/adaptation/datasets_imagenet_augs.yaml:18-26.
        ("living17", ("freeze-embed", "freeze-embed-adamw"), 6, {"crop_ratio": 0.875, "image_size": 224}),
        ("imagenet", ("lp-ft",), 4, {"crop_ratio": 0.875}),
        # A frozen encoder's features are of images prepared as for evaluation: cchoi1/auto-ft@8225046 autoft/src/main.py:23-25,
        # mlfoundations/wise-ft@58b7a4b src/models/finetune.py:26-32.
        ("cifar10.1", ("autoft/lp-sgd", "wise-ft/lp-sgd"), 2, {"augment": "none"}),
    ],
)
def test_images_are_prepared_as_in_the_authors_configurations(benchmark, papers, count, recipe):
    found = [row for row in rows.table_of(benchmark).row if row.paper in papers or f"{row.paper}/{row.method}" in papers]
    assert len(found) == count
    for row in found:
        assert {field: row.recipe.get(field) for field in recipe} == recipe, (row.paper, row.method)


# Camelyon17 with CLIP ViT-B/16: learning rate → seeds' accuracy on ID validation, OOD validation and OOD test, as recorded in
# AnanyaKumar/transfer_learning@13c3e2b scripts/freeze-embed-paper-fine-tuning-results.ipynb, output of cell 7 (rates that no rule chooses left out).
RECORDED = {
    "freeze-embed": {
        1e-4: [(99.3772, 89.6602, 85.8890), (99.3683, 91.9092, 88.0782), (99.3951, 91.7316, 86.4192)],
        3e-5: [(99.3117, 94.1239, 94.1073), (99.2729, 93.1297, 94.0614), (99.1836, 89.9524, 86.5039)],
    },
    "freeze-embed-adamw": {
        3e-6: [(99.5679, 94.3474, 95.9720), (99.5322, 94.4734, 95.1819), (99.5352, 93.7514, 96.0237)],
        1e-6: [(99.4249, 94.7886, 96.6010), (99.5143, 93.6110, 95.6216), (99.5083, 94.2757, 96.6798)],
    },
}


@pytest.mark.parametrize("paper", RECORDED)
def test_freeze_embeds_printed_numbers_follow_from_its_runs_by_the_rule_of_its_recipes(paper):
    position = ("id_val", "ood_val").index(rows.paper_of("camelyon17", paper).select)
    means = {rate: [sum(values) / 3 for values in zip(*seeds, strict=True)] for rate, seeds in RECORDED[paper].items()}
    winner = max(means, key=lambda rate: means[rate][position])
    settings = {"optimizer": "adamw" if "adamw" in paper else "sgd"}
    (printed,) = reported.of("freeze-embed", "big", "camelyon17", "ood_test", "ft", "accuracy", settings=settings, backbone="clip-vit-b-16")
    assert round(means[winner][2], 2) == pytest.approx(float(printed.value), abs=0.006)
    row = next(row for row in rows.table_of("camelyon17").row if (row.paper, row.method) == (paper, "ft"))
    assert row.quick == {"lr": winner} and len(row.recipe["lr"]) == 6 and set(means) <= set(row.recipe["lr"])


def test_freeze_embed_chooses_by_accuracy_on_id_validation_everywhere():
    for benchmark in ("living17", "domainnet", "fmow", "camelyon17"):
        assert {rows.paper_of(benchmark, paper).select for paper in RECORDED} == {"id_val"}
    chosen = {row.method: row.recipe.get("select_by") for row in rows.table_of("fmow").row if row.paper in RECORDED}
    assert (chosen["ft"], chosen["freeze-embed"]) == ("accuracy", "accuracy"), "that split's own metric is its worst region"


def test_wise_fts_printed_row_of_ensembled_weights_is_that_of_the_alpha_best_on_id_validation():
    """Of the printed sweep over α with CLIP ViT-B/16 the best on ImageNet has the row's accuracy and average; the unseen α = 0.5 has neither."""
    place = {"backbone": "clip-vit-b-16", "metric": "accuracy", "method": "wise-ft"}
    tenths = [f"{number / 10:.1f}" for number in range(11)]
    sweep = {
        alpha: [
            float(reported.of("wise-ft", "alphas", benchmark, split, settings={"base": "ft", "alphas": alpha}, **place)[0].value)
            for benchmark, split in (("imagenet", "id_val"), ("average-5", "ood"))
        ]
        for alpha in tenths
    }
    best = max(tenths, key=lambda alpha: sweep[alpha][0])
    row = [
        float(reported.of("wise-ft", "imagenet", benchmark, split, settings={"base": "ft"}, **place)[0].value)
        for benchmark, split in (("imagenet", "id_val"), ("average-5", "ood"))
    ]
    assert row == sweep[best] == [82.5, 60.6] and sweep["0.5"] == [81.7, 63.0]
    cell = cells.find("wise-ft/imagenet:B/16 End-to-end + ensembling:V2")
    assert cell.recipes.select == "id_val" and "alphas" not in cell.row.recipe  # the method's own are 0, 0.1, …, 1
    assert rows.rows_of("imagenet", "wise-ft-chosen")["ft"].recipe == rows.rows_of("imagenet", "wise-ft")["ft"].recipe


@pytest.mark.parametrize(("benchmark", "passes", "size"), [("camelyon17", 5, 32), ("fmow", 50, 64), ("iwildcam", 12, 16)])
def test_the_rows_of_a_table_of_wilds_are_of_one_version(benchmark, passes, size):
    """p-lambda/wilds@v1.2.2 examples/configs/datasets.py:39-63, 126-151, 152-176, as @v1.1.0 has them, too: what the first paper's numbers are of.
    WILDS 2.0's ERM on Camelyon17, which is in a table of its own, takes ten epochs."""
    for row in rows.table_of(benchmark).row:
        if row.paper == "wilds" and row.method in ("erm", "coral", "irm"):
            assert (row.recipe["epochs"], row.recipe["batch_size"]) == (passes, size), row.method
    assert cells.find("wilds/v1:ERM:Camelyon17").row.recipe["epochs"] == 5
    assert cells.find("wilds/v2:ERM (no augmentation):Camelyon17").row.recipe["epochs"] == 10
