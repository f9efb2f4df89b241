"""`repro table NAME` on the command line: papers' tables, benchmarks', and all as files."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import fabricated
import paper_fixture
import pytest

from repro.cli import tabling
from repro.papers import arrangement


@pytest.fixture
def filled(monkeypatch, home_store):
    paper_fixture.use_tables(monkeypatch)
    paper_fixture.fill(home_store)


def test_every_table_is_a_file_that_changes_with_the_results_alone(filled, call, tmp_path):
    out = tmp_path / "measured"
    assert call("table", "--all", "--out", str(out))[:2] == (0, f"{out}: 2 tables, 2 written, the others are as they were\n")
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*")}
    assert sorted(files) == [f"{name}.md" for name in arrangement.names()] == ["made-up/digits.md", "made-up/main.md"]
    assert call("table", "--all", "--out", str(out))[1] == f"{out}: 2 tables, 0 written, the others are as they were\n"
    assert {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*")} == files


def test_a_paper_is_its_tables_and_a_benchmark_has_two_spellings(filled, call):
    code, out, _ = call("table", "made-up", "--format", "json")
    assert code == 0 and [one["table"] for one in json.loads(out)] == ["made-up/digits", "made-up/main"]
    assert call("table", "benchmark/living17")[1] == call("table", "living17")[1] != ""


def test_mistakes(filled, mistake):
    assert mistake("table", "made-up/mian")[:2] == ("there is no table 'made-up/mian'", "did you mean 'made-up/main'?")
    assert mistake("table", "")[0] == "there is no table ''"
    assert mistake("table", "--all")[0] == "--all needs --out DIR"
    assert mistake("table", "living17", "--all", "--out", "x")[0] == "--all and living17 exclude each other"
    assert mistake("table", "--all", "--tiny", "--out", "x")[0] == "--all and --tiny exclude each other"
    assert mistake("table", "--all", "--select", "last", "--out", "x")[0] == "--all and --select last exclude each other"
    assert mistake("table", "--all", "--format", "csv", "--out", "x")[0] == "--all and --format csv exclude each other"


def test_a_paper_is_all_of_its_tables(call):
    code, out, err = call("table", "lp-ft", "--format", "json")
    assert (code, err) == (0, "") and [one["table"] for one in json.loads(out)] == ["lp-ft/1", "lp-ft/2"]


def test_a_table_is_built_again_only_where_something_has_changed(filled, call, home_store, tmp_path, monkeypatch):
    asked = [("living17",), ("made-up/main",), ("made-up", "--format", "csv"), (), ("--all", "--out", tmp_path / "measured")]
    before = [call("table", *words) for words in asked]
    built = []
    with monkeypatch.context() as patch:
        patch.setattr(tabling.tables, "build", lambda *given: built.append(given) or [])
        patch.setattr(tabling.paper_tables, "view", lambda *given, **_: built.append(given))
        again = [call("table", *words) for words in asked]
    assert again[:-1] == before[:-1] and again[-1][1].endswith("2 tables, 0 written, the others are as they were\n") and not built
    run = paper_fixture.planned(paper_fixture.described("living17"), "lp", seeds=4)[-1]
    paper_fixture.finish(home_store, run, paper_fixture.point(0.9, 0.9))
    changed = [call("table", *words)[1] for words in asked]
    assert all(new != old for new, (_, old, _) in zip(changed, before, strict=True)) and "2 tables, 1 written" in changed[-1]


def test_what_is_left_out_is_told_each_time(call, home_store):
    kept, lost = (fabricated.run(method, of=fabricated.of_digits()) for method in ("ft", "lp"))
    fabricated.finish(home_store, kept)
    fabricated.finish(home_store, lost.model_copy(update={"method": "gone"}))
    first = call("table", "digits")
    assert first[2] == "left out: 1 results of gone, which this program does not have\n" and call("table", "digits") == first


def test_a_terminal_of_another_width_has_lines_of_its_own(filled, call, monkeypatch):
    narrow = call("table", "living17")[1]
    monkeypatch.setenv("COLUMNS", "60")
    narrower = call("table", "living17")[1]
    assert max(map(len, narrower.splitlines())) <= 60 < max(map(len, narrow.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "80")
    assert call("table", "living17")[1] == narrow


def test_two_processes_at_once_say_the_same_and_a_third_what_is_new(home_store, tmp_path):
    def start() -> subprocess.Popen:
        environment = {**os.environ, "REPRO_HOME": str(home_store.root.parent), "COLUMNS": "100"}
        return subprocess.Popen([sys.executable, "-m", "repro", "table"], stdout=subprocess.PIPE, text=True, env=environment)

    for seed in range(3):
        fabricated.finish(home_store, fabricated.run("ft", seed, of=fabricated.of_digits()), fabricated.checkpoint(id_test=0.25))
    first, second = [process.communicate()[0] for process in [start(), start()]]
    assert first == second == start().communicate()[0] and "25.0 ± 0.0" in first
    fabricated.finish(home_store, fabricated.run("ft", 3, of=fabricated.of_digits()), fabricated.checkpoint(id_test=0.75))
    assert "37.5 ± 39.8" in start().communicate()[0]
