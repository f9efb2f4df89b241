"""Commands of many results where some are damaged: they do their work without them and say so; nothing is hidden, nothing is written silently."""

from __future__ import annotations

import json
from pathlib import Path

import fabricated
import kept_predictions
import paper_fixture
import pytest
from planned_runs import planned

from repro import plugins
from repro.outcomes.stored import MOST
from repro.paths import Places
from repro.types import Run


@pytest.fixture
def damaged(home_store) -> Run:
    """The second of three seeds of FT on a made-up benchmark that calls itself digits; LP is whole."""
    runs = [fabricated.run(method, seed, of=fabricated.of_digits()) for method in ("ft", "lp") for seed in (0, 1, 2)]
    for run in runs:
        kept_predictions.finish(home_store, run, 0.7 if run.method == "ft" else 0.9)
    (home_store.folder(runs[1]) / "result.json").write_text("{")
    return runs[1]


def line(store, run: Run) -> str:
    folder = store.folder(run)
    why = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    return f"left out: {folder}/result.json is damaged ({why}); try: rm -r {folder}, then make it again by repro run\n"


def sentence(run: Run) -> str:
    return f"1 result of {run.benchmark.name} is damaged and left out: {run.method}-s{run.seed}-{run.key}."


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "json", "html", "csv"])
def test_a_table_of_the_others_names_it_each_time_until_it_is_mended(call, home_store, damaged, form):
    path = home_store.folder(damaged) / "result.json"
    for words in (("table",), ("table", "digits")):
        first = call(*words, "--format", form)
        assert ((first[0], first[2]) == (0, line(home_store, damaged)) and "made-up" in first[1]) or "digits" in first[1]
        assert call(*words, "--format", form) == first
        assert (sentence(damaged) in first[1].replace("\n", " ")) == (form != "csv"), "there is no place for it in lines of numbers"
    path.write_text(fabricated.result(damaged).model_dump_json())
    for _ in range(2):
        code, out, err = call("table", "digits", "--format", form)
        assert (code, err) == (0, "") and "damaged" not in out and damaged.key in call("table", "digits", "--format", "json")[1]
    home_store.remove(path.parent)
    assert call("table", "digits", "--format", form)[2] == ""


def test_tables_of_other_data_say_nothing_of_it(call, home_store, damaged):
    fabricated.finish(home_store, fabricated.run("ft"))
    fabricated.finish(home_store, fabricated.run("ft", of=fabricated.of_digits(tiny=True)))
    tables = json.loads(call("table", "--format", "json")[1])
    told = {table["benchmark"]: sum("damaged" in one for one in table["caption"]) for table in tables}
    assert told == {"digits": 1, "made-up": 0}
    for words in (("table", "--tiny"), ("table", "made-up/digits", "--tiny"), ("table", "living17")):
        assert "damaged" not in "".join(map(str, call(*words)))


def test_where_nothing_else_is_there_the_lines_stand_before_the_mistake(call, home_store):
    run = fabricated.run("ft", of=fabricated.of_digits())
    (home_store.claim(run) / "result.json").write_text("{")
    code, out, err = call("table", "digits")
    assert (code, out) == (2, "") and err.startswith(f"{line(home_store, run)}error: there are no results of digits yet\n")


def test_files_of_papers_tables_and_the_page_have_a_footnote(call, home_store, monkeypatch, tmp_path):
    paper_fixture.use_tables(monkeypatch)
    paper_fixture.fill(home_store)
    out = tmp_path / "measured"
    assert call("table", "--all", "--out", out)[0] == 0
    before = {path.name: path.read_text() for path in out.rglob("*.md")}
    run = next(run for run in paper_fixture.planned(paper_fixture.described("living17"), "lp") if run.method == "lp" and run.seed == 1)
    path = home_store.folder(run) / "result.json"
    whole = path.read_text()
    path.write_text("{")
    for written in (1, 0):
        told = f"{out}: 2 tables, {written} written, the others are as they were\n"
        assert call("table", "--all", "--out", out) == (0, told, line(home_store, run)), "once, however many tables"
    after = {path.name: path.read_text() for path in out.rglob("*.md")}
    assert sentence(run) in after["main.md"] and after["digits.md"] == before["digits.md"]
    assert sentence(run) in call("table", "made-up/main")[1].replace("\n", " ")
    assert call("report", "--out", out / "page.html")[::2] == (0, line(home_store, run))
    page = (out / "page.html").read_text()
    assert page.count(sentence(run)) == 2 and "; 1 damaged result left out." in page, "the paper's table, the benchmark's, the opening"
    assert call("report", "entity30", "--out", out / "page.html")[0] == 0 and "damaged" not in (out / "page.html").read_text()
    path.write_text(whole)
    assert call("table", "--all", "--out", out)[1:] == (f"{out}: 2 tables, 1 written, the others are as they were\n", "")
    assert {path.name: path.read_text() for path in out.rglob("*.md")} == before


def test_the_page_is_made_without_a_result_that_broke_after_the_index_had_it(call, home_store, monkeypatch, tmp_path):
    paper_fixture.use_tables(monkeypatch)
    paper_fixture.fill(home_store)
    run = next(run for run in paper_fixture.planned(paper_fixture.described("living17"), "lp") if run.method == "lp")
    assert call("table")[0] == 0
    read = Path.read_text

    def refuse(path, *given, **named):
        if path.name == "result.json" and run.key in str(path):
            raise PermissionError(13, "Permission denied")
        return read(path, *given, **named)

    monkeypatch.setattr(Path, "read_text", refuse)
    code, _, err = call("report", "--out", tmp_path / "page.html")
    assert code == 0 and err.startswith(f"left out: {home_store.folder(run)}/result.json cannot be read (Permission denied); try: chmod")
    assert sentence(run) in (tmp_path / "page.html").read_text()


def test_the_list_of_runs_has_it_with_what_is_wrong(call, home_store, damaged):
    code, out, err = call("show")
    assert (code, err) == (0, line(home_store, damaged)) and len(out.splitlines()) == 6
    (own,) = (row for row in out.splitlines() if damaged.key in row)
    assert " damaged " in own and "Expecting property name" in own and out.count(" done ") == 5
    listed = {entry["folder"]: entry["state"] for entry in json.loads(call("show", "--json")[1])}
    assert listed.pop(str(home_store.folder(damaged))) == "damaged" and set(listed.values()) == {"done"}


def test_many_are_counted(call, home_store, damaged):
    for seed in range(10, 10 + MOST):
        (home_store.claim(fabricated.run("ft", seed, of=fabricated.of_digits())) / "result.json").write_text("{")
    err = call("table", "digits")[2]
    assert len(err.splitlines()) == MOST + 1 and err.endswith("left out: 1 more damaged results, which repro show lists\n")
    assert f"{MOST + 1} results of digits are damaged and left out: ft-s" in call("table", "digits")[1]
    assert call("show")[1].count(" damaged ") == MOST + 1


def test_another_run_is_shown_compared_and_drawn(call, home_store, damaged, tmp_path):
    other = fabricated.run("ft", 0, of=fabricated.of_digits())
    code, out, err = call("show", other.key)
    assert (code, err) == (0, line(home_store, damaged)) and "seeds       0 (this), 2 " in out
    code, out, err = call("compare", "lp", "ft", "--json")
    assert (code, err) == (0, line(home_store, damaged)) and [len(pair) for pair in json.loads(out)["pairs"]] == [2, 2]
    assert call("compare", other.key, fabricated.run("lp", 0, of=fabricated.of_digits()).key)[0] == 0
    pytest.importorskip("matplotlib", reason="figures are an extra")
    code, _, err = call("plot", "robustness", "digits", "--out", tmp_path / "figure.svg")
    assert (code, err) == (0, line(home_store, damaged))


def test_a_child_of_a_damaged_run_says_so(call, home_store, damaged):
    child = fabricated.finish(home_store, fabricated.run("lp-ft", of=fabricated.of_digits(), parents={"head": damaged.key}))
    assert f"starts from head: {damaged.key} (damaged)\n" in call("show", child.key)[1]


def test_status_and_the_front_page_read_no_results(call, damaged):
    assert "6 done" in call("status")[1] and "6 done" in call()[1]


def test_a_plan_needs_its_own_runs_whole_and_no_others(call, home_store):
    plan = planned("scratch", seeds=(0, 1), of=plugins.benchmark("digits").describe({}, Places.find()))
    for run in plan.runs:
        fabricated.finish(home_store, run)
    lost = plan.runs[1]
    (home_store.folder(lost) / "result.json").write_text("{")
    words = ("run", "digits", "--method", "scratch", "--dry-run", "--seeds")
    code, out, err = call(*words, "0,2")
    assert (code, err) == (0, line(home_store, lost)) and "1 runs to do, 1 done" in out
    code, out, err = call(*words, "0,1,2")
    assert (
        (code, out) == (2, "")
        and err.startswith(f"error: {home_store.folder(lost)}/result.json is damaged\n")
        and len(err.splitlines()) == 3
    )
    assert (home_store.folder(lost) / "result.json").read_text() == "{"
