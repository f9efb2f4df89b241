"""Costs and environments of stored runs, against sums by hand."""

from __future__ import annotations

import fabricated
import pytest

from repro.outcomes import costs
from repro.outcomes.costs import UNKNOWN, Environment, Sum
from repro.outcomes.stored import Damaged

TOLD = {
    "repro": "1.2",
    "commit": "c" * 40,
    "dirty": True,
    "python": "3.11.7",
    "packages": {"torch": "2.0"},
    "device_name": "a device",
    "precision": "fp32",
}


@pytest.fixture
def filled(home_store):
    """Two runs of digits in the environment above, one of made-up in none, one tiny."""
    for seed, seconds in ((0, 100.0), (1, 20.5)):
        run = fabricated.run("ft", seed, of=fabricated.of_digits())
        fabricated.finish(home_store, run, fabricated.checkpoint(), environment=TOLD, seconds={"total": seconds})
    fabricated.finish(home_store, fabricated.run("lp"), fabricated.checkpoint(), environment={}, seconds={"total": 3.0})
    fabricated.finish(home_store, fabricated.run("ft", of=fabricated.of_digits(tiny=True)), fabricated.checkpoint())
    return home_store


def test_sums_by_benchmark(filled):
    spent = costs.spent(filled, tiny=False)
    assert costs.by_benchmark(spent.values()) == (Sum("digits", 2, 120.5), Sum("made-up", 1, 3.0))
    assert len(costs.spent(filled, tiny=True)) == 1
    named = costs.spent(filled, tiny=False, benchmarks=["made-up"])
    assert [(run.key, run.seconds) for run in named.values()] == [(fabricated.run("lp").key, 3.0)]


def test_a_damaged_result_is_in_no_sum(filled):
    folder = filled.folder(fabricated.run("ft", 1, of=fabricated.of_digits()))
    (folder / "result.json").write_text("{")
    damaged: list[Damaged] = []
    assert costs.by_benchmark(costs.spent(filled, tiny=False, damaged=damaged).values()) == (
        Sum("digits", 1, 100.0),
        Sum("made-up", 1, 3.0),
    )
    assert [one.folder for one in damaged] == [folder]
    with pytest.raises(Damaged):
        costs.spent(filled, tiny=False)


def test_environments_are_counted_and_what_is_not_recorded_is_said(filled):
    assert costs.environments(costs.spent(filled, tiny=False).values()) == (
        (Environment("1.2 cccccccccccc changed", "3.11.7", "2.0", "a device", "fp32"), 2),
        (Environment(*[UNKNOWN] * 5), 1),
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (360_000, "100 h"), (4e6, "1,111 h")],
)
def test_durations(seconds, text):
    assert costs.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45, "45 s of the GPU"), (359, "6 min of the GPU"), (360, "0.1 GPU-hours"), (5e4, "14 GPU-hours"), (4e6, "1,111 GPU-hours")],
)
def test_hours_of_a_device(seconds, text):
    assert costs.device_hours(seconds, "GPU") == text
