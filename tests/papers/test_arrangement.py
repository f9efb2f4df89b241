"""Arrangements of the papers' tables: every row × column is looked up in the reported numbers, and averages follow from their columns."""

from __future__ import annotations

from decimal import Decimal

import arranged_table
import pytest
from arranged_table import TABLE

from repro.errors import UserError
from repro.papers import arrangement
from repro.papers.arrangement import Column, Line, PaperTable
from repro.papers.reported import of

# table → its cells, and those of which a reported value is known
CELLS = {
    "autoft/cifar": (6, 6),
    "autoft/few-shot": (30, 6),
    "autoft/imagenet": (91, 14),
    "autoft/wilds": (56, 8),
    "connect-later/main": (48, 35),
    "flyp/few-shot": (24, 24),
    "flyp/imagenet": (77, 77),
    "flyp/transfer": (20, 20),
    "flyp/wilds": (48, 46),
    "freeze-embed/1": (126, 105),
    "freeze-embed/big": (273, 273),
    "freeze-embed/clip-b16": (78, 78),
    "lp-ft/1": (21, 21),
    "lp-ft/2": (33, 33),
    "targeted-augs/camelyon17": (6, 6),
    "targeted-augs/iwildcam": (20, 20),
    "wilds/v1": (20, 12),
    "wilds/v2": (8, 8),
    "wise-ft/alphas": (77, 77),
    "wise-ft/imagenet": (56, 56),
}
GROUPS = [({}, None, ("ft", "lp")), ({"optimizer": "adamw"}, None, ("ft",)), ({}, "timm:resnet18", ("lp",))]


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    return arranged_table.write(tmp_path, monkeypatch)


@pytest.fixture
def recipes(made_up):
    return arranged_table.write_recipes(made_up)


def valued(table: PaperTable, line: Line, column: Column) -> list[Decimal]:
    """The values of a cell; where several sources print it, they agree."""
    values = [entry.value for entry in table.numbers(line, column) if entry.value is not None]
    assert len(set(values)) <= 1, (table.name, line.title, column.title)
    return values[:1]


# the tables that ship


def test_every_table_is_counted():
    assert arrangement.names() == sorted(CELLS)


@pytest.mark.parametrize("name", CELLS)
def test_the_reported_cells_of_a_table_are_found(name):
    table = arrangement.load(name)
    found = [valued(table, line, column) for line in table.row for column in table.column]
    assert (len(found), sum(map(len, found))) == CELLS[name]
    assert table.name == name and table.paper == name.partition("/")[0]


@pytest.mark.parametrize("paper", ["autoft", "connect-later", "flyp", "freeze-embed", "lp-ft", "targeted-augs", "wilds", "wise-ft"])
def test_no_number_of_an_arranged_table_is_left_over(paper):
    """Every number that stands in an arranged table is found by some row and column; the submission's averages had fewer columns."""
    tables = [arrangement.load(name) for name in CELLS if name.startswith(f"{paper}/")]
    arranged = {table.cells or table.name.partition("/")[2] for table in tables}
    reached = [entry.cell for table in tables for line in table.row for column in table.column for entry in table.numbers(line, column)]
    left = [entry.cell for entry in of(paper) if entry.table in arranged and entry.cell not in set(reached)]
    assert {(cell[0], cell[1]) for cell in left} == ({("1", "average-5"), ("2", "average-6")} if paper == "lp-ft" else set())
    assert len(reached) >= 20


def averages(name: str, over=lambda column: True) -> dict[str, Decimal]:
    """Method or row → mean of its columns of values, for rows where all are there."""
    table = arrangement.load(name)
    columns = [column for column in table.column if not column.average and over(column)]
    found = {line.title: [value for column in columns for value in valued(table, line, column)] for line in table.row}
    return {title: sum(values) / len(values) for title, values in found.items() if len(values) == len(columns)}


@pytest.mark.parametrize(
    ("name", "compared"),
    [("lp-ft/1", 3), ("lp-ft/2", 3), ("flyp/imagenet", 11), ("autoft/imagenet", 2), ("wise-ft/imagenet", 8), ("wise-ft/alphas", 11)],
)
def test_reported_averages_follow_from_their_columns(name, compared):
    table = arrangement.load(name)
    average = next(column for column in table.column if column.average)
    means = averages(name, over=lambda column: column.title in average.average)
    pairs = [(means[line.title], value) for line in table.row if line.title in means for value in valued(table, line, average)]
    assert len(pairs) == compared
    assert all(abs(mean - printed) <= Decimal("0.06") for mean, printed in pairs), pairs


@pytest.mark.parametrize(
    ("name", "submitted", "final"),
    [
        ("lp-ft/1", {"FT": "85.80", "LP": "83.48", "LP-FT": "86.48"}, {"FT": "85.12", "LP": "82.85", "LP-FT": "85.68"}),
        ("lp-ft/2", {"FT": "66.78", "LP": "71.58", "LP-FT": "74.43"}, {"FT": "59.29", "LP": "66.19", "LP-FT": "68.86"}),
    ],
)
def test_lp_fts_averages_with_and_without_imagenet(name, submitted, final):
    """The submission's columns give the averages that it prints, and with the recalled ImageNet columns those of the final paper."""
    inside = averages(name, over=lambda column: column.benchmark != "imagenet")
    assert {title: f"{mean:.2f}" for title, mean in inside.items()} == submitted
    assert {title: f"{mean:.2f}" for title, mean in averages(name).items()} == final
    table, number = name.partition("/")[2], {"lp-ft/1": "average-5", "lp-ft/2": "average-6"}[name]
    printed = {line.title: of("lp-ft", table, number, method=line.method)[0].value for line in arrangement.load(name).row}
    assert all(abs(Decimal(submitted[title]) - value) <= Decimal("0.06") for title, value in printed.items()), printed


def test_freeze_embeds_averages_over_networks():
    """Over seven networks × five benchmarks: what the authors stored gives the quoted averages within a tenth."""
    table = arrangement.load("freeze-embed/1")
    means = averages("freeze-embed/1")
    assert len(means) == 21
    optimizers = {"SGD": [], "AdamW": [], "SGD (freeze-embed)": []}
    for title, mean in means.items():
        optimizers[title.partition(": ")[2]].append(mean)
    found = {title: f"{sum(values) / 7:.2f}" for title, values in optimizers.items()}
    assert found == {"SGD": "71.97", "AdamW": "76.04", "SGD (freeze-embed)": "76.74"}
    quoted = {line.title.partition(": ")[2]: of("freeze-embed", "1", method=line.method, settings=line.settings) for line in table.row}
    assert {title: str(entries[0].value) for title, entries in quoted.items()} == {
        "SGD": "71.9",
        "AdamW": "76.0",
        "SGD (freeze-embed)": "76.7",
    }


# the form


def test_rows_are_gathered_by_what_they_set_and_those_that_cannot_be_run_are_left_out(made_up):
    table = arrangement.load("made-up/main")
    assert table.methods == ("ft", "lp", "no-such-method") and table.name == "made-up/main"
    assert table.benchmarks == ("digits",) and table.unbuilt == ("no-such-benchmark",)
    assert table.groups() == [*GROUPS, ({"shots": "4"}, None, ("ft",))]
    lacks = {line.title: line.lacks for line in table.row if line.lacks}
    assert lacks == {"Ours": "method no-such-method", "Odd": "setting optimizer=lamb"}
    assert arrangement.lacking("ft", {"base": "no-such-method"}) == "method no-such-method"
    assert table.numbers(table.row[0], table.column[0]) == ()


def test_the_settings_of_a_benchmarks_columns_are_among_those_of_its_rows(recipes):
    """lp-ft cannot draw a few images, and what is not trained needs none: it is one request, whatever the column."""
    more = '{ title = "0", method = "zero-shot" },\n  { title = "LP-FT", method = "lp-ft" },\n]'
    recipes.write_text(TABLE.replace("]\n[[column", f"  {more}\n[[column", 1))
    table = arrangement.load("made-up/main")
    found = table.groups("digits", "made-up")
    assert found == [
        ({}, None, ("ft", "lp", "zero-shot")), *GROUPS[1:],
        ({"shots": "4"}, None, ("ft", "lp")), ({"shots": "4", "optimizer": "adamw"}, None, ("ft",)), ({"shots": "4"}, "timm:resnet18", ("lp",)),
    ]  # fmt: skip
    assert table.without_recipe("digits", "made-up") == ("lp-ft",)
    assert table.groups("digits", "other") == [({}, None, ("zero-shot",))]
    assert table.without_recipe("digits", "other") == ("ft", "lp", "lp-ft")


def test_rows_of_one_benchmark_run_on_the_networks_that_their_numbers_name():
    table = arrangement.load("connect-later")
    lines = {line.title: line for line in table.row}
    networks = {name: table.network(lines["ERM"], name) for name in ("iwildcam", "camelyon17")}
    assert networks == {"iwildcam": "resnet50-supervised", "camelyon17": "torchvision:densenet121"}
    assert table.network(lines["Connect Later"], "iwildcam") == "swav-resnet50" and table.network(lines["ERM"], None) is None
    two = arrangement.load("lp-ft/2")
    assert {two.network(line, "living17") for line in two.row} == {None}  # one network for all rows: the paper's


def test_a_papers_name_is_its_main_table_and_its_facts_are_no_table(made_up):
    (made_up.parent / "paper.toml").write_text("title = 1")
    assert arrangement.names() == ["made-up/main"]
    assert arrangement.load("made-up") == arrangement.load("made-up/main")
    with pytest.raises(UserError, match="there is no table 'made-up/mian'"):
        arrangement.load("made-up/mian")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("title = ", "cannot read the table"),
        (TABLE.replace('"LP", method', '"LP", methods'), "row.2.method: Field required"),
        (TABLE.replace('average = ["ID"', 'average = ["OOD"'), "an average is over 'OOD' its columns are ID, Few, Elsewhere, Average"),
    ],
)
def test_a_fault_in_an_arrangement_is_named(made_up, content, said):
    made_up.write_text(content)
    with pytest.raises(UserError, match=r"main\.toml") as caught:
        arrangement.load("made-up/main")
    assert said in f"{caught.value.what} {caught.value.why}"
