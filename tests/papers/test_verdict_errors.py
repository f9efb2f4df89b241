"""How often verdicts err, over simulated cells and tables."""

from __future__ import annotations

import math
import random

import pytest
from simulated_cells import cell, rate

from repro.papers.verdicts import ABOVE, BELOW, MATCH, holm

DIFFERENT = (ABOVE, BELOW)
TRIALS = 5000


def allowed(share: float, trials: int) -> float:
    """A share and three standard deviations of its estimate."""
    return share + 3 * math.sqrt(share * (1 - share) / trials)


@pytest.mark.parametrize("deviation", [0.02, 0.3, 1.0, 3.0])
@pytest.mark.parametrize(
    "printed", [{"kind": "ci90"}, {"kind": "std"}, {"kind": "ci90", "stated": False}, {"kind": ""}, {"kind": "", "runs": 1}]
)
def test_equal_means_are_seldom_called_different(deviation, printed):
    """0.02 points are known by their rounding alone: printed as 0.0."""
    assert rate(DIFFERENT, TRIALS, theirs=deviation, ours=deviation, **printed) <= allowed(0.05, TRIALS)


@pytest.mark.parametrize(("theirs", "ours", "worst"), [(0.1, 1.0, 0.058), (0.3, 1.0, 0.059), (1.0, 0.3, 0.059), (1.0, 0.1, 0.058)])
def test_of_seeds_that_vary_differently_no_more_than_welchs_own_error(theirs, ours, worst):
    assert rate(DIFFERENT, TRIALS, theirs=theirs, ours=ours) <= allowed(worst, TRIALS)
    assert rate(DIFFERENT, TRIALS, theirs=2.0, ours=1.0, seeds=10) <= allowed(0.072, TRIALS)


def test_what_is_written_down_of_a_paper_that_hides_larger_spreads_than_ours():
    assert rate(DIFFERENT, TRIALS, theirs=3.0, ours=1.0, kind="") == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("printed", "power"),
    [
        ({"kind": "ci90"}, (0.11, 0.33, 0.97)),
        ({"kind": ""}, (0.11, 0.28, 0.85)),
        ({"kind": "", "runs": 1, "stated": False}, (0.08, 0.17, 0.62)),
        ({"kind": "ci90", "seeds": 10}, (0.20, 0.55, 0.98)),
    ],
)
def test_the_power_that_is_written_down(printed, power):
    found = [rate(DIFFERENT, 3000, shift=shift, **printed) for shift in (1, 2, 5)]
    assert found == pytest.approx(power, abs=0.035)


@pytest.mark.parametrize("deviation", [0.1, 0.3, 0.5, 1.0])
def test_a_difference_of_one_point_is_seldom_a_match(deviation):
    assert rate((MATCH,), TRIALS, shift=1.0, theirs=deviation, ours=deviation) <= 0.05
    assert rate((MATCH,), 1000, theirs=0.1, ours=0.1) > 0.99, "and what is equal is found to be"


def test_a_whole_table_of_equal_means_seldom_has_one_that_is_called_different():
    """2,000 tables of 20 cells: without correction about 4 in 10 of them have one."""
    draw, tables = random.Random(5), 2000
    made = [[cell(draw) for _ in range(20)] for _ in range(tables)]
    raw = sum(any(outcome.verdict in DIFFERENT for outcome in table) for table in made) / tables
    corrected = sum(any(outcome.verdict in DIFFERENT for outcome in holm(table)) for table in made) / tables
    assert raw > 0.3
    assert corrected <= allowed(0.05, tables)
