"""What is said below a table. Every number is fabricated."""

from __future__ import annotations

from pathlib import Path

import fabricated
import pytest

from repro.display.captions import lacking
from repro.display.tables import build
from repro.outcomes.stored import Damaged


def _only(made):
    assert len(made) == 1
    return made[0]


@pytest.mark.parametrize(
    ("benchmark", "measured"),
    [
        (fabricated.benchmark(metric="macro_f1"), "Macro F1 in %"),
        (
            fabricated.with_splits(sketch={"metric": "worst_region"}, clipart={"metric": "worst_region"}),
            "ID: accuracy; OOD: worst-region accuracy, in %",
        ),
        (fabricated.with_splits(sketch={"metric": "macro_f1"}), "id_test, clipart: accuracy; sketch: macro F1, in %"),
        (fabricated.with_splits(id_test={"metric": "macro_f1"}, sketch={"headline": False}), "ID: macro F1; OOD: accuracy, in %"),
        (
            fabricated.with_splits(id_test={"metric": "macro_f1"}, sketch={"metric": "macro_f1"}, clipart={"metric": "macro_f1"}),
            "Macro F1 in %",
        ),
    ],
)
def test_each_column_has_its_splits_metric_and_the_caption_names_them(benchmark, measured):
    """Each metric of a split has another value, so that a cell tells which one it shows."""
    values = {"accuracy": 0.1, "macro_f1": 0.2, "worst_region": 0.3}
    point = fabricated.checkpoint().model_copy(update={"metrics": {split.name: values for split in benchmark.splits}})
    table = _only(build([fabricated.result(fabricated.run(of=benchmark), [point])]))
    assert [cell.mean for cell in table.rows[0].cells] == pytest.approx([values[column.metric] for column in table.columns])
    assert [column.metric for column in table.columns if len(column.splits) == 1] == [
        benchmark.metric_of(benchmark.split(column.name)) for column in table.columns if len(column.splits) == 1
    ]
    assert table.caption[0].startswith(f"{measured}, mean ± 95 %")


def test_the_caption_says_by_which_metric_was_selected_where_there_are_several():
    benchmark = fabricated.with_splits(id_val={"metric": "macro_f1"})
    values = {"accuracy": 0.1, "macro_f1": 0.2}
    point = fabricated.checkpoint().model_copy(update={"metrics": {split.name: values for split in benchmark.splits}})
    result = fabricated.result(fabricated.run(of=benchmark), [point])
    by = {rule: _only(build([result], rule)).caption[1].partition("Checkpoint ")[2] for rule in ("id_val", "oracle", "last")}
    assert by["id_val"] == "selected by id_val: best on the ID validation split (by macro F1)."
    assert by["oracle"].endswith("shown as such (by accuracy).") and by["last"] == "selected by last: the last checkpoint."


def test_the_caption_says_whose_numbers_were_chosen_on_what_they_show():
    reported = fabricated.with_splits(id_test={"column": None}, id_val={"column": "ID"})
    points = [fabricated.checkpoint("epoch-1"), fabricated.checkpoint("epoch-2")]
    chosen, single = fabricated.result(fabricated.run("ft", of=reported), points), fabricated.result(fabricated.run("scratch", of=reported))
    (table,) = build([chosen, single])
    mark = "† id_val: checkpoint, settings or the probe's C of {} were chosen on this very split, so the numbers are optimistic."
    assert mark.format("ft") in table.caption
    assert mark.format("every row") in _only(build([chosen])).caption
    assert not any("†" in sentence for sentence in _only(build([single])).caption)
    oracle = _only(build([chosen], "oracle")).caption
    assert any(sentence.startswith("† sketch, clipart, avg: ") for sentence in oracle)
    assert not any("†" in sentence for sentence in _only(build([chosen], "last")).caption)


def test_what_is_damaged_is_named_below_tables_of_its_benchmark():
    def lost(folder: str) -> Damaged:
        return Damaged(Path("/runs") / folder, "what", "why", "cure")

    made = [lost("digits/ft-s0-aa"), lost("digits-tiny/ft-s0-bb"), lost("living17/lp-s2-cc")]
    assert lacking([], {"digits"}, False) == lacking(made, {"entity30"}, False) == lacking(made, {"living17"}, True) == []
    assert lacking(made, {"digits"}, False) == ["1 result of digits is damaged and left out: ft-s0-aa."]
    assert lacking(made, {"digits"}, True) == ["1 result of digits is damaged and left out: ft-s0-bb."]
    both = "2 results of digits, living17 are damaged and left out: ft-s0-aa, lp-s2-cc."
    assert lacking(made, {"digits", "living17"}, False) == [both]
