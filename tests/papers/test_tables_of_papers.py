"""Tables of papers' rows: each row is reported by its own paper's rule, and what a choice was made on is marked."""

from __future__ import annotations

import fabricated
import pytest
from made_tables import finished, only, rows

from repro.display.tables import build
from repro.papers import rows as recipe_rows
from repro.planning.plan import Request, make
from repro.types import Split

PAPERS = """
title = "x"
benchmark = "made-up"
[[paper]]
name = "by-id"
[[paper]]
name = "by-ood"
select = "ood_val"
[[paper]]
name = "at-last"
select = "last"
[[row]]
paper = "by-id"
method = "ft"
source = "a@b c:1"
recipe = { lr = [0.1, 0.2], epochs = 3 }
[[row]]
paper = "by-ood"
method = "ft"
source = "a@b c:2"
recipe = { lr = [0.1, 0.2], epochs = 4 }
[[row]]
paper = "at-last"
method = "lp-ft"
source = "a@b c:3"
recipe = { lr = 0.1, epochs = 5 }
"""
SHOWN = fabricated.benchmark(splits=(*fabricated.SPLITS, Split(name="other", role="ood_val", column="OOD", headline=False)))


@pytest.fixture
def of_papers(tmp_path, monkeypatch):
    """Runs of each paper's row: every rule has another best epoch, and id_val and ood_val another best learning rate."""
    monkeypatch.setattr(recipe_rows, "tables_dir", lambda: tmp_path)
    (tmp_path / "made-up.toml").write_text(PAPERS)

    def points(lr: float) -> list:
        best = {0.1: (0.9, 0.5), 0.2: (0.8, 0.6)}[lr]
        return [
            fabricated.checkpoint("epoch-1", id_test=lr + 0.01, id_val=best[0], other=0.1),
            fabricated.checkpoint("epoch-2", id_test=lr + 0.02, id_val=0.3, other=best[1]),
            fabricated.checkpoint("epoch-3", id_test=lr + 0.03, id_val=0.1, other=0.1),
        ]

    def of(paper: str, method: str = "ft") -> list:
        plan = make(Request(SHOWN, (method,), (0,), paper=paper, weights="random"))
        return [fabricated.result(run, points(run.recipe.lr)) for run in plan.runs if run.method == method]

    return of


def test_each_row_is_reported_by_the_rule_of_its_own_paper(of_papers):
    results = [*of_papers("by-id"), *of_papers("by-ood"), *of_papers("at-last", "lp-ft")]
    found = rows(results)
    assert {name: row.cells[0].mean for name, row in found.items()} == pytest.approx(
        {"ft select=id_val": 0.11, "ft epochs=4 select=ood_val": 0.22, "lp-ft select=last": 0.13}
    )
    caption = only(build(results)).caption
    assert any(
        "by id_val: best on" in sentence and "by ood_val: best on" in sentence and "by last: the last" in sentence for sentence in caption
    )
    assert {row.rule for row in rows(results, rule="id_val").values()} == {"id_val"}
    assert not any("select=" in name for name in rows(results, rule="id_val"))


def test_rows_of_one_paper_differ_from_its_recipes_alone_and_name_it_once(of_papers):
    table = only(build(of_papers("by-ood")))
    assert [(row.name, row.rule) for row in table.rows] == [("ft (weights=random)", "ood_val")]
    assert "Recipes of by-ood." in table.caption and "Checkpoint selected by ood_val: best on the OOD validation split." in table.caption[1]
    assert "ft: lr 0.2 chosen by ood_val among 0.1, 0.2." in table.caption


def test_without_a_row_the_first_papers_rule_holds(of_papers):
    points = [fabricated.checkpoint("epoch-1", id_test=0.3, id_val=0.9), fabricated.checkpoint("epoch-2", id_test=0.4, id_val=0.1)]
    assert rows([fabricated.result(fabricated.run("ft"), points)])["ft epochs=20"].rule == "id_val"


def test_what_a_choice_was_made_on_is_marked(of_papers):
    marked = {column.name: column.selected_on for column in only(build([*of_papers("by-ood"), *of_papers("at-last", "lp-ft")])).columns}
    assert {name: len(names) for name, names in marked.items()} == {"id_test": 0, "sketch": 0, "clipart": 0, "avg": 0, "other": 1}
    oracle = only(build(of_papers("by-id"), "oracle"))
    assert [column.name for column in oracle.columns if column.selected_on] == ["sketch", "clipart", "avg"]
    assert not any(column.selected_on for column in only(build(of_papers("by-id"))).columns), "id_val is no column"


def test_a_probe_and_what_starts_from_it_are_chosen_on_id_validation_by_any_rule():
    reported = fabricated.with_splits(id_val={"column": "ID"})
    parent = finished("lp", of=reported)
    child = finished("lp-ft", parents={"head": parent.key}, of=reported)
    table = only(build([parent, child, finished("ft", of=reported)], "last"))
    assert {column.name: column.selected_on for column in table.columns}["id_val"] == ("lp", "lp-ft")
