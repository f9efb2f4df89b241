"""Cells of papers' tables by name: rows by title or method, the paper's recipe, the command that fills them."""

from __future__ import annotations

import shlex

import pytest

from repro.cli import app
from repro.errors import UserError
from repro.papers import arrangement, coverage
from repro.papers import cell as cells
from repro.papers.arrangement import Column, Line, PaperTable
from repro.paths import Places


def test_a_row_goes_by_title_or_method_and_nothing_minds_the_case():
    spellings = ("lp-ft/2:LP-FT:Living-17", "lp-ft/2:lp-ft:living-17", "lp-ft/2: lp-ft : Living-17")
    found = {cells.find(spelled).name for spelled in spellings}
    assert found == {"lp-ft/2:LP-FT:Living-17"}
    assert cells.find("connect-later:ERM:Camelyon17 OOD").table.name == "connect-later/main"


def test_a_title_may_have_colons():
    cell = cells.find("freeze-embed/1:CLIP ViT-L/14: SGD (freeze-embed):FMoW")
    assert (cell.line.title, cell.column.title, cell.backbone) == ("CLIP ViT-L/14: SGD (freeze-embed)", "FMoW", "clip-vit-l-14")


def test_a_title_comes_before_a_method():
    """WILDS' `erm` is the method of several rows and, but for case, the title of one."""
    assert cells.find("wilds/v2:erm:Camelyon17").line.title == "ERM"
    with pytest.raises(UserError) as caught:
        cells.find("freeze-embed/1:ft:FMoW")
    assert caught.value.what == "14 rows of freeze-embed/1 are of ft"


def test_every_cell_of_every_table_is_found_by_its_titles():
    tables = [arrangement.load(name) for name in arrangement.names()]
    places = [(table, line, column) for table in tables for line in table.row for column in table.column]
    assert len(places) > 1000
    for table, line, column in places:
        cell = cells.find(f"{table.name}:{line.title}:{column.title}")
        assert (cell.line, cell.column, cell.quotes) == (line, column, table.numbers(line, column))


def test_the_recipe_is_the_papers_own():
    row = cells.find("lp-ft/2:lp-ft:STL").row
    assert (row.paper, row.method) == ("lp-ft", "lp-ft") and "transfer_learning@36fb2ef" in row.source
    assert cells.find("lp-ft/2:lp-ft:Average").row is None


COMMANDS = {
    "lp-ft/2:lp-ft:STL": "repro run cifar10.1 --paper lp-ft --method lp-ft",
    "flyp/imagenet:FLYP:V2": "repro run imagenet --paper flyp --method flyp "
    "--ood v2,r,a,sketch,objectnet --backbone clip-vit-b-16 --seeds 1",
    "lp-ft/1:lp-ft:Average": "repro run --table lp-ft/1 --method lp-ft",
    "freeze-embed/1:CLIP ViT-B/16: AdamW:FMoW": "repro run fmow --paper freeze-embed-adamw --method ft "
    "--set ft.optimizer=adamw --backbone clip-vit-b-16",
    "freeze-embed/clip-b16:SGD (weight decay):FMoW ID": "--set ft.optimizer=sgd --set ft.weight_decay=0.01 --backbone clip-vit-b-16",
    "flyp/wilds:FLYP + ensembling:FMoW ID": "--set wise-ft.base=flyp --backbone clip-vit-b-16",
}


@pytest.mark.parametrize("spelled", COMMANDS)
def test_the_command_that_fills_a_cell(spelled):
    import typer

    command = cells.find(spelled).command
    assert command.endswith(COMMANDS[spelled])
    known = {option for one in typer.main.get_command(app).commands["run"].params for option in one.opts}
    assert {word for word in shlex.split(command) if word.startswith("--")} <= known


OBSTACLES = {  # benchmark, method, settings → without a reported number
    ("living17", "ft", ()): None,
    ("no-such-benchmark", "ft", ()): "no benchmark: no-such-benchmark",
    ("living17", "no-such-method", ()): "no method: no-such-method",
    ("living17", "ft", (("cutmix", "1"),)): "no setting: cutmix=1",
    ("living17", "flyp", ()): "no recipe: flyp on living17: not written yet",
}


@pytest.mark.parametrize("asked", OBSTACLES)
def test_what_stands_in_the_way_where_no_number_is_reported(asked, tmp_path):
    benchmark, method, settings = asked
    line, column = Line(title="row", method=method, settings=dict(settings)), Column(title="column", benchmark=benchmark, split="ood_test")
    table = PaperTable(name="lp-ft/made-up", title="made up", paper="lp-ft", row=(line,), column=(column,))
    assert cells.Cell(table, line, column, ()).obstacle(Places.find(home=tmp_path)) == OBSTACLES[asked]


def test_what_stands_in_the_way_of_a_reported_number_is_what_coverage_says(tmp_path):
    where = Places.find(home=tmp_path)
    judged = {one.entry.cell: one for one in coverage.judge("lp-ft", where)}
    found = [cells.find(f"lp-ft/2:LP-FT:{column.title}") for column in arrangement.load("lp-ft/2").column if column.benchmark]
    quoted = [cell for cell in found if cell.quotes]
    assert len(quoted) >= 8
    for cell in quoted:
        one = judged[cell.quotes[0].cell]
        assert cell.obstacle(where) == (None if one.state == coverage.RUNNABLE else f"{one.state}: {one.reason}")


def test_a_request_asks_for_what_the_command_says(tmp_path):
    request = cells.find("lp-ft/2:ft:Living-17").request(Places.find(home=tmp_path))
    assert (request.benchmark.name, request.methods, request.seeds, request.paper) == ("living17", ("ft",), (0, 1, 2), "lp-ft")
    assert (request.backbone, request.sets) == (None, ())
