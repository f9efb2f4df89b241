"""Coverage: each reported cell has exactly one state, and the state is the first obstacle. What ships is held to invariants only."""

from __future__ import annotations

import json
from functools import cache

import pytest

from repro import plugins
from repro.cli.requested import requests_of
from repro.errors import UserError
from repro.papers import arrangement, coverage, reported
from repro.papers import cell as cells
from repro.papers.coverage import RUNNABLE, STATES
from repro.paths import Places
from repro.planning import plan
from repro.planning.plan import Request
from repro.planning.recipe import parse_set

HEADER = "table,benchmark,split,metric,method,settings,backbone,value,spread,spread_kind,seeds,confidence,source,words\n"
CELLS = {  # table,benchmark,split,metric,method,settings,backbone → state and reason
    "1,digits,id_test,accuracy,ft,,": ("runnable", ""),
    "1,digits,id_test+writers,accuracy,ft,optimizer=adamw,digits-clip": ("runnable", ""),
    "1,digits,id_test,accuracy,zero-shot,,": ("runnable", ""),
    "1,digits,id_test,accuracy,wise-ft,base=ft;alphas=0.5,": ("runnable", ""),
    "1,digits,id_test,accuracy,wise-ft,base=lp-ft,": ("no recipe", "lp-ft on digits: not written yet"),
    "1,digits,id_test,accuracy,greedy-soup,,": ("runnable", ""),
    "third-party,digits,id_test,accuracy,ft,,": ("third-party", "measured by another paper"),
    "1,average-2,id,accuracy,ft,,": ("derived", "an average over benchmarks or splits"),
    "1,digits,id_test,delta,ft,against=best,": ("derived", "a difference"),
    "1,no-such-benchmark,id_test,accuracy,ft,,": ("no benchmark", "no-such-benchmark"),
    "1,digits,sketch,accuracy,ft,,": ("no split", "digits has no sketch"),
    "1,digits,id_test+sketch,accuracy,ft,,": ("no split", "digits has no sketch"),
    "1,digits,id_test,rmse,ft,,": ("no split", "digits has no rmse of id_test"),
    "1,digits,id_test,accuracy,no-such-method,,": ("no method", "no-such-method"),
    "1,digits,id_test,accuracy,ft,base=no-such-method,": ("no method", "no-such-method"),
    "1,digits,id_test,accuracy,wise-ft,base=lp,": ("no method", "wise-ft of lp"),
    "1,digits,id_test,accuracy,ft,shots=4,": ("runnable", ""),
    "1,digits,id_test,accuracy,zero-shot,shots=4,": ("runnable", ""),
    "1,digits,id_test,accuracy,flyp,shots=4,": ("runnable", ""),
    "1,digits,id_test,accuracy,flyp,,": ("no recipe", "flyp on digits: not written yet"),
    "1,digits,id_test,accuracy,bn-only,shots=4,": ("no recipe", "bn-only on digits: not written yet"),
    "1,digits,id_test,accuracy,ft,optimizer=lamb,": ("no setting", "optimizer=lamb"),
    "1,digits,id_test,accuracy,ft,augment=flip,": ("runnable", ""),
    "1,digits,id_test,accuracy,ft,augment=shift,": ("no recipe", "ft on digits: shift unknown (it is drawn)"),
    "1,digits,id_test,accuracy,bn-only,augment=none,": ("runnable", ""),
    "1,digits,id_test,accuracy,bn-only,augment=flip,": ("no recipe", "bn-only on digits: not written yet"),
    "1,digits,id_test,accuracy,ft,,no-such-network": ("no backbone", "no-such-network"),
    "1,digits,id_test,accuracy,lp,,": ("no recipe", "lp on digits: lr, seeds unknown (it is not printed)"),
    "1,digits,id_test,accuracy,lp-ft,,": ("no recipe", "lp-ft on digits: not written yet"),
}
PAPER = """
title = "x"
authors = "y"
year = 2022
venue = "z"
[[unknown]]
methods = ["lp"]
fields = ["lr", "seeds"]
why = "it is not printed"
[[unknown]]
settings = { augment = "shift" }
fields = ["shift"]
why = "it is drawn"
[[unknown]]
benchmarks = ["no-such-benchmark"]
fields = ["epochs"]
why = "nor is this"
"""
ROWS = """
title = "x"
benchmark = "digits"
[[paper]]
name = "other"
[[paper]]
name = "made-up"
[[row]]
paper = "other"
method = "lp-ft"
source = "x"
[[row]]
paper = "made-up"
method = "ft"
source = "x"
recipe = { augment = "flip" }
[[row]]
paper = "made-up"
method = "bn-only"
source = "x"
[[row]]
paper = "made-up"
method = "flyp"
source = "x"
recipe = { shots = 4 }
"""


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A folder of tables with one paper, each of whose cells meets another obstacle; the first is reported by two sources."""
    folder = tmp_path / "tables"
    for module in ("arrangement", "reported", "rows"):
        monkeypatch.setattr(f"repro.papers.{module}.tables_dir", lambda: folder)
    (folder / "made-up").mkdir(parents=True)
    lines = [f"{cell},77.0,,,,verified,made up,a | b\n" for cell in (*CELLS, next(iter(CELLS)))]
    (folder / "made-up" / "reported.csv").write_text(HEADER + "".join(lines))
    (folder / "made-up" / "paper.toml").write_text(PAPER)
    (folder / "digits.toml").write_text(ROWS)


def test_the_state_of_a_cell_is_its_first_obstacle(made_up):
    judged = coverage.judge("made-up", Places.find())
    assert [(one.state, one.reason) for one in judged] == list(CELLS.values())
    assert coverage.counts(judged) == {
        "runnable": 10,
        "no benchmark": 1,
        "no split": 3,
        "no method": 3,
        "no setting": 1,
        "no backbone": 1,
        "no recipe": 7,
        "derived": 2,
        "third-party": 1,
    }
    assert {state for state, _ in CELLS.values()} == set(STATES)


def test_reasons_are_gathered_by_state_the_most_frequent_first(made_up):
    found = coverage.reasons(coverage.judge("made-up", Places.find()))
    assert found[0] == ("no benchmark", "no-such-benchmark", 1, ["1"])
    assert found[1:3] == [("no split", "digits has no sketch", 2, ["1"]), ("no split", "digits has no rmse of id_test", 1, ["1"])]
    assert sum(number for *_, number, _ in found) == len(CELLS) - 10 and RUNNABLE not in {state for state, *_ in found}


@pytest.mark.parametrize("paper", reported.papers())
def test_every_cell_that_ships_has_exactly_one_state(paper):
    judged = coverage.judge(paper, Places.find())
    cells = {entry.cell for entry in reported.load(paper)}
    assert len(judged) == len(cells) == sum(coverage.counts(judged).values()) and {one.entry.cell for one in judged} == cells
    assert len(cells) >= 28
    known = plugins.names("benchmarks")
    for one in judged:
        assert one.state in STATES and bool(one.reason) == (one.state != RUNNABLE)
        assert (one.state == "third-party") == (one.entry.table == "third-party")
        if one.state == RUNNABLE:
            assert one.entry.benchmark in known and one.entry.method in plugins.names("methods") and not one.entry.derived
        if one.state == "no benchmark":
            assert one.entry.benchmark not in known
    unwritten = [one.reason for one in judged if "not written yet" in one.reason]
    assert unwritten == [], "what no source states is in the paper's own file"


@cache
def judged_once(paper):
    return coverage.judge(paper, Places.find())


@pytest.mark.parametrize("name", arrangement.names())
def test_what_counts_as_runnable_is_what_a_command_for_its_table_plans(name):
    """Each cell of the table, on its benchmark, with its settings; and a table without such a cell is refused."""
    table = arrangement.load(name)
    own = table.cells or name.partition("/")[2]
    wanted = {
        (entry.benchmark, entry.method, tuple(sorted(entry.settings.items())))
        for entry, state, _ in judged_once(table.paper)
        if state == RUNNABLE and entry.table == own
    }
    asked = Request(None, seeds=(0,), weights="random")
    if not wanted:
        with pytest.raises(UserError):
            requests_of(None, name, {}, Places.find(), False, [], asked)
        return
    plans = [plan.make(request) for request in requests_of(None, name, {}, Places.find(), False, [], asked)]
    runs = [run for one in plans for run in one.runs if run.key in one.asked]
    for benchmark, method, settings in wanted:
        fields = plugins.declared(method).fields
        values = {field: parse_set(f"{field}={value}", []).values[0] for field, value in settings if field in fields}
        there = [run for run in runs if (run.benchmark.name, run.method) == (benchmark, method)]
        assert any(all(getattr(run.recipe, field) == value for field, value in values.items()) for run in there), (
            benchmark,
            method,
            values,
        )


def test_a_method_for_other_data_or_another_task_lacks_no_recipe():
    """What nobody states of a paper's seeds is not why they cannot be run."""
    found = coverage.reasons(coverage.judge("connect-later", Places.find()))
    assert [(state, why, number) for state, why, number, _ in found if "made for" in why or state == "no recipe"] == [
        ("no method", "lp-ft is made for classification, and redshifts is regression", 2),
        ("no method", "self-training is made for images, and astro-classification has light-curves", 2),
    ]


def test_a_recipe_is_of_its_network_unless_a_table_of_the_paper_has_others():
    judged = [one for paper in ("flyp", "freeze-embed") for one in judged_once(paper) if one.state != "third-party"]
    found = {(one.entry.method, one.entry.benchmark, one.entry.backbone): one for one in judged}
    large = found["flyp", "iwildcam", "clip-vit-l-14"]
    assert (large.state, large.reason) == ("no recipe", "flyp on iwildcam with clip-vit-l-14: the paper's recipe is of clip-vit-b-16")
    assert found["flyp", "iwildcam", "clip-vit-b-16"].state == found["freeze-embed", "living17", "clip-vit-l-14"].state == RUNNABLE


def test_a_papers_unknown_settings_are_of_the_methods_that_have_them():
    """AutoFT's trials are no reason why a linear probe has no recipe."""
    cell = cells.find("autoft/few-shot:LP:SST2, k = 4")
    assert cell.obstacle(Places.find()) == "no recipe: lp on rendered-sst2: not written yet"


# repro coverage


def test_the_counts_are_printed(made_up, call):
    code, out, err = call("coverage")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "         cells  runnable  no benchmark  no split  no method  no setting  no backbone  no recipe  derived  third-party",
        "made-up     29        10             1         3          3           1            1          7        2            1",
    ]
    assert call("coverage", "made-up")[1] == out


def test_the_reasons_are_printed(made_up, call):
    out = call("coverage", "--reasons")[1]
    lines = out.partition("\n\n")[2].splitlines()
    assert lines[:6] == [
        "made-up",
        "  no benchmark",
        "       1  no-such-benchmark  [1]",
        "  no split",
        "       2  digits has no sketch  [1]",
        "       1  digits has no rmse of id_test  [1]",
    ]
    assert len(lines) == 1 + 8 + 15


def test_as_json(made_up, call):
    found = json.loads(call("coverage", "--json")[1])
    assert found["made-up"]["cells"] == 29 and sum(found["made-up"]["states"].values()) == 29
    assert {"state": "no method", "reason": "no-such-method", "cells": 2, "tables": ["1"]} in found["made-up"]["reasons"]


def test_all_papers_add_up(call):
    header, *lines = call("coverage")[1].splitlines()
    assert [line.split()[0] for line in lines] == [*reported.papers(), "all"]
    numbers = [[int(word) for word in line.split()[1:]] for line in lines]
    assert numbers[-1] == [sum(column) for column in zip(*numbers[:-1], strict=True)]
    assert all(total == sum(states) for total, *states in numbers) and numbers[-1][0] == 1037
    assert header.split("  ")[-1] == "third-party"


def test_a_paper_that_is_not_there(mistake):
    assert mistake("coverage", "lpft") == ("there is no paper with reported numbers 'lpft'", "did you mean 'lp-ft'?", "repro list papers")
