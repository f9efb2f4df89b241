"""`repro show` of runs, as a user types it."""

from __future__ import annotations

import json
import re

import fabricated
import pytest

from repro.cli import curves
from repro.outcomes import predicted, reruns
from repro.outcomes.difference import compare
from repro.outcomes.finished import Finished


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


def test_show_says_how_far_what_was_predicted_was_off(call, home_store):
    told = predicted.Prediction(12.0, 3 * 2**20, predicted.LIKE, predicted.LIKE)
    extras = {
        "packs": {"train": "abc", "train, pack_side 0": "def", "id_val": "ghi"},
        "examples": {"train": 1234},
        "predicted": told.as_json(),
    }
    run = fabricated.finish(home_store, fabricated.run("ft"), extras=extras, peak_memory_bytes=4 * 2**20).run
    out = call("show", run.key)[1]
    assert "predicted   12 s (+20 %), 3 MiB (−25 %) from finished runs like it\n" in out
    seen = "packs\n  train            abc, 1,234 examples\n  train, pack_side 0 def, 1,234 examples\n  id_val           ghi\n"
    assert seen in out and "\nexamples\n" not in out and out.count("\npredicted") == 1
    assert json.loads(call("show", run.key, "--json")[1])["prediction_error"] == {"seconds": pytest.approx(0.2), "peak_memory_bytes": -0.25}
    other = told._replace(source=predicted.RATE, memory_source=predicted.ARITHMETIC)
    run = fabricated.finish(home_store, fabricated.run("ft", 1), extras={"predicted": other.as_json()}, peak_memory_bytes=4 * 2**20).run
    assert "predicted   12 s (+20 %) from other runs of its backbone; 3 MiB (−25 %) from arithmetic\n" in call("show", run.key)[1]


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
