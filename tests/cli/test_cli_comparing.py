"""`repro compare` from the outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import fabricated
import kept_predictions
import pytest

import repro


@pytest.fixture(autouse=True)
def runs(home_store):
    """ft and lp-ft, two seeds each."""
    for seed in range(2):
        kept_predictions.finish(home_store, fabricated.run("ft", seed), 0.7)
        kept_predictions.finish(home_store, fabricated.run("lp-ft", seed), 0.9)


def test_the_two_uncertainties_stand_apart(call):
    code, out, err = call("compare", "lp-ft", "ft", "--split", "sketch")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "made-up: numbers fabricated for a test"
    assert lines[1].startswith("  lp-ft, checkpoints by id_val: ") and lines[1].count("(seed ") == 2
    assert lines[2].startswith("  ft, checkpoints by id_val: ") and lines[3] == ""
    assert lines[4].startswith("sketch, accuracy in %: 9") or lines[4].startswith("sketch, accuracy in %: 8")
    assert "paired bootstrap, 1,000 draws of examples, these trainings" in lines[5] and "seeds" not in lines[5]
    assert "95 % t interval of 2 pairs of seeds, these examples" in lines[6] and "bootstrap" not in lines[6]
    assert lines[7].startswith("  lp-ft is ") and lines[7].endswith(".") and len(lines) == 8


def test_json_has_the_same_as_fractions(call):
    made = json.loads(call("compare", "lp-ft", "ft", "--json")[1])
    assert (made["a"], made["b"], made["select"], made["tiny"]) == ("lp-ft", "ft", ["id_val", "id_val"], False)
    assert made["pairs"] == [[fabricated.run("lp-ft", seed).key, fabricated.run("ft", seed).key] for seed in (0, 1)]
    assert [one["split"] for one in made["splits"]] == ["id_test", "sketch", "clipart"]
    for one in made["splits"]:
        assert one["difference"] == pytest.approx(one["a"] - one["b"])
        assert 0.1 < one["difference"] < 0.3
        assert one["test_set"]["low"] < one["difference"] < one["test_set"]["high"]
        assert one["seeds"]["pairs"] == 2 and one["seeds"]["half"] >= 0


def test_a_tiny_subset_says_so(call, home_store):
    for method in ("lp", "scratch"):
        kept_predictions.finish(home_store, fabricated.run(method, of=fabricated.benchmark(tiny=True)))
    assert "TINY subset" in call("compare", "lp", "scratch")[1]


def test_mistakes(mistake, tmp_path):
    assert mistake("compare", "lp-fd", "ft")[1] == "did you mean 'lp-ft'?"
    assert mistake("compare", "lp-ft", "ft", "--select", "id_vla")[1] == "did you mean 'id_val'?"
    assert mistake("compare", "lp-ft", "ft", "--split", "sketsh")[1] == "did you mean 'sketch'?"
    assert (
        mistake("--home", str(tmp_path / "home"), "compare", "lp", "ft")[2] == f"repro --home {tmp_path}/home run BENCHMARK --method lp,ft"
    )


def test_nothing_heavy_is_imported(tmp_path):
    script = """
import sys
from repro.cli import main
try:
    main(["compare", "lp-ft", "ft", "--json"])
except SystemExit as stop:
    assert stop.code == 0
print("MODULES", *{name.split(".")[0] for name in sys.modules})
"""
    environment = {**os.environ, "REPRO_HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(repro.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "numpy" in loaded and loaded & {"torch", "torchvision", "open_clip", "timm", "wilds", "pandas", "sklearn"} == set()
