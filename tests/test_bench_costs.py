"""The README's table of what tables cost is what the plans say now."""

from __future__ import annotations

import pytest

from bench import costs
from repro import plugins
from repro.paths import Places
from repro.planning import plan as planning
from repro.planning.calibration import FLOP_PER_SECOND
from repro.planning.passes import flop


def runs(tmp_path, method: str, **asked) -> list:
    benchmark = plugins.benchmark("cifar10.1").describe({}, Places.find(home=tmp_path))
    request = planning.Request(benchmark, (method,), weights="made up", weights_hash="0" * 64, paper="lp-ft", quick=True, **asked)
    return [planning.make(request)]


def test_the_readme_has_it_as_it_is_now():
    text = costs.README.read_text(encoding="utf-8")
    made = costs.text()
    assert costs.put(text, made) == text, "python -m bench.costs --write"
    assert made.count("\n") == 2 + len(costs.arrangement.names())


def test_one_cost_by_hand(tmp_path):
    """Three seeds of LP-FT's FT on CIFAR-10: 20 epochs, three rules of selection, so three of ResNet-50's 23.5 million numbers each."""
    made = runs(tmp_path, "ft")
    found = costs.cost(made, Places.find(home=tmp_path))
    assert (found.runs, found.uncounted) == (3, 0)
    assert found.hours == pytest.approx(3 * flop(made[0].runs[0]) / FLOP_PER_SECOND / 3600)
    assert found.weights == pytest.approx(3 * 3 * 23.5e6 * 4)
    counts = sum(split.count for split in made[0].benchmark.splits if not split.apart)
    assert found.packs == counts * 224 * 224 * 3 and found.data > 340e6


def test_a_probe_keeps_no_trained_weights_and_shared_runs_count_once(tmp_path):
    probe, both = runs(tmp_path, "lp"), runs(tmp_path, "lp-ft")
    found = costs.cost([*probe, *both], Places.find(home=tmp_path))
    assert costs.cost(probe, Places.find(home=tmp_path)).weights == 0
    assert found.runs == len(both[0].runs) == 3 + len(probe[0].runs)
