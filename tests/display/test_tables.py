"""From records to rows. Every number is fabricated, chosen so that each rule gives another answer."""

from __future__ import annotations

import fabricated
import pytest
from made_tables import finished, only, rows, with_backbone

from repro.display import render, tables
from repro.display.tables import Column, build, columns_of
from repro.errors import UserError
from repro.outcomes.stats import t_interval
from repro.types import Checkpoint, Split

# columns


def test_columns_are_the_reported_splits_and_the_average_of_several():
    assert columns_of(fabricated.benchmark()) == (
        Column("ID", "id_test", ("id_test",), "accuracy"),
        Column("OOD", "sketch", ("sketch",), "accuracy"),
        Column("OOD", "clipart", ("clipart",), "accuracy"),
        Column("OOD", "avg", ("sketch", "clipart"), "accuracy"),
    )


def test_splits_beside_the_headline_come_last_and_enter_no_average():
    quickdraw = Split(name="quickdraw", role="ood_test", column="OOD")
    splits = (*fabricated.SPLITS[:3], fabricated.SPLITS[3].model_copy(update={"headline": False}), fabricated.SPLITS[4], quickdraw)
    benchmark = fabricated.benchmark(splits=splits)
    names = [(column.name, column.splits, column.headline) for column in columns_of(benchmark) if column.group == "OOD"]
    assert names == [
        ("clipart", ("clipart",), True),
        ("quickdraw", ("quickdraw",), True),
        ("avg", ("clipart", "quickdraw"), True),
        ("sketch", ("sketch",), False),
    ]
    point = fabricated.checkpoint(sketch=0.1, clipart=0.6, quickdraw=0.8)
    table = only(build([fabricated.result(fabricated.run(of=benchmark), [point])]))
    assert [cell.mean for cell in table.rows[0].cells] == pytest.approx([0.5, 0.6, 0.8, 0.7, 0.1])
    assert "Shown beside the others, in no average: sketch." in table.caption


def test_of_different_metrics_there_is_no_average():
    assert [column.name for column in columns_of(fabricated.with_splits(sketch={"metric": "macro_f1"}))] == ["id_test", "sketch", "clipart"]
    both = fabricated.with_splits(sketch={"metric": "macro_f1"}, clipart={"metric": "macro_f1"})
    assert [(column.name, column.metric) for column in columns_of(both)] == [
        ("id_test", "accuracy"),
        ("sketch", "macro_f1"),
        ("clipart", "macro_f1"),
        ("avg", "macro_f1"),
    ]


# footnotes


def test_footnotes_are_the_rows_quirks_each_once():
    results = [finished("ft", std=(0.228, 0.224, 0.225)), finished("lp-ft", std=(0.228, 0.224, 0.225)), finished("lp")]
    table = only(build(results))
    assert [(note.quirk.name, note.rows) for note in table.footnotes] == [
        ("std-0.228", ("ft (std=0.228,0.224,0.225)", "lp-ft (std=0.228,0.224,0.225)")),
        ("bn-eval", ("lp-ft (std=0.228,0.224,0.225)",)),
    ]
    alike = only(build(results[:2]))
    assert [(note.quirk.name, note.rows) for note in alike.footnotes] == [("std-0.228", ()), ("bn-eval", ("lp-ft",))]
    assert only(build([finished("ft")])).footnotes == ()


def test_a_row_has_the_quirks_that_its_parent_hands_on():
    parent = finished("lp", lp_features="train")
    child = finished("lp-ft", parents={"head": parent.key}, batchnorm="train")
    table = only(build([parent, child], only=frozenset({child.key})))
    assert [(note.quirk.name, note.rows) for note in table.footnotes] == [("lp-augmented-features", ())]


def test_a_cell_is_the_mean_over_seeds_and_an_average_is_taken_within_each_seed():
    results = [
        fabricated.result(fabricated.run(seed=seed), [fabricated.checkpoint(id_test=0.9 + seed / 100, sketch=sketch, clipart=clipart)])
        for seed, sketch, clipart in ((0, 0.2, 0.8), (1, 0.8, 0.2))
    ]
    row = rows(results)["ft"]
    assert row.cells[0] == t_interval([0.90, 0.91])
    assert row.cells[1].half == pytest.approx(t_interval([0.2, 0.8]).half)
    assert row.cells[3] == pytest.approx((0.5, 0.0, 2)), "the seeds' averages are equal, so their interval has no width"
    assert row.seeds == (0, 1)
    assert set(row.keys) == {result.key for result in results}


# rows


def test_rows_follow_the_benchmarks_order_then_the_variant():
    results = [finished(method) for method in ("scratch", "lp-ft", "ft", "lp", "zero-shot")] + [finished("ft", batch_size=32)]
    table = only(build(results))
    assert [row.method for row in table.rows] == ["zero-shot", "lp", "ft", "ft", "lp-ft", "scratch"]
    assert [row.variant for row in table.rows if row.method == "ft"] == [(), ("batch_size=32",)]


def test_stages_are_no_rows():
    assert set(rows([finished("clip-pretrain"), finished("ft")])) == {"ft"}
    assert build([finished("clip-pretrain")]) == []
    assert build([]) == []


def test_only_restricts_the_rows_and_not_the_parents():
    parent = finished("lp", lp_c_count=3)
    child = finished("lp-ft", parents={"head": parent.key})
    assert set(rows([parent, child], only=frozenset({child.key}))) == {"lp-ft lp.lp_c_count=3"}


def test_a_result_of_a_method_that_is_gone_is_left_out():
    gone = finished("lp")
    gone = gone.model_copy(update={"run": gone.run.model_copy(update={"method": "gone"})})
    child = finished("lp-ft", parents={"head": gone.key})
    assert set(rows([gone, child])) == {"lp-ft gone.version=2"}
    assert build([gone]) == []


def test_of_equal_settings_the_smallest_wins_whatever_was_run_first():
    results = [finished("ft", accuracy=accuracy, id_val=0.8, lr=lr) for lr, accuracy in ((0.3, 0.7), (0.1, 0.6), (0.2, 0.5))]
    for order in (results, results[::-1], results[1:] + results[:1]):
        assert rows(order)["ft"].cells[0].mean == 0.6


# what is never mixed


@pytest.mark.parametrize("other", [{"tiny": True}, {"data": "1" * 64}, {"version": 2}, {"options": {"id": "photo"}}])
def test_results_of_other_data_are_tables_of_their_own(other):
    made = build([finished("ft", accuracy=0.4), finished("ft", accuracy=0.6, of=fabricated.benchmark(**other))])
    assert sorted(table.rows[0].cells[0].mean for table in made) == [0.4, 0.6]
    assert [len(table.rows) for table in made] == [1, 1]
    tiny = [table for table in made if table.benchmark.tiny]
    assert len(tiny) == bool(other.get("tiny"))
    for table in made:
        assert any("TINY" in sentence for sentence in table.caption) == table.benchmark.tiny


def test_backbones_are_tables_of_their_own():
    assert len(build([finished("ft"), with_backbone(finished("ft"))])) == 2


# the rest of a table


def test_the_best_mean_of_each_column():
    points = {"ft": {"id_test": 0.9, "sketch": 0.2}, "lp": {"id_test": 0.8, "sketch": 0.4}}
    results = [fabricated.result(fabricated.run(method), [fabricated.checkpoint(**values)]) for method, values in points.items()]
    assert only(build(results)).best == (0.9, 0.4, 0.5, 0.45)


def test_each_run_reports_the_checkpoint_that_the_rule_selects():
    points = [fabricated.checkpoint("epoch-1", id_val=0.9, id_test=0.1), fabricated.checkpoint("epoch-2", id_val=0.1, id_test=0.7)]
    result = fabricated.result(fabricated.run(), points)
    assert rows([result])["ft"].cells[0].mean == 0.1
    assert rows([result], rule="last")["ft"].cells[0].mean == 0.7
    assert "Checkpoint selected by last: the last checkpoint." in only(build([result], "last")).caption[1]
    with pytest.raises(UserError, match="no split for selection by ood_val"):
        build([result], "ood_val")


def test_the_caption_names_metric_interval_backbone_and_rule():
    caption = only(build([finished("ft", seed) for seed in range(3)])).caption
    assert caption[0] == "Accuracy in %, mean ± 95 % t interval over seeds (3 seeds); best mean of each column in bold."
    assert caption[1] == "Backbone digits-clip. Checkpoint selected by id_val: best on the ID validation split."
    weighted = only(build([with_backbone(finished("ft"), kwargs={"drop_rate": 0.5}, weights="a" * 64)]))
    assert "Backbone timm:resnet18,drop_rate=0.5 (weights aaaaaaaa)." in weighted.caption[1]


def test_a_benchmark_with_one_ood_split_has_no_average():
    benchmark = fabricated.benchmark(splits=(*fabricated.SPLITS[:4], Split(name="clipart", role="ood_test")))
    assert [column.name for column in columns_of(benchmark)] == ["id_test", "sketch"]


# a benchmark without OOD, and runs that were judged on tests only where validation selected


def test_a_benchmark_without_ood_has_its_id_column_alone():
    inside = fabricated.benchmark(splits=fabricated.SPLITS[:3])
    (made,) = tables.build([fabricated.result(fabricated.run(of=inside), [fabricated.checkpoint(id_test=0.75)])])
    assert [(column.group, column.name) for column in made.columns] == [("ID", "id_test")] and made.best == (0.75,)
    with pytest.raises(UserError, match="made-up has no split for selection by oracle"):
        tables.build([fabricated.result(fabricated.run(of=inside))], "oracle")


def test_a_run_that_selects_by_cross_entropy_is_shown_at_that_checkpoint():
    def point(name: str, accuracy: float, loss: float, **tests: float) -> Checkpoint:
        judged = {"id_val": {"accuracy": accuracy, "cross_entropy": loss}} | {split: {"accuracy": value} for split, value in tests.items()}
        return Checkpoint(name=name, metrics=judged)

    tested = point("epoch-2", 0.5, 0.1, id_test=0.25, sketch=0.5, clipart=0.75)
    run = fabricated.run("flyp", select_by="cross_entropy", judge="selected")
    result = fabricated.result(run, [point("epoch-1", 0.9, 0.3), tested, point("epoch-3", 0.8, 0.2)])
    (made,) = tables.build([result])
    assert [cell.mean for cell in made.rows[0].cells] == [0.25, 0.5, 0.75, 0.625]
    with pytest.raises(UserError, match="epoch-3 of a run on made-up was not judged on id_test"):
        tables.build([result], "last")


def test_of_an_error_the_lowest_is_best_and_it_is_no_percentage():
    benchmark = fabricated.benchmark(splits=fabricated.SPLITS[:3], metric="rmse", task="regression", classes=("redshift",))
    points = {method: Checkpoint(name="epoch-1", epoch=1, metrics={split: {"rmse": error} for split in ("id_val", "id_test")}) for method, error in (("ft", 0.2471), ("lp-ft", 0.3))}  # fmt: skip
    table = only(build([fabricated.result(fabricated.run(method, of=benchmark), [point]) for method, point in points.items()]))
    assert table.best == (0.2471,) and table.caption[0].startswith("RMSE, mean ± ")
    text = render.markdown(table)
    assert "| ft | **0.2471** | 1 |" in text and "| lp-ft | 0.3000 | 1 |" in text


def test_settings_and_checkpoints_of_an_error_are_chosen_by_the_lowest():
    benchmark = fabricated.benchmark(splits=fabricated.SPLITS[:3], metric="rmse", task="regression", classes=("redshift",))
    points = [
        Checkpoint(name=f"epoch-{epoch}", epoch=epoch, metrics={"id_val": {"rmse": error}, "id_test": {"rmse": 10 * error}})
        for epoch, error in ((1, 0.4), (2, 0.2), (3, 0.3))
    ]
    table = only(build([fabricated.result(fabricated.run(of=benchmark), points)]))
    assert table.rows[0].cells[0].mean == pytest.approx(2.0)
