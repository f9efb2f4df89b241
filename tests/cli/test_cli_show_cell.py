"""`repro show CELL`, as a user types it."""

from __future__ import annotations

import json
import re

import fabricated
import pytest

from repro.cli import context
from repro.cli.running import look_up
from repro.papers import arrangement
from repro.papers import cell as cells
from repro.paths import Places
from repro.types import Checkpoint


def test_show_of_a_cell_has_the_quotes_the_recipe_and_what_is_missing(call):
    code, out, _ = call("show", "lp-ft/2:lp-ft:stl")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "cell        lp-ft/2:LP-FT:STL" and lines[3] == "column      STL: cifar10.1 stl10"
    assert re.search(
        r"^reported    90\.7 \(0\.3\) ci90, 3 seeds, verified, table 2, cifar10\.1 stl10 accuracy\n  source .+\n  words .+STL-10", out, re.M
    )
    assert re.search(r"^recipe +tables/cifar10\.1\.toml, lp-ft lp-ft: .+transfer_learning@36fb2ef", out, re.M)
    assert re.search(r"^  lr +\S+, .+ tables/cifar10\.1\.toml: lp-ft lp-ft", out, re.M)
    assert re.search(r"^missing     (\d+) of \1 runs, and \d+ that they start from", out, re.M)
    assert lines[-1] == "next: repro run cifar10.1 --paper lp-ft --method lp-ft --fetch"


def test_what_everybody_asks_of_a_training_is_told_where_it_is_neutral(call):
    """A rate of 1e-3, which won on Living-17, and batches of 64 are left out of keys, not of what is shown."""
    out = call("show", "lp-ft/2:ft:Living-17")[1]
    assert re.search(r"^  lr +3e-05, 0\.0001, 0\.0003, 0\.001, 0\.003, 0\.01 tables/living17\.toml: lp-ft ft$", out, re.M)
    assert re.search(r"^  batch_size +64 +tables/living17\.toml: lp-ft ft$", out, re.M)
    assert re.search(r"^  optimizer +sgd +default$", out, re.M) and re.search(r"^  weight_decay +0\.0 +default$", out, re.M)


def test_a_cell_whose_weights_the_user_names_says_so(call):
    code, out, _ = call("show", "freeze-embed/1:ConvNeXt-B: AdamW:FMoW")
    assert code == 0 and "missing     18 of 18 runs; their keys are known once the weights are here\n" in out
    assert out.splitlines()[-1] == (
        "next: repro run fmow --paper freeze-embed-adamw --method ft --set ft.optimizer=adamw "
        "--backbone timm:convnext_base.fb_in22k --weights FILE --fetch"
    )


def test_show_of_a_cell_as_json(call):
    found = json.loads(call("show", "lp-ft/2:LP-FT:STL", "--json")[1])
    assert found["cell"] == "lp-ft/2:LP-FT:STL" and found["obstacle"] is None and found["measured"] is None
    assert [quote["shown"] for quote in found["reported"]] == ["90.7 (0.3)"]
    assert len(found["runs"]) == 3 * len(found["recipes"]) and {run["state"] for run in found["runs"]} == {"missing"}
    assert found["command"] == "repro run cifar10.1 --paper lp-ft --method lp-ft"


def test_a_cell_with_a_damaged_run_is_measured_of_the_others(call, home_store, tmp_path):
    where = Places.find(home=tmp_path / "home")
    plan = look_up(cells.find("lp-ft/2:ft:Living-17").request(where), where, home_store, False, True).plan
    own = [plan.run(key) for key in plan.asked]
    first = [run for run in own if run.recipe == own[0].recipe][:2]
    for run in first:
        fabricated.finish(home_store, run)
    path = home_store.folder(first[1]) / "result.json"
    path.write_text("{")
    code, out, err = call("show", "lp-ft/2:ft:Living-17")
    assert code == 0 and err.startswith(f"left out: {path} is damaged (") and err.count("\n") == 1
    states = [(first[0].key, f"ft seed {first[0].seed}  done"), (first[1].key, f"ft seed {first[1].seed}  damaged")]
    assert re.findall(r"^run +(\w+)  (.+)$", out, re.M) == states
    assert f", 1 seeds, selected by id_val: {first[0].key}\n" in out and f"missing     {len(own) - 2} of {len(own)} runs" in out
    code, out, again = call("show", "lp-ft/2:ft:Living-17", "--json")
    found = json.loads(out)
    assert (code, again) == (0, err) and found["taken"] == [first[0].key]
    assert [run["state"] for run in found["runs"] if run["key"] in path.parent.name] == ["damaged"]


def test_the_runs_of_a_cell_are_found_and_measured(call, home_store, tmp_path):
    """Two seeds of one learning rate are in the store, 80 % and 82 % on the cell's split; another benchmark's run is not the cell's."""
    where = Places.find(home=tmp_path / "home")
    plan = look_up(cells.find("lp-ft/2:ft:Living-17").request(where), where, home_store, False, True).plan
    own = [plan.run(key) for key in plan.asked]
    first = [run for run in own if run.recipe == own[0].recipe][:2]
    for run, value in zip(first, (0.80, 0.82), strict=True):
        judged = [split for split in run.benchmark.splits if split.role != "train"]
        metrics = {split.name: {run.benchmark.metric_of(split): value} for split in judged}
        fabricated.finish(home_store, run, Checkpoint(name="epoch-1", metrics=metrics))
    fabricated.finish(home_store, fabricated.run("ft"))
    out = call("show", "lp-ft/2:ft:Living-17")[1]
    assert re.findall(r"^run +(\w+)  (.+)$", out, re.M) == [(run.key, f"ft seed {run.seed}  done") for run in first]
    # 0.81 ± t(1, 97.5 %)·0.01·√2/√2
    assert f"measured    81.0 ± 12.7 (1.6), 2 seeds, selected by id_val: {first[0].key}, {first[1].key}\n" in out
    assert re.search(r"^verdict     Δ \S+, .+: p = ", out, re.M)
    assert f"missing     {len(own) - 2} of {len(own)} runs" in out and "their keys are known once the weights are here" in out
    found = json.loads(call("show", "lp-ft/2:ft:Living-17", "--json")[1])
    assert found["measured"] == {"mean": pytest.approx(81.0), "half": pytest.approx(12.706, abs=1e-3), "n": 2}
    assert found["taken"] == [run.key for run in first] and found["verdict"] in out and f"{found['delta']:+.1f}".replace("-", "−") in out
    assert [run["key"] for run in found["runs"] if run["state"] == "done"] == [run.key for run in first]


def test_a_cell_that_cannot_be_run_says_why(call, monkeypatch):
    monkeypatch.setattr(cells.Cell, "obstacle", lambda cell, where: "no benchmark: made-up")
    out = call("show", "lp-ft/2:ft:STL")[1]
    assert re.search(r"^  lr +\S+, ", out, re.M), "the recipe is shown as it is written"
    assert out.splitlines()[-2:] == ["not run     no benchmark: made-up", "next: repro coverage lp-ft --reasons"]
    found = json.loads(call("show", "lp-ft/2:ft:STL", "--json")[1])
    assert found["command"] is None and found["runs"] == [] and found["obstacle"] == "no benchmark: made-up"


def test_an_average_names_the_cells_that_it_is_of(call):
    found = json.loads(call("show", "lp-ft/1:lp:Average", "--json")[1])
    assert found["parts"][0] == "lp-ft/1:LP:CIFAR-10" and len(found["parts"]) == 6
    assert found["command"] == "repro run --table lp-ft/1 --method lp"
    assert call("show", "lp-ft/1:lp:Average")[1].count("part of it  lp-ft/1:LP:") == 6


MISTAKES = {
    "lp-ft/9:ft:STL": ("there is no table 'lp-ft/9'", "", "repro list tables"),
    "lp-ft/2:lp-tf:STL": ("there is no row in lp-ft/2 'lp-tf'", "did you mean 'lp-ft'?", "repro show lp-ft/2:lp-ft:STL"),
    "lp-ft/2:ft:CIFAR-1.10": (
        "there is no column in lp-ft/2 'CIFAR-1.10'",
        "did you mean 'CIFAR-10.1'?",
        "repro show lp-ft/2:FT:CIFAR-10.1",
    ),
    "lp-ft/2:ft": ("'lp-ft/2:ft' is not a cell", "a cell is TABLE:ROW:COLUMN", "repro show lp-ft/2:FT:STL"),
    "flyp/wilds:wise-ft:FMoW ID": (
        "6 rows of flyp/wilds are of wise-ft",
        "FLYP + ensembling",
        "'flyp/wilds:Zero-shot + ensembling:FMoW ID'",
    ),
}


@pytest.mark.parametrize("spelled", MISTAKES)
def test_a_misspelled_cell_suggests_the_nearest(mistake, spelled):
    what, why, cure = MISTAKES[spelled]
    lines = mistake("show", spelled)
    assert lines[0] == what and why in lines[1] and cure in lines[2], lines


def test_a_table_or_a_benchmark_is_no_run(mistake):
    what, _, cure = mistake("show", "lp-ft/2")
    assert what == "lp-ft/2 is a table" and cure == "repro table lp-ft/2, or a cell: repro show lp-ft/2:FT:STL"
    assert mistake("show", "digits") == ("digits is a benchmark", "a run's key or a cell of a paper's table is shown", "repro table digits")


def test_the_next_command_looks_where_this_one_did(call, tmp_path):
    assert call("--home", tmp_path / "a b", "show")[1] == f"nothing has been run yet\nnext: repro --home '{tmp_path}/a b' run digits\n"
    out = call("--data", f"{tmp_path}/x:{tmp_path}/y", "show", "lp-ft/2:lp-ft:STL")[1]
    assert out.splitlines()[-1].startswith(f"next: repro --data {tmp_path}/x:{tmp_path}/y run cifar10.1 --paper lp-ft")


# completion


def test_keys_and_cells_complete_a_part_at_a_time(home_store):
    class Context:
        obj = context.GlobalOptions(runs=str(home_store.root))

        def find_root(self):
            return self

    run = fabricated.finish(home_store, fabricated.run("ft")).run
    assert context.complete_cell_or_key(Context(), "") == [run.key]
    assert context.complete_cell_or_key(Context(), "lp-ft/") == ["lp-ft/1:", "lp-ft/2:"]
    assert context.complete_cell_or_key(Context(), "lp-ft/2:L") == ["lp-ft/2:LP:", "lp-ft/2:LP-FT:"]
    assert context.complete_cell_or_key(Context(), "lp-ft/2:LP:Image") == [
        f"lp-ft/2:LP:ImageNet{name}" for name in ("V2", "-R", "-Sketch", "-A")
    ]
    assert context.complete_cell_or_key(Context(), "nothing:L") == []
    for name in arrangement.names():
        assert all(":" not in column.title for column in arrangement.load(name).column), "the last colon ends a row's title"
