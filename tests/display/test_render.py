"""Tables as text. The golden texts hold fabricated numbers only."""

from __future__ import annotations

import io
import json

import fabricated
import pytest
from made_tables import every_kind
from rich.console import Console

from repro.display.render import as_json, cells_of, markdown, percent, terminal
from repro.display.tables import build
from repro.outcomes.stats import Estimate
from repro.types import Split

GOLDEN = """\
**made-up: numbers fabricated for a test**

| method | ID: id_test | OOD: sketch | OOD: clipart | OOD: avg | seeds |
|---|---:|---:|---:|---:|---:|
| zero-shot | 60.0 | 50.0 | **70.0** | 60.0 | – |
| lp | 80.0 ± 0.0 | 60.0 ± 0.0 | 60.0 ± 0.0 | 60.0 ± 0.0 | 3 |
| ft | 91.0 ± 2.5 | 40.0 ± 5.0 | 50.0 ± 0.0 | 45.0 ± 2.5 | 3 |
| ft (batch_size=32) | 85.0 | 30.0 | 50.0 | 40.0 | 1 |
| lp-ft | **92.0** | **65.0** | 65.0 | **65.0** | 1 |

Accuracy in %, mean ± 95 % t interval over seeds (1 or 3 seeds; zero-shot has nothing random); best mean of each column in bold. \
Backbone digits-clip. Checkpoint selected by id_val: best on the ID validation split. ft: lr 0.01 chosen by id_val among 0.01, 0.1.

- bn-eval (lp-ft): LP-FT trains with the running statistics of BatchNorm frozen, which the paper's fine-tuning does not: they differ in \
more than the start. [AnanyaKumar/transfer_learning@36fb2ef unlabeled_extrapolation/baseline_train.py:252-255, \
scripts/run_adaptation_experiments.py:1126]
"""


def table(**benchmark):
    (made,) = build(every_kind(fabricated.benchmark(**benchmark)))
    return made


def screen(made, width: int = 80, color: bool = False) -> str:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False, force_terminal=color, color_system="standard" if color else None).print(terminal(made))
    return file.getvalue()


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.97349, 0.0041, 3), "97.3 ± 0.4"),
        (Estimate(0.9, None, 1), "90.0"),
        (Estimate(1.0, 0.0, 2), "100.0 ± 0.0"),
        (Estimate(0.0, 0.5, 2), "0.0 ± 50.0"),
    ],
)
def test_percent(estimate, text):
    assert percent(estimate) == text


def test_golden_markdown():
    assert markdown(table()) == GOLDEN


def test_the_terminal_at_80_columns_holds_every_row_on_a_line():
    lines = screen(table()).splitlines()
    assert max(map(len, lines)) <= 80
    for row in GOLDEN.splitlines()[4:9]:
        cells = [cell.strip().strip("*") for cell in row.strip("|").split("|")]
        assert [line for line in lines if line.split() == " ".join(cells).split()], (cells, lines)
    assert lines[0] == "made-up: numbers fabricated for a test"


def test_footnotes_follow_the_caption_and_only_the_terminal_leaves_their_sources_out():
    text = " ".join(screen(table()).split())
    assert text.endswith("– bn-eval (lp-ft): LP-FT trains with the running statistics of BatchNorm frozen, which the paper's fine-tuning "
                         "does not: they differ in more than the start.")  # fmt: skip
    (note,) = as_json(table())["footnotes"]
    assert (note["name"], note["rows"]) == ("bn-eval", ["lp-ft"]) and note["source"].startswith("AnanyaKumar/") and note["text"] in text


def test_the_groups_stand_above_the_splits():
    lines = screen(table()).splitlines()
    (groups,) = [line for line in lines if line.split() == ["ID", "OOD", "OOD", "OOD"]]
    (splits,) = [line for line in lines if line.split() == ["method", "id_test", "sketch", "clipart", "avg", "seeds"]]
    assert lines.index(splits) == lines.index(groups) + 1


def test_a_long_variant_wraps_and_no_number_does():
    recipe = {"weight_decay": 0.125, "batch_size": 128, "label_smoothing": 0.1, "schedule": "cosine_step"}
    points = [fabricated.checkpoint(id_test=0.9 + seed / 100) for seed in range(3)]
    (made,) = build([fabricated.result(fabricated.run("ft", seed, **recipe), [point]) for seed, point in enumerate(points)])
    lines = screen(made).splitlines()
    assert max(map(len, lines)) <= 80
    (first,) = [line for line in lines if line.startswith(" ft")]
    assert first.split()[-1] == "3" and "91.0 ± 2.5" in first, "the numbers stand beside the method's name"
    assert "".join(made.rows[0].variant) in "".join("".join(lines).split())


def _mixed():
    """Rows whose variants are long words, beside numbers of the usual width."""
    results = [
        fabricated.result(fabricated.run(method, seed, **recipe), [fabricated.checkpoint(id_test=0.9 + seed / 100, sketch=0.6 + seed / 10)])
        for method, recipe in (("ft", {"head": "zero_shot"}), ("lp", {}), ("lp-ft", {"label_smoothing": 0.125, "schedule": "cosine_step"}))
        for seed in range(3)
    ]
    (made,) = build(results)
    return made


@pytest.mark.parametrize("width", [88, 100])
def test_names_break_between_words_only(width):
    lines = screen(_mixed(), width).splitlines()
    assert max(map(len, lines)) <= width
    words = {word for row in _mixed().rows for word in row.name.split()}
    assert words <= {word for line in lines for word in line.split()}
    (first,) = [line for line in lines if line.split()[:1] == ["ft"]]
    assert "91.0 ± 2.5" in first and "70.0 ± 24.8" in first, "the numbers stand beside the method's name"
    assert not [line for line in lines if line.startswith("[")]


@pytest.mark.parametrize("width", [73, 80])
def test_variants_that_find_no_room_move_below_the_rows(width):
    lines = [line.rstrip() for line in screen(_mixed(), width).splitlines()]
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line.split()[:2] == ["ft", "[1]"] and "70.0 ± 24.8" in line]
    assert [line for line in lines if line.split()[:2] == ["lp-ft", "[2]"] and "70.0 ± 24.8" in line]
    assert [line for line in lines if line.split()[:2] == ["lp", "91.0"]], "what has no variant has no note"
    assert "[1] head=zero_shot" in lines and "[2] schedule=cosine_step label_smoothing=0.125" in lines


@pytest.mark.parametrize("width", [16, 30, 40, 60])
def test_a_narrow_terminal_cuts_nothing_off(width):
    text = screen(table(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


@pytest.mark.parametrize("width", [30, 40, 60])
def test_where_numbers_do_not_fit_beside_names_columns_stand_in_blocks(width):
    """Each number whole, in its column's order, beside its row's name in every block; each column once."""
    made = _mixed()
    lines = screen(made, width).splitlines()
    for row in made.rows:
        numbers = [text for text, _ in cells_of(made, row)]
        beside = "   ".join(line.strip() for line in lines if line.split()[:1] == [row.method])
        places = [beside.index(number) for number in numbers]
        assert places == sorted(places)
    heads = [line for line in lines if line.split()[:1] == ["method"]]
    assert len(heads) == {60: 2, 40: 3, 30: 4}[width]
    assert sum(len(line.split()) - 1 for line in heads) == len(made.columns) + 1


def test_the_best_of_each_column_is_bold_and_so_are_its_equals():
    text = screen(table(), color=True)
    bold = {piece.split("\x1b[0m")[0].strip() for piece in text.split("\x1b[1m")[1:]}
    assert {"92.0", "65.0", "70.0"} <= bold
    assert not {"91.0 ± 2.5", "60.0", "80.0 ± 0.0"} & bold
    results = every_kind(fabricated.benchmark())
    tie = fabricated.result(fabricated.run("scratch"), [fabricated.checkpoint(id_val=0.1, id_test=0.9201, sketch=0.1, clipart=0.1)])
    (made,) = build([*results, tie])
    assert markdown(made).count("**92.0**") == 2, "what is printed alike is set alike"


def test_names_of_the_users_own_are_printed_as_they_are():
    """Domains are folder names: neither rich's markup nor a table's bars may come of them."""
    names = ("[red]photo[/]", "[/oops]", "a|b")
    splits = (fabricated.SPLITS[1], *(Split(name=name, role="ood_test", column="OOD") for name in names))
    point = fabricated.checkpoint().model_copy(update={"metrics": {split.name: {"accuracy": 0.5} for split in splits}})
    benchmark = fabricated.benchmark(splits=splits, title="folder [blue]x[/]: a|b")
    (made,) = build([fabricated.result(fabricated.run(of=benchmark), [point])])
    text = screen(made, width=120)
    assert all(name in text for name in names) and "folder [blue]x[/]: a|b" in text
    rows = [line for line in markdown(made).splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1
    assert "OOD: a\\|b" in rows[0]


def test_a_tiny_table_says_so():
    assert "TINY subset" in markdown(table(tiny=True)) and "TINY subset" in screen(table(tiny=True))
    assert "TINY" not in markdown(table())


def test_json_holds_fractions_seeds_and_keys():
    plain = json.loads(json.dumps(as_json(table())))
    assert plain["benchmark"] == "made-up" and plain["tiny"] is False
    assert [column["name"] for column in plain["columns"]] == ["id_test", "sketch", "clipart", "avg"]
    assert [(column["metric"], column["headline"]) for column in plain["columns"]] == [("accuracy", True)] * 4
    ft = plain["rows"][2]
    assert (ft["method"], ft["variant"], ft["seeds"]) == ("ft", [], [0, 1, 2])
    assert ft["cells"][0]["mean"] == pytest.approx(0.91) and ft["cells"][0]["n"] == 3
    assert ft["keys"] == [fabricated.run("ft", seed, lr=0.01).key for seed in range(3)]
    assert plain["rows"][0]["cells"][0] == {"mean": 0.6, "half": None, "n": 1}


def test_columns_that_a_choice_was_made_on_are_marked_in_every_form():
    points = [fabricated.checkpoint("epoch-1"), fabricated.checkpoint("epoch-2")]
    (made,) = build([fabricated.result(fabricated.run("ft"), points)], "oracle")
    assert "| ID: id_test | OOD: sketch † | OOD: clipart † | OOD: avg † |" in markdown(made)
    assert "sketch †" in screen(made) and "id_test †" not in screen(made)
    told = as_json(made)
    assert [column["selected_on"] for column in told["columns"]] == [(), ("ft",), ("ft",), ("ft",)]
    assert told["rows"][0]["select"] == "oracle"
