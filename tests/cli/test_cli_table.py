"""`repro table NAME` on the command line: papers' tables, benchmarks', and all as files."""

from __future__ import annotations

import json

import paper_fixture
import pytest

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
    assert mistake("table", "--all")[0] == "--all needs --out DIR"
    assert mistake("table", "living17", "--all", "--out", "x")[0] == "--all and living17 exclude each other"
    assert mistake("table", "--all", "--tiny", "--out", "x")[0] == "--all and --tiny exclude each other"
    assert mistake("table", "--all", "--select", "last", "--out", "x")[0] == "--all and --select last exclude each other"
    assert mistake("table", "--all", "--format", "csv", "--out", "x")[0] == "--all and --format csv exclude each other"


def test_a_paper_is_all_of_its_tables(call):
    code, out, err = call("table", "lp-ft", "--format", "json")
    assert (code, err) == (0, "") and [one["table"] for one in json.loads(out)] == ["lp-ft/1", "lp-ft/2"]
