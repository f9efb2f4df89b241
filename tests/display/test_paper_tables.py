"""Papers' tables: which runs a cell takes, what it says of others, and what is never compared. All numbers are fabricated."""

from __future__ import annotations

import fabricated
import paper_fixture
import pytest
from paper_fixture import described, finish, planned, point

from repro import plugins
from repro.display import paper_cells, paper_tables
from repro.outcomes import index
from repro.outcomes.store import Store
from repro.papers import arrangement, matching, rows
from repro.paths import Places
from repro.types import Benchmark, Checkpoint


@pytest.fixture
def store(tmp_path, monkeypatch):
    paper_fixture.use_tables(monkeypatch)
    return Store(tmp_path / "runs")


def cells(store: Store, name: str = "made-up/main", **options) -> dict:
    """(row, column) → cell."""
    arranged = arrangement.load(name)
    found = index.find(store, arranged.benchmarks)
    known = paper_tables.benchmarks_of(arranged, Places.find())
    view = paper_tables.view(arranged, found.results, found.failures, known, **options)
    return {(row.title, column): cell for row in view.rows for column, cell in zip(view.columns, row.cells, strict=True)}


def test_the_cells_of_the_fixture(store):
    paper_fixture.fill(store)
    found = cells(store)
    assert len(found) == 30
    ft = found["FT", "Living-17 OOD"]
    assert ft.values == pytest.approx([77.5, 77.9, 77.8]) and ft.seeds == (0, 1, 2), (
        "the rate with the best ID validation, not the best OOD"
    )
    assert (ft.ours.mean, ft.ours.half) == pytest.approx((77.7333, 4.302653 * 0.208167 / 3**0.5), abs=1e-4)
    assert ft.theirs.half == pytest.approx(1.645 * 0.208167 / 3**0.5, abs=1e-5)
    assert ft.conflict and [str(entry.value) for entry in ft.reported] == ["77.8", "77.7"]
    entity = found["FT", "Entity-30"]
    assert entity.theirs.half == pytest.approx(1.645 * 4.546061 / 3**0.5, abs=1e-4), "n degrees of freedom there"
    assert entity.others == ("3 runs with lr=0.5",) and 99.0 not in entity.values
    assert (found["LP", "Entity-30"].verdict, found["LP", "Entity-30"].why) == ("failed", "RuntimeError: made up")
    assert found["LP-FT | <best>", "Entity-30"].why == "repro run --table made-up/main --method lp-ft"
    assert found["L2-SP", "Entity-30"].verdict == "cannot run" and "no recipe" in found["L2-SP", "Entity-30"].why
    assert found["FT", "Else & where"].why == "no benchmark: no-such-benchmark"


def test_averages_follow_from_the_cells_and_are_not_judged(store):
    paper_fixture.fill(store)
    found = cells(store)
    average = found["FT", "Average"]
    assert average.ours.mean == pytest.approx((97.1 + 77.7333 + 61.0) / 3, abs=1e-3) and average.ours.half is None
    assert (average.verdict, average.outcome.p) == ("average", None)
    assert f"{average.recomputed:.2f}" == "78.53" and f"{found['LP', 'Average'].recomputed:.2f}" == "80.63"
    assert found["LP", "Average"].ours is None and found["LP", "Average"].why == "2 of 3 columns are measured"


def test_what_the_paper_does_not_have_is_not_taken(store):
    living = described("living17")
    for asked in ({"sets": ("epochs=9", "lr=1e-3")}, {"weights": "random", "weights_hash": None}):
        for run in planned(living, "ft", **asked):
            finish(store, run, point(0.9, 0.9))
    other = living.model_copy(update={"data": "0" * 64})
    for run in planned(other, "ft", quick=True):
        finish(store, run, point(0.9, 0.9))
    cell = cells(store)["FT", "Living-17 ID"]
    assert cell.values == () and cell.verdict == "not run"
    assert cell.others == (
        "6 runs from random weights",
        "6 runs of another version, or other choices, of the benchmark",
        "3 runs with epochs=9",
    )


def test_a_start_of_another_recipe_is_another_run(store):
    for run in planned(described("living17"), "lp", "lp-ft", sets=("lp.lp_c_count=7",)):
        finish(store, run, point(0.9, 0.9))
    found = cells(store)
    assert found["LP-FT | <best>", "Living-17 ID"].others == ("9 runs its head is with lp_c_count=7",)
    assert found["LP", "Living-17 ID"].others == ("3 runs with lp_c_count=7",)


def test_recipes_of_text_and_code_are_never_mixed(store):
    living = described("living17")
    released = planned(living, "ft", released=True)
    for run in released:
        finish(store, run, point(0.8, 0.8))
    cell = cells(store)["FT", "Living-17 ID"]
    assert cell.values == pytest.approx([80.0] * 3) and "as released" in cell.chosen
    for run in planned(living, "ft"):
        finish(store, run, point(0.7, 0.7))
    cell = cells(store)["FT", "Living-17 ID"]
    assert cell.values == pytest.approx([70.0] * 3) and cell.others == ("6 runs as released",)


def test_tiny_runs_are_shown_and_never_compared(store):
    for run in planned(described("living17", tiny=True), "ft", backbone="digits-clip"):
        finish(store, run, point(0.971, 0.778))
    assert cells(store)["FT", "Living-17 ID"].values == ()
    cell = cells(store, tiny=True)["FT", "Living-17 ID"]
    assert cell.values == pytest.approx([97.1] * 3)
    assert (cell.verdict, cell.outcome.delta, cell.why) == ("not comparable", None, "tiny subset")


def test_digits_are_shown_and_never_compared(store):
    benchmark = described("digits")
    judged = Checkpoint(name="epoch-1", metrics={"id_val": {"accuracy": 0.5}, "id_test": {"accuracy": 0.9}})
    run = fabricated.run("lp", of=benchmark)
    fabricated.finish(store, run, judged)
    stage = fabricated.run("clip-pretrain", of=benchmark)
    fabricated.finish(store, stage)
    run = run.model_copy(update={"parents": {"backbone": stage.key}})
    fabricated.finish(store, run, judged)
    cell = cells(store, "made-up/digits")["LP", "Digits"]
    assert cell.values == pytest.approx([90.0])
    assert (cell.verdict, cell.outcome.delta, cell.why) == ("not comparable", None, "digits is no benchmark of a paper")


def test_another_rule_than_the_papers_is_shown_and_not_compared(store):
    paper_fixture.fill(store)
    cell = cells(store, select="oracle")["FT", "Living-17 OOD"]
    assert cell.values == pytest.approx([99.0] * 3) and cell.outcome.delta is None
    assert cell.why == "selected by oracle, the paper by id_val"


def test_a_few_shot_number_is_no_other_source_of_a_number_of_all_images(tmp_path):
    """The slides' numbers of PatchCamelyon are few-shot, of a number of images that they do not say; what is not trained has one number."""
    found = cells(Store(tmp_path / "runs"), "flyp/transfer")
    sources = {line: [entry.table for entry in found[line, "PatchCamelyon"].reported] for line in ("Zero-shot", "FT", "LP-FT", "FLYP")}
    assert sources == {"Zero-shot": ["transfer", "slides"], "FT": ["transfer"], "LP-FT": ["transfer"], "FLYP": ["transfer"]}
    assert found["FLYP", "PatchCamelyon"].entry.confidence == "recalled"


def test_rows_of_one_benchmark_by_two_rules_are_told_apart(tmp_path):
    arranged = arrangement.load("wise-ft/imagenet")
    told = paper_tables.view(arranged, [], [], paper_tables.benchmarks_of(arranged, Places.find(home=tmp_path))).caption[3]
    assert told == (
        "Checkpoints and settings are selected as in the paper by last, the last checkpoint (imagenet: wise-ft); "
        "as in the paper by id_val, best on the ID validation split (imagenet: wise-ft-chosen)."
    )


def test_the_command_that_fills_a_cell_names_weights_that_only_the_user_has(tmp_path):
    found = cells(Store(tmp_path / "runs"), "freeze-embed/1")
    assert found["CLIP ViT-B/16: SGD", "FMoW"].why == "repro run --table freeze-embed/1 --method ft"
    own = "--backbone timm:convnext_base.fb_in22k --weights FILE"
    assert found["ConvNeXt-B: SGD", "FMoW"].why == f"repro run --table freeze-embed/1 --method ft {own}"
    assert found["DINO ViT-B/16: SGD", "FMoW"].why == "repro run --table freeze-embed/1 --method ft", "its authors publish it"
    scratch = cells(Store(tmp_path / "runs"), "targeted-augs/camelyon17")["ERM", "OOD"].why
    assert scratch == "repro run --table targeted-augs/camelyon17 --method erm", "from random weights: no file is wanted"


@pytest.mark.parametrize(("name", "told"), [("flyp/few-shot", "standard deviation"), ("flyp/wilds", "95 % interval, 1.96·s/√n")])
def test_what_is_in_brackets_is_the_spread_of_that_table(tmp_path, name, told):
    arranged, found = arrangement.load(name), paper_tables.benchmarks_of(arrangement.load(name), Places.find(home=tmp_path))
    assert f"(in brackets, as the paper computes it: {told})" in paper_tables.view(arranged, [], [], found).caption[0]


def test_no_shipped_table_has_digits_or_folder():
    columns = [column for name in arrangement.names() for column in arrangement.load(name).column]
    assert len(columns) >= 100 and not {column.benchmark for column in columns} & paper_cells.OURS


def test_runs_without_the_papers_choice_of_splits_serve_where_there_are_no_others(tmp_path):
    """WiSE-FT reports ObjectNet, for which registration is needed: who has none can fill the other columns."""
    store, places = Store(tmp_path / "runs"), Places.find()
    usual, own = plugins.benchmark("imagenet").describe({}, places), rows.described("imagenet", "wise-ft", places)
    asked = {"seeds": 1, "paper": "wise-ft", "backbone": "clip-vit-b-16", "weights_hash": matching._standard("clip-vit-b-16")}

    def judged(of: Benchmark, accuracy: float) -> None:
        (run,) = planned(of, "zero-shot", **asked)
        metrics = {split.name: {"accuracy": accuracy} for split in of.judged}
        finish(store, run, Checkpoint(name="zero-shot", metrics=metrics))

    judged(usual, 0.61)
    found = cells(store, "wise-ft/imagenet")
    v2, objects = (found["B/16 Zero-shot", column] for column in ("V2", "ObjectNet"))
    assert (v2.values, v2.others) == (pytest.approx([61.0]), ())
    assert (objects.values, objects.others) == ((), ("1 run without accuracy on objectnet",))
    assert found["B/16 Zero-shot", "OOD average"].ours is None
    judged(own, 0.62)
    found = cells(store, "wise-ft/imagenet")
    v2, objects = (found["B/16 Zero-shot", column] for column in ("V2", "ObjectNet"))
    assert (v2.values, v2.others) == (pytest.approx([62.0]), ("1 run of another version, or other choices, of the benchmark",))
    assert objects.values == pytest.approx([62.0]) and found["B/16 Zero-shot", "OOD average"].ours.mean == pytest.approx(62.0)
    judged(plugins.benchmark("imagenet").describe({"ood": "v2"}, places), 0.63)
    assert cells(store, "wise-ft/imagenet")["B/16 Zero-shot", "V2"].values == pytest.approx([62.0])
