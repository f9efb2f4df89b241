"""The command line: what it prints, and that each mistake is three lines and exit code 2. No test here imports torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import fabricated
import pytest

import repro
from repro.cli import context
from repro.preflight.device import at_hand
from repro.settings import Recipe

TOP = Path(repro.__file__).parent.parent


# repro


def test_repro_alone_says_what_is_here_and_what_to_do(call, tmp_path):
    code, out, _ = call()
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith(f"repro {repro.__version__}")
    assert "digits" in lines[1] and "lp-ft" in lines[2] and "clip-pretrain" not in lines[2]
    assert f"runs        {tmp_path}/home/runs  (REPRO_HOME)" in lines
    assert lines[-1] == "next: repro run digits"


def test_repro_alone_counts_runs_by_state_and_sends_on(call, home_store):
    fabricated.finish(home_store, fabricated.run("ft", of=fabricated.of_digits()))
    assert "runs of digits: 1 done" in call()[1]
    assert call()[1].splitlines()[-1].startswith("next: repro run folder --root DIR")
    fabricated.finish(home_store, fabricated.run("ft", of=fabricated.of_digits().model_copy(update={"name": "folder"})))
    assert call()[1].splitlines()[-1] == "next: repro run astro-classification --dry-run  # tells what it needs and costs"
    broken = fabricated.run("lp", of=fabricated.of_digits())
    home_store.fail(home_store.claim(broken), fabricated.failure(broken))
    home_store.claim(fabricated.run("scratch", of=fabricated.of_digits()))
    _, out, _ = call()
    assert "runs of digits: 1 done, 1 failed, 1 unfinished" in out
    assert out.splitlines()[-1] == "next: repro run digits  # with the options that it was begun with, finishes what is missing"


def test_places_are_printed_as_they_are(call, tmp_path):
    _, out, _ = call("--runs", tmp_path / "[red]a[/b]")
    assert f"{tmp_path}/[red]a[/b]  (--runs)" in out
    assert out.splitlines()[-1] == f"next: repro --runs '{tmp_path}/[red]a[/b]' run digits", "or it would run elsewhere"


def test_version_and_help(call):
    assert call("--version") == (0, f"repro {repro.__version__}\n", "")
    code, out, _ = call("--help")
    assert code == 0
    assert all(command in out for command in ("run", "table", "show", "coverage", "list"))
    assert call("-h")[1] == out
    for command in ("run", "table", "show", "coverage", "list"):
        code, out, _ = call(command, "--help")
        assert code == 0 and "Usage: repro" in out


def test_python_m_repro_is_the_same_program():
    done = subprocess.run([sys.executable, "-m", "repro", "--version"], capture_output=True, text=True, cwd=TOP)
    assert (done.returncode, done.stdout) == (0, f"repro {repro.__version__}\n")
    done = subprocess.run([sys.executable, "-m", "repro", "run", "digit"], capture_output=True, text=True, cwd=TOP)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: there is no benchmark 'digit'\n  why: did you mean 'digits'?\n  try: repro list\n"


# list


def test_list_has_a_line_for_everything(call):
    code, out, _ = call("list")
    assert code == 0
    for section, name in (
        ("benchmarks", "digits"),
        ("methods", "lp-ft"),
        ("tables", "digits"),
        ("papers", "lp-ft"),
        ("backbones", "timm:NAME"),
    ):
        assert re.search(rf"^{section}$", out, re.M) and re.search(rf"^  {re.escape(name)} +\S", out, re.M), (section, name)
    assert "fields" not in out


def test_list_fields_has_every_field_of_a_recipe(call):
    _, out, _ = call("list", "fields")
    assert [line.split()[0] for line in out.splitlines()] == list(Recipe.model_fields)
    assert re.search(r"^  lr +float, 0.001: peak learning rate$", out, re.M)


def test_list_as_json(call):
    plain = json.loads(call("list", "--json")[1])
    assert set(plain) == {"benchmarks", "methods", "tables", "papers", "backbones"}
    assert "Linear probe" in plain["methods"]["lp"]
    assert set(json.loads(call("list", "tables", "--json")[1])) == {"tables"}


# run --dry-run


def test_a_dry_run_prints_the_plan_and_touches_nothing(call, tmp_path):
    code, out, _ = call("run", "digits", "--dry-run")
    assert code == 0
    counts = {line.split()[0]: int(line.split()[1]) for line in out.splitlines() if " to do" in line and not line[0].isdigit()}
    assert counts == {"clip-pretrain": 1, "zero-shot": 1, "scratch": 3, "lp": 3, "ft": 3, "lp-ft": 3}
    assert (
        out.splitlines()[-1]
        == "14 runs to do, 0 done; time unknown until the first runs are done (the number of images of digits is not known)"
    )
    assert not (tmp_path / "home").exists()


def test_where_nothing_was_run_a_plan_is_costed_by_its_arithmetic(call):
    """Three probes on ResNet-50's 8.17 GFLOP: 20,973 + 6,562 features, 15,097 judged; see test_passes.py."""
    asked = ("run", "fmow-geo", "--method", "lp", "--device", "cuda", "--dry-run")
    code, out, _ = call(*asked)
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["lp"]]
    assert line.endswith(": 3 to do, 35 s§, 94 MB§") and max(map(len, out.splitlines()[:-1])) <= 80
    assert "  §: from arithmetic, 0.001 EFLOP at 30 TFLOP/s, a rule of thumb" in out.splitlines()
    assert "3 runs to do, 0 done; about 35 s of the GPU" in out.splitlines()
    runs = json.loads(call(*asked, "--json")[1])["runs"]
    assert [run["flop"] for run in runs] == [pytest.approx(42_632 * 8.17e9)] * 3
    assert [run["seconds"] for run in runs] == [pytest.approx(42_632 * 8.17e9 / 30e12)] * 3
    assert [run["peak_memory_bytes"] for run in runs] == [pytest.approx(23.5e6 * 4)] * 3
    assert {run["predicted_from"] for run in runs} == {run["memory_predicted_from"] for run in runs} == {"arithmetic"}
    _, out, _ = call(*asked[:-1], "--backbone", "timm:resnet18", "--weights", "random", "--dry-run")
    assert "3 runs to do, 0 done; time unknown until the first runs are done (the arithmetic of timm:resnet18 is not known)" in out


def test_a_dry_run_as_json_says_where_each_field_came_from(call):
    _, out, err = call("run", "digits", "--method", "lp,lp-ft", "--seeds", "2", "--set", "lp-ft.lr=0.5", "--dry-run", "--json")
    assert err == ""
    plan = json.loads(out)
    assert len(plan["runs"]) == len(plan["todo"]) == 1 + 2 + 2 and plan["done"] == []
    (run,) = [run for run in plan["runs"] if run["method"] == "lp-ft" and run["seed"] == 1]
    assert run["recipe"]["lr"] == 0.5 and run["provenance"]["lr"] == "--set lp-ft.lr=0.5"
    assert run["provenance"]["epochs"] == "tables/digits.toml: lp-ft" and run["provenance"]["batchnorm"] == "method lp-ft"
    assert {run["method"] for run in plan["runs"] if run["asked"]} == {"lp", "lp-ft"}
    assert set(run["parents"]) == {"head", "backbone"}


def test_a_dry_run_knows_what_is_done_and_how_long_the_rest_may_take(call, home_store):
    plan = ("run", "digits", "--method", "scratch", "--dry-run")
    keys = [run["key"] for run in json.loads(call(*plan, "--json")[1])["runs"]]
    from repro import plugins
    from repro.paths import Places
    from repro.planning.plan import Request, make

    runs = make(Request(plugins.benchmark("digits").describe({}, Places.find()), ("scratch",))).runs
    assert [run.key for run in runs] == keys
    here = at_hand("cpu")
    told = {"environment": {"device_name": here.name, "threads": here.threads}, "peak_memory_bytes": 1_500_000_000}
    fabricated.finish(home_store, runs[0], **told)
    assert call(*plan, "--device", "cpu")[1].splitlines()[1:] == [
        "  scratch          3 runs  seeds 0,1,2: 1 done, 2 to do, 20 s, 1.5 GB",
        "  unmarked: from finished runs like it on this CPU",
        "2 runs to do, 1 done; about 20 s of the CPU",
    ]
    found = json.loads(call(*plan, "--device", "cpu", "--json")[1])
    assert [run["seconds"] for run in found["runs"]] == [None, 10.0, 10.0] and found["seconds"] == 20.0
    assert [run["predicted_from"] for run in found["runs"]] == [None, "like runs", "like runs"]
    assert found["device"] == {"kind": "CPU", "name": here.name, "threads": here.threads}


def test_methods_left_out_are_said(call):
    _, out, _ = call("run", "digits", "--backbone", "timm:resnet18", "--weights", "random", "--dry-run")
    assert re.search(r"zero-shot +left out: zero-shot needs a text tower, and timm:resnet18 has none", out)


def test_everything_done_is_no_work_and_a_table_without_torch(call, home_store):
    from repro import plugins
    from repro.paths import Places
    from repro.planning.plan import Request, make

    benchmark = plugins.benchmark("digits").describe({}, Places.find())
    points = fabricated.checkpoint().model_copy(
        update={"metrics": {split.name: {"accuracy": 0.5} for split in benchmark.splits if split.role not in ("train", "pretrain")}}
    )
    for run in make(Request(benchmark, ("lp",))).runs:
        fabricated.finish(home_store, run, points)
    before = set(sys.modules)
    code, out, err = call("run", "digits", "--method", "lp")
    assert (code, err) == (0, "")
    assert "0 runs to do, 4 done" in out and "50.0 ± 0.0" in out
    assert "torch" not in set(sys.modules) - before
    code, out, _ = call("run", "digits", "--method", "lp", "--json")
    assert code == 0 and json.loads(out)[0]["rows"][0]["method"] == "lp"


# table


def test_a_table_of_stored_results(call, home_store, tmp_path):
    for seed in range(3):
        fabricated.finish(
            home_store, fabricated.run("ft", seed, of=fabricated.of_digits()), fabricated.checkpoint(id_test=0.9 + seed / 100)
        )
    fabricated.finish(home_store, fabricated.run("ft", of=fabricated.of_digits(tiny=True)), fabricated.checkpoint(id_test=0.1))
    code, out, _ = call("table", "digits")
    assert code == 0 and "91.0 ± 2.5" in out and "TINY" not in out and "10.0" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert call("table")[1] == out
    _, out, _ = call("table", "digits", "--tiny")
    assert "10.0" in out and "TINY subset" in out and "91.0" not in out
    _, out, _ = call("table", "digits", "--format", "markdown")
    assert re.search(r"^\| ft .*\| \*\*91.0 ± 2.5\*\* \|", out, re.M)
    assert json.loads(call("table", "digits", "--format", "json")[1])[0]["rows"][0]["seeds"] == [0, 1, 2]
    assert call("table", "digits", "--out", tmp_path / "t.md")[:2] == (0, "")
    assert (tmp_path / "t.md").read_text() == out


def test_a_result_of_a_method_that_is_gone_does_not_hide_the_others(call, home_store):
    kept, lost = (fabricated.run(method, of=fabricated.of_digits()) for method in ("ft", "lp"))
    fabricated.finish(home_store, kept)
    fabricated.finish(home_store, lost.model_copy(update={"method": "gone"}))
    code, out, err = call("table", "digits", "--format", "json")
    assert code == 0 and "left out: 1 results of gone" in err
    assert [row["method"] for row in json.loads(out)[0]["rows"]] == ["ft"]


# completion


def test_names_complete():
    assert context.complete_benchmark("dig") == ["digits"]
    assert context.complete_method("lp") == ["lp", "lp-ft", "lp-sgd"]
    assert context.complete_method("ft,zero") == ["ft,zero-shot"]
    assert context.complete_method("al") == ["all"]
    assert context.complete_backbone("ti") == ["timm:"] and "digits-clip" in context.complete_backbone("")
    assert context.complete_field("lp_c_m") == ["lp_c_min=", "lp_c_max="]
    assert context.complete_paper("w") == ["wilds", "wise-ft"]
    assert context.complete_table("flyp/") == ["flyp/few-shot", "flyp/imagenet", "flyp/transfer", "flyp/wilds"]


def _completed(words: str) -> list[str]:
    """What bash is offered, as typer's completion script asks for it."""
    environment = {**os.environ, "_REPRO_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    script = "from repro.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=TOP, env=environment)
    return done.stdout.split()


def test_the_shell_is_offered_names_and_keys(home_store):
    assert _completed("repro run di") == ["digits"]
    assert _completed("repro run digits --method lp") == ["lp", "lp-ft", "lp-sgd"]
    run = fabricated.finish(home_store, fabricated.run("ft", of=fabricated.of_digits())).run
    assert _completed("repro show ") == [run.key]
