"""`repro show` and `repro diff`, as a user types them."""

from __future__ import annotations

import json
import re
import shutil

import fabricated
import pytest

from repro.cli import context, curves
from repro.cli.running import look_up
from repro.outcomes import reruns
from repro.outcomes.difference import compare
from repro.outcomes.finished import Finished
from repro.papers import arrangement
from repro.papers import cell as cells
from repro.paths import Places
from repro.types import Checkpoint

# a run


def test_show_all_runs_as_json(call, home_store):
    assert json.loads(call("show", "--json")[1]) == []
    run = fabricated.finish(home_store, fabricated.run("ft", of=fabricated.of_digits())).run
    home_store.claim(fabricated.run("lp", of=fabricated.of_digits()))
    listed = json.loads(call("show", "--json")[1])
    assert [entry["state"] for entry in listed] == ["done", "unfinished"] and listed[0]["folder"] == str(home_store.folder(run))


def test_show_a_run_and_all_runs(call, home_store):
    run = fabricated.finish(
        home_store, fabricated.run("ft", 2, of=fabricated.of_digits(), lr=0.25), fabricated.checkpoint("epoch-7", id_test=0.123)
    )
    broken = fabricated.run("lp", of=fabricated.of_digits())
    home_store.fail(home_store.claim(broken), fabricated.failure(broken, "ValueError: made up"))
    code, out, _ = call("show", run.key[:6])
    assert code == 0
    assert (
        re.search(r"^  lr +0.25 +made up$", out, re.M)
        and re.search(r"^  epoch-7 +50.0 +12.3 +50.0 +50.0$", out, re.M)
        and f"key         {run.key}" in out
    )
    assert json.loads(call("show", run.key, "--json")[1])["key"] == run.key
    assert "error       ValueError: made up" in call("show", broken.key)[1]
    lines = sorted(call("show")[1].splitlines())
    assert [line.split()[0] for line in lines] == sorted([run.key, broken.key])
    assert any("failed" in line and "ValueError: made up" in line for line in lines)


def test_show_gives_every_metric_and_the_groups_below_the_headline(call, home_store):
    values = {"worst_region": 0.4, "accuracy": 0.5, "macro_f1": 0.45, "region=Asia": 0.4, "region=Africa": 0.6, "year=2002": 0.5}
    point = fabricated.checkpoint("epoch-3").model_copy(update={"metrics": {"id_test": {"accuracy": 0.7}, "sketch": values}})
    run = fabricated.finish(home_store, fabricated.run(of=fabricated.with_splits(sketch={"metric": "worst_region"})), point).run
    out = call("show", run.key)[1]
    assert (
        """\
checkpoints (id_test: accuracy; sketch: worst-region accuracy, in %)
               id_test  sketch
  epoch-3         70.0    40.0
beside them, at epoch-3
  sketch: accuracy 50.0, macro F1 45.0
  sketch by region: Asia 40.0, Africa 60.0
  sketch by year: 2002 50.0
"""
        in out
    )
    assert "quirks" not in out


def test_show_lists_the_quirks_of_a_run_and_of_what_it_starts_from(call, home_store):
    parent = fabricated.finish(home_store, fabricated.run("lp", lp_features="train")).run
    child = fabricated.run("lp-ft", parents={"head": parent.key})
    home_store.fail(home_store.claim(child), fabricated.failure(child))
    out = call("show", child.key)[1]
    assert re.search(
        r"^quirks\n  bn-eval: LP-FT trains .+\n    AnanyaKumar/.+\n  lp-augmented-features: .+\n    AnanyaKumar/.+\n", out, re.M
    )
    assert "lp-augmented-features" in call("show", parent.key)[1]


def test_show_of_an_empty_store_says_so(call):
    code, out, _ = call("show")
    assert code == 0 and "nothing has been run yet" in out


def test_show_has_a_line_per_checkpoint_with_the_selected_ones_marked_and_the_curves(call, home_store):
    """The loss falls evenly; ID validation is best in the middle, the OOD splits at the end."""
    heights = ((0.5, 0.3), (0.9, 0.4), (0.72, 0.6), (0.6, 0.6))
    points = [
        fabricated.checkpoint(f"epoch-{number}", id_val=val, sketch=ood, clipart=ood).model_copy(update={"train": {"loss": 4.0 - number}})
        for number, (val, ood) in enumerate(heights, 1)
    ]
    run = fabricated.finish(home_store, fabricated.run("ft"), *points).run
    lines = call("show", run.key)[1].splitlines()
    start = lines.index("checkpoints (accuracy, in %)")
    assert lines[start + 1].split() == ["id_val", "id_test", "sketch", "clipart", "loss"]
    assert [line.split()[1:6] for line in lines[start + 2 : start + 6]] == [
        ["50.0", "50.0", "30.0", "30.0", "3"],
        ["90.0", "50.0", "40.0", "40.0", "2"],
        ["72.0", "50.0", "60.0", "60.0", "1"],
        ["60.0", "50.0", "60.0", "60.0", "0"],
    ]
    assert [line.partition("← ")[2] for line in lines[start + 2 : start + 6]] == ["", "id_val", "oracle", "last"]
    assert [line.split() for line in lines[start + 6 : start + 11]] == [
        ["id_val", "▁█▅▃"],  # 0, 7, 3.85 and 1.75 steps of seven
        ["id_test", "▁▁▁▁"],
        ["sketch", "▁▃██"],
        ["clipart", "▁▃██"],
        ["loss", "█▆▃▁"],
    ]
    selected = json.loads(call("show", run.key, "--json")[1])["selected"]
    assert selected == {"id_val": "epoch-2", "oracle": "epoch-3", "last": "epoch-4"}


def test_a_long_curve_keeps_its_ends_and_a_gap_is_a_space():
    assert curves.spark([1.0, None, 2.0]) == "▁ █" and curves.spark([0.5] * 3) == "▁▁▁"
    long = curves.spark([float(value) for value in range(1000)])
    assert len(long) == curves.WIDEST and long[0] == "▁" and long[-1] == "█" and list(long) == sorted(long)
    assert list(curves.curves({"few": [1.0, 2.0], "many": [3.0, 2.0, 1.0]})) == ["many █▅▁"]


def test_show_names_the_other_seeds_of_a_configuration_and_no_other_runs(call, home_store):
    probes = [fabricated.finish(home_store, fabricated.run("lp", seed)).run for seed in range(3)]
    runs = [fabricated.finish(home_store, fabricated.run("lp-ft", probe.seed, parents={"head": probe.key})).run for probe in probes]
    fabricated.finish(home_store, fabricated.run("lp-ft", 3, lr=0.5, parents={"head": probes[0].key}))
    fabricated.finish(home_store, fabricated.run("lp-ft", 4, of=fabricated.benchmark(data="1" * 64), parents={"head": probes[0].key}))
    out = call("show", runs[1].key)[1]
    assert f"seeds       0 {runs[0].key}, 1 (this), 2 {runs[2].key}\n" in out
    assert f"starts from head: {probes[1].key} (lp seed 1)\n" in out
    assert f"starts from backbone: {fabricated.PRETRAINED} (not in this store)\n" in out
    assert json.loads(call("show", runs[1].key, "--json")[1])["seeds"] == {str(run.seed): run.key for run in runs}


def test_show_says_what_was_seen_and_kept_and_what_it_cost(call, home_store):
    run = fabricated.run("ft")
    files = {"predictions.npz": "0" * 64, "weights-epoch-1.safetensors": "1" * 64}
    fabricated.finish(
        home_store,
        run,
        kept={"predictions": ("epoch-1",), "weights": ("epoch-1",)},
        files=files,
        extras={"packs": {"train": "abc"}, "weights": {"file": "net.pth"}, "lp_c": 0.1},
        images_per_second=1234.0,
        peak_memory_bytes=3 * 2**20,
        environment={"threads": 2, "packages": {"torch": "2", "numpy": "3"}},
    )
    (home_store.folder(run) / "predictions.npz").write_bytes(bytes(2**20))
    out = call("show", run.key)[1]
    for line in (
        "kept        predictions of epoch-1",
        "kept        weights of epoch-1",
        "files       1, 1.0 MiB; gone: weights-epoch-1.safetensors",
        "packs\n  train            abc",
        "weights\n  file             net.pth",
        "lp_c        0.1",
        "cost        10 s, fit 8 s, judge 1 s, 1,234 images/s, peak memory 3 MiB",
        "  threads          2",
        "  packages         torch 2, numpy 3",
    ):
        assert f"{line}\n" in out, line
    assert "repeated" not in out


def test_show_lists_repetitions(call, home_store):
    first = fabricated.finish(home_store, fabricated.run("ft"))
    folder = home_store.folder(first.run)
    reruns.record(folder, {"threads": 1}, seconds=1.0, difference=compare(Finished(first, folder), Finished(first, folder)))
    reruns.record(folder, {"threads": 1}, error="Diverged: made up")
    with open(folder / reruns.FILE, "a") as file:
        file.write('{"date": ')  # a kill in the middle of a line
    lines = [line for line in call("show", first.key)[1].splitlines() if line.startswith("repeated")]
    assert len(lines) == 2 and lines[1].endswith("the repetition broke: Diverged: made up")
    assert [one["error"] for one in json.loads(call("show", first.key, "--json")[1])["reruns"]] == ["", "Diverged: made up"]


# two runs


def test_diff_prints_what_differs_and_a_sentence(call, home_store):
    runs = [
        fabricated.finish(home_store, fabricated.run("ft", lr=lr), fabricated.checkpoint(id_test=value)).run
        for lr, value in ((0.5, 0.8), (0.25, 0.75))
    ]
    code, out, _ = call("diff", runs[0].key[:8], runs[1].key[:8])
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == [f"first       {runs[0].key}, at epoch-1", f"second      {runs[1].key}, at epoch-1"]
    assert lines[2:5] == ["recipe", f"  {'lr':<28} {'0.5':<24} 0.25", "numbers (accuracy, in %)"]
    assert "  id_test       80.00  75.00  -5.00" in lines
    assert lines[-1] == "they differ by a setting (lr 0.5 → 0.25): the numbers differ: 5 points at most (id_test)"
    found = json.loads(call("diff", runs[0].key, runs[1].key, "--json")[1])
    assert [(one["aspect"], one["name"], one["first"], one["second"]) for one in found["changes"]] == [("recipe", "lr", 0.5, 0.25)]
    assert found["verdict"] == lines[-1] and found["exact"] is False


def test_diff_of_a_run_in_another_store(call, home_store, tmp_path):
    run = fabricated.finish(home_store, fabricated.run("ft")).run
    shutil.copytree(home_store.root, tmp_path / "other")
    elsewhere = tmp_path / "other" / home_store.folder(run).relative_to(home_store.root)
    assert call("diff", run.key, elsewhere)[1].splitlines()[-1].startswith("identical: ")
    assert call("diff", run.key, run.key)[1].splitlines()[-1] == f"both are the same run, {run.key}"


def test_diff_of_what_has_no_result_is_a_mistake(mistake, home_store, tmp_path):
    done = fabricated.finish(home_store, fabricated.run("ft")).run
    begun, broken = fabricated.run("lp"), fabricated.run("scratch")
    home_store.claim(begun)
    home_store.fail(home_store.claim(broken), fabricated.failure(broken))
    assert mistake("diff", done.key, begun.key)[0].endswith("is not finished")
    what, why, cure = mistake("diff", broken.key, done.key)
    assert "failed" in what and why == "RuntimeError: made up" and cure == f"repro show {broken.key}"
    assert mistake("diff", done.key, tmp_path)[0] == f"{tmp_path} is not the folder of a run"
    assert mistake("diff", done.key, done.key, "--select", "id")[0] == "there is no selection rule 'id'"


# a cell


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


def test_show_of_a_cell_as_json(call):
    found = json.loads(call("show", "lp-ft/2:LP-FT:STL", "--json")[1])
    assert found["cell"] == "lp-ft/2:LP-FT:STL" and found["obstacle"] is None and found["measured"] is None
    assert [quote["shown"] for quote in found["reported"]] == ["90.7 (0.3)"]
    assert len(found["runs"]) == 3 * len(found["recipes"]) and {run["state"] for run in found["runs"]} == {"missing"}
    assert found["command"] == "repro run cifar10.1 --paper lp-ft --method lp-ft"


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
