"""`repro run --table`: what of a paper's table is planned."""

from __future__ import annotations

import json

import arranged_table
import fabricated
import pytest
import torch
from arranged_table import RECIPES, TABLE

from repro import plugins
from repro.cli import running
from repro.cli.requested import requests_of, with_weights
from repro.nn.networks.weights import save_weights
from repro.outcomes.costs import device_hours
from repro.paths import Places
from repro.planning import plan
from repro.planning.plan import Request
from repro.types import Checkpoint


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    return arranged_table.write(tmp_path, monkeypatch)


@pytest.fixture
def recipes(made_up):
    return arranged_table.write_recipes(made_up)


def planned(call, *arguments: str) -> list[dict]:
    code, out, err = call("run", "--table", *arguments, "--seeds", "1", "--dry-run", "--json", "--weights", "random")
    assert (code, err.splitlines()) == (
        0,
        [
            "left out: no-such-benchmark (repro coverage made-up --reasons)",
            "left out: Ours (no method no-such-method), Odd (no setting optimizer=lamb)",
        ],
    )
    return json.loads(out)


def row_methods(plan: dict) -> list[str]:
    return [run["method"] for run in plan["runs"] if run["asked"]]


def test_a_table_is_one_plan_for_each_group_of_rows(recipes, call):
    plans = planned(call, "made-up", "--set", "ft.epochs=7")
    assert [row_methods(plan) for plan in plans] == [["ft", "lp"], ["ft"], ["lp"]] * 2
    assert [plan["backbone"] for plan in plans] == ["digits-clip", "digits-clip", "timm:resnet18"] * 2
    tuned = [run["recipe"] for plan in plans for run in plan["runs"] if run["method"] == "ft"]
    assert [(recipe.get("optimizer"), recipe.get("shots"), recipe["epochs"]) for recipe in tuned] == [
        ("sgd", None, 7), ("adamw", None, 7), ("sgd", 4, 7), ("adamw", 4, 7),
    ]  # fmt: skip
    assert [row_methods(plan) for plan in planned(call, "made-up", "--method", "lp")] == [["lp"]] * 4


def test_rows_without_the_papers_recipe_are_left_out_by_name(recipes, call):
    (recipes.parent.parent / "digits.toml").write_text(RECIPES.replace('method = "lp"', 'method = "lp-ft"'))
    code, out, err = call("run", "--table", "made-up", "--seeds", "1", "--dry-run", "--json")
    assert code == 0 and "left out: lp on digits, for which made-up has no recipe\n" in err
    assert [row_methods(plan) for plan in json.loads(out)] == [["ft"]] * 4


def test_flyps_few_shot_table_takes_its_columns_numbers_of_images(call):
    code, out, err = call("run", "--table", "flyp/few-shot", "--seeds", "2", "--tiny", "--dry-run", "--json")
    assert code == 0 and err.count("left out: lp, ft, lp-ft on") == 2
    asked = [(plan["benchmark"], run["recipe"]["shots"], run["seed"]) for plan in json.loads(out) for run in plan["runs"] if run["asked"]]
    assert asked == [(name, shots, seed) for name in ("PatchCamelyon", "Rendered SST2") for shots in (4, 16, 32) for seed in (0, 1)]


def test_a_table_is_of_the_splits_that_its_paper_reports_unless_others_are_named(call):
    words = ("run", "--table", "wise-ft/imagenet", "--method", "zero-shot", "--dry-run")
    for ood in ((), ("--ood", "v2,r,a,sketch")):
        code, out, _ = call(*words, *ood)
        assert code == 0
        assert ("objectnet (by hand)" in out) == (not ood) and "imagenet-c" not in out
    code, out, _ = call("run", "--table", "autoft/imagenet", "--method", "autoft", "--dry-run")
    assert code == 0 and "objectnet (by hand)" in out and "imagenet-c (" in out and "autoft-search" in out


def test_what_a_table_needs_is_told_once(call):
    code, out, _ = call("run", "--table", "flyp/wilds", "--seeds", "1", "--dry-run")
    (line,) = [line for line in out.splitlines() if line.startswith("missing: ")]
    assert code == 0 and line.startswith("missing: iwildcam (>12.0 GB), clip ViT-B-16.pt (351 MB), fmow (~53.9 GB); >66.2 GB to fetch to ")


def test_the_plans_of_a_table_are_summed_and_shared_runs_counted_once(call):
    words = ("run", "--table", "flyp/few-shot", "--seeds", "1", "--device", "cuda", "--dry-run")
    seconds = {run["key"]: run["seconds"] for plan in json.loads(call(*words, "--weights", "random", "--json")[1]) for run in plan["runs"]}
    assert len(seconds) == 6 and min(seconds.values()) > 0
    last = call(*words, "--weights", "random")[1].splitlines()[-1]
    assert last == f"in all: 6 runs to do; about {device_hours(sum(seconds.values()), 'GPU')}"


def test_a_table_without_the_row_that_was_asked_for(recipes, call):
    code, _, err = call("run", "--table", "made-up", "--method", "scratch", "--dry-run")
    assert (code, err.splitlines()[2:]) == (
        2,
        ["error: made-up/main has no row of scratch", "  why: those that can be run are ft, lp", "  try: repro run digits"],
    )


def test_a_row_with_a_recipe_on_some_of_the_benchmarks_is_run_on_those(call):
    """The commands that empty cells of these tables name."""
    for name, method, benchmarks in (
        ("connect-later/main", "lp-ft", ["AstroClassification", "iWildCam", "Camelyon17"]),
        ("connect-later/main", "self-training", ["Camelyon17"]),
        ("autoft/wilds", "flyp", ["iWildCam"]),
    ):
        code, out, err = call("run", "--table", name, "--method", method, "--seeds", "1", "--tiny", "--dry-run", "--json")
        assert code == 0, err
        assert [plan["benchmark"].split()[0] for plan in json.loads(out)] == benchmarks
        assert {run["method"] for plan in json.loads(out) for run in plan["runs"] if run["asked"]} == {method}


def test_adamws_rows_are_run_by_their_own_grid(call):
    """freeze-embed's grids and winners: AnanyaKumar/transfer_learning@13c3e2b scripts/freeze-embed-paper-fine-tuning-results.ipynb cell 7."""
    words = ("run", "--table", "freeze-embed/1", "--method", "ft", "--seeds", "1", "--dry-run", "--json", "--weights", "random")
    adamw, sgd = [3e-7, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4], [3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
    for quick, wanted in (
        ((), {"sgd": sgd, "adamw": adamw}),
        (("--quick",), {"sgd": [3e-4], "adamw": [1e-5]}),
    ):
        plans = [plan for plan in json.loads(call(*words, *quick)[1]) if plan["benchmark"].startswith("FMoW")]
        rates = [[(run["recipe"].get("optimizer", "sgd"), run["recipe"].get("lr", 1e-3)) for run in plan["runs"]] for plan in plans]
        assert len(rates) == 14, "two optimisers of seven networks"
        assert all([rate for _, rate in own] == wanted[own[0][0]] and len({name for name, _ in own}) == 1 for own in rates)


def test_networks_whose_weights_nobody_publishes_here_are_left_out_by_name(call):
    """Each of a table's networks has a file of its own, so that one --weights cannot be that of all; the others' rows are run."""
    words = ("run", "--table", "freeze-embed/1", "--method", "ft,freeze-embed", "--seeds", "1", "--dry-run", "--json")
    code, out, err = call(*words)
    assert code == 0 and {plan["backbone"] for plan in json.loads(out)} == {
        "clip-vit-b-16", "clip-vit-l-14", "dino-vit-b-16", "bit-resnet50", "bit-resnet101",
    }  # fmt: skip
    own = "timm:convnext_base.fb_in22k"
    assert f"left out: ft, freeze-embed with {own}, whose weights you name: --weights {own}=FILE\n" in err
    assert err.count("whose weights you name") == 2
    code, out, err = call(*words, "--backbone", own, "--weights", "random")
    assert code == 0 and {plan["backbone"] for plan in json.loads(out)} == {own} and "whose weights" not in err
    asked = [(plan["benchmark"], run["method"], run["recipe"].get("optimizer")) for plan in json.loads(out) for run in plan["runs"]]
    assert len(set(asked)) == 4 * 3 and len(asked) == 4 * (6 + 6 + 6)


def test_a_table_whose_paper_has_no_recipes(made_up, mistake):
    assert mistake("run", "--table", "made-up", "--dry-run") == (
        "made-up has no benchmark with recipes of made-up",
        "of its benchmarks this program has digits",
        "repro coverage made-up --reasons",
    )


def test_a_table_of_which_nothing_can_be_run(made_up, mistake):
    made_up.write_text(TABLE.replace("digits", "folders"))
    found = mistake("run", "--table", "made-up")
    assert found == ("made-up has no benchmark that this program has", "it needs folders, no-such-benchmark", "repro coverage made-up")
    made_up.write_text(TABLE.replace('method = "ft"', 'method = "fit"').replace('method = "lp"', 'method = "pl"'))
    found = mistake("run", "--table", "made-up")
    assert found == (
        "made-up has no row that this program can run",
        "it lacks method fit, method pl, method no-such-method",
        "repro coverage made-up --reasons",
    )


# networks with their weights


def asked_of(call, *arguments: str) -> tuple[int, list[str], list[str]]:
    """Exit code, the plans' networks, and what was said beside."""
    code, out, err = call("run", "--table", "made-up", "--seeds", "1", "--dry-run", "--json", "--method", "lp", *arguments)
    return code, [plan["backbone"] for plan in json.loads(out)] if out else [], err.splitlines()[2:]


def test_a_network_without_weights_is_left_out_of_a_table_and_takes_a_file_of_its_own(recipes, call, tmp_path):
    named = "left out: lp with timm:resnet18, whose weights you name: --weights timm:resnet18=FILE"
    assert asked_of(call) == (0, ["digits-clip"] * 2, [named])
    file = tmp_path / "a=b.safetensors"
    save_weights(file, {"a": torch.zeros(1)})
    for given in (f"timm:resnet18={file}", str(file), "timm:resnet18=random"):
        assert asked_of(call, "--weights", given) == (0, ["digits-clip", "timm:resnet18"] * 2, [])


def test_a_file_for_one_network_goes_before_the_file_for_all():
    benchmark = plugins.benchmark("digits").describe({}, Places.find(), True)
    requests = [Request(benchmark, backbone=name) for name in ("digits-clip", "timm:resnet18")]
    given = ["timm:resnet18=/x=y/a.pt", "b.pt"]
    assert [request.weights for request in with_weights(requests, given)] == ["b.pt", "/x=y/a.pt"]
    assert [request.weights for request in with_weights(requests, given[:1])] == [None, "/x=y/a.pt"]
    assert with_weights(requests, []) == requests


def test_a_table_with_no_network_that_has_weights_is_refused(recipes, call):
    recipes.write_text(recipes.read_text().replace('method = "lp" }', 'method = "lp", backbone = "timm:resnet34" }'))
    code, plans, said = asked_of(call)
    assert (code, plans, said[0]) == (2, [], "error: lp starts from pretrained weights, and none are given for timm:resnet34")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (["a", "b"], "--weights: both a and b"),
        (["timm:resnet18=a", "timm:resnet18=b"], "--weights: both a and b for timm:resnet18"),
        (["clip-rn50=a"], "--weights clip-rn50=a: no run is on clip-rn50"),
        (["timm:resnet34=a"], "--weights timm:resnet34=a: no run is on timm:resnet34"),
    ],
)
def test_weights_that_no_run_or_two_files_for_one_network(recipes, call, given, what):
    code, plans, said = asked_of(call, *(word for text in given for word in ("--weights", text)))
    assert (code, plans, said[0], len(said)) == (2, [], f"error: {what}", 3)


# what is shown where all has been run


@pytest.fixture
def finished(recipes, home_store):
    """Results of all runs of the table, of which two plans share some."""
    asked = Request(None, seeds=(0, 1), weights="random")
    requests = requests_of(None, "made-up", {}, Places.find(), False, ["lp"], asked)
    plans = [plan.make(request) for request in requests]
    for run in {run.key: run for one in plans for run in one.runs}.values():
        metrics = {split: {"accuracy": 0.8 + run.seed / 10} for split in ("id_val", "id_test", "writers", "photos")}
        fabricated.finish(home_store, run, Checkpoint(name="last", metrics=metrics))
    return plans


def test_a_run_of_several_plans_counts_once(finished, home_store, capsys):
    running._report([*finished, *finished], home_store, True)
    rows = [row for table in json.loads(capsys.readouterr().out) for row in table["rows"]]
    assert len(rows) == 4 and all(row["seeds"] == [0, 1] and len(set(row["keys"])) == 2 for row in rows)


def test_the_papers_table_is_shown(finished, call):
    code, out, said = call("run", "--table", "made-up", "--seeds", "2", "--method", "lp", "--weights", "random")
    assert code == 0 and out.endswith(call("table", "made-up/main")[1]), said
    assert "4 runs from random weights: not the paper's recipe" in out
