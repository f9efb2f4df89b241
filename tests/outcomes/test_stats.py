"""Means and intervals over seeds."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from repro.outcomes.stats import INTERVAL, paper_interval, stdev, t_interval, t_outside, t_quantile, welch
from repro.papers import reported
from repro.papers.reported import Interval


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 29, 30, 99, 200])
@pytest.mark.parametrize("probability", [0.55, 0.75, 0.9, 0.95, 0.975, 0.995, 0.9999])
def test_the_quantile_is_scipys(freedom, probability):
    from scipy.stats import t

    assert t_quantile(freedom, probability) == pytest.approx(t.ppf(probability, freedom), rel=1e-9)


@pytest.mark.parametrize(("n", "printed"), [(2, 12.706), (3, 4.303), (5, 2.776), (10, 2.262)])
def test_the_quantile_is_that_of_printed_tables(n, printed):
    assert t_quantile(n - 1, 0.975) == pytest.approx(printed, abs=5e-4)


def test_an_interval_by_hand():
    estimate = t_interval([0.90, 0.92, 0.94])
    assert estimate.mean == pytest.approx(0.92)
    assert estimate.half == pytest.approx(4.302653 * 0.02 / 3**0.5, rel=1e-6)
    assert estimate.n == 3
    assert INTERVAL == "95 % t interval over seeds"


def test_one_seed_has_no_interval_and_equal_seeds_a_width_of_zero():
    assert t_interval([0.5]) == (0.5, None, 1)
    assert t_interval([0.5, 0.5, 0.5]) == (0.5, 0.0, 3)


def test_a_higher_confidence_is_wider():
    values = [0.1, 0.2, 0.4]
    halves = [t_interval(values, confidence).half for confidence in (0.5, 0.9, 0.95, 0.99)]
    assert halves == sorted(halves) and len(set(halves)) == 4


def test_the_deviation_is_that_of_pythons_statistics_to_the_last_bit():
    draw = random.Random(0)
    for _ in range(2000):
        values = [
            draw.choice([draw.random(), draw.gauss(0, 1e200), 1e-300 * draw.random(), draw.randrange(100) / 100])
            for _ in range(draw.randint(2, 9))
        ]
        assert stdev(values) == statistics.stdev(values)
    assert math.isnan(stdev([0.5, math.inf])) and math.isnan(stdev([math.nan, 0.5]))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_interval_covers_the_mean_as_often_as_it_says(n):
    """2,000 fabricated samples: 95 % ± 4 standard deviations of a share. The normal quantile (70 % at n = 2, 88 % at n = 5) would fail."""
    draw, trials, covered = random.Random(n), 2000, 0
    for _ in range(trials):
        estimate = t_interval([draw.gauss(0.8, 0.02) for _ in range(n)])
        covered += abs(estimate.mean - 0.8) <= estimate.half
    assert covered / trials == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / trials) ** 0.5)


@pytest.mark.parametrize(
    ("accuracies", "printed"),
    [
        ((0.928, 0.9195, 0.9205), "92.3 (0.4)"),  # FT
        ((0.825, 0.825, 0.830), "82.7 (0.2)"),  # LP
        ((0.9355, 0.9355, 0.934), "93.5 (0.1)"),  # LP-FT
    ],
)
def test_lp_fts_interval_is_the_one_printed_for_cifar_10_1(accuracies, printed):
    """Per seed as AnanyaKumar/transfer_learning@789da4d scripts/get_logits_for_ensembling.ipynb cell 12 records them; printed in Table 2."""
    estimate = paper_interval(accuracies, reported.publication("lp-ft").interval, "cifar10.1")
    assert f"{100 * estimate.mean:.1f} ({100 * estimate.half:.1f})" == printed
    assert estimate.n == 3


def test_the_papers_intervals_by_numpy():
    """What stands after ± of the same four numbers, by each paper's rule."""
    import numpy as np

    values = [0.5, 0.6, 0.8, 0.9]
    expected = {
        "lp-ft": 1.645 * np.std(values, ddof=1) / 2,
        "freeze-embed": 1.645 * np.std(values, ddof=1) / 2,
        "wilds": np.std(values, ddof=1),
        "autoft": np.std(values),
        "connect-later": np.std(values),
        "flyp": 1.96 * np.std(values, ddof=1) / 2,
        "wise-ft": None,
        "targeted-augs": None,
    }
    assert sorted(expected) == reported.papers()
    for paper, half in expected.items():
        rule = reported.publication(paper).interval
        estimate = paper_interval(values, rule)
        assert (estimate.mean, estimate.n) == (pytest.approx(0.7), 4)
        assert estimate.half == (half if half is None else pytest.approx(half, abs=1e-15))
        assert paper_interval([0.5], rule) == (0.5, None, 1)


def test_a_benchmark_may_divide_otherwise():
    rule = reported.publication("lp-ft").interval
    usual, other = (paper_interval([0.5, 0.6, 0.8], rule, benchmark).half for benchmark in ("living17", "cifar10.1"))
    assert usual == pytest.approx(other * 1.5**0.5)


def test_lp_fts_interval_covers_less_than_it_says():
    """Of three seeds: 76 % instead of 90 %."""
    draw, trials = random.Random(0), 4000
    rule = Interval(kind="ci90", factor=1.645, of_mean=True, ddof=1, source="made up")
    made = [paper_interval([draw.gauss(0, 1) for _ in range(3)], rule) for _ in range(trials)]
    assert sum(abs(one.mean) <= one.half for one in made) / trials == pytest.approx(0.76, abs=0.02)


@pytest.mark.parametrize("freedom", [1, 1.3, 2, 2.7, 4, 10, 57.3, 1000, float("inf")])
@pytest.mark.parametrize("t", [0.0, 0.01, 1.0, 2.2, 5.0, 40.0])
def test_the_p_value_is_scipys_for_fractions_of_a_degree_too(freedom, t):
    from scipy import stats

    expected = 2 * (stats.norm.sf(t) if freedom == float("inf") else stats.t.sf(t, freedom))
    assert t_outside(freedom, t) == pytest.approx(expected, rel=1e-9)
    assert t_outside(freedom, -t) == t_outside(freedom, t)


@pytest.mark.parametrize("freedom", [1e5, 1e7, 1e9, 1e12, 1e18, math.inf])
@pytest.mark.parametrize("value", [0.0, 1e-9, 0.16, 1.5, 1.96, 6.0])
def test_seeds_that_hardly_vary_leave_the_normal(freedom, value):
    """Where the sampling error of the examples is nearly all of a cell's error, Welch's degrees of freedom have no bound."""
    from scipy.stats import norm, t

    expected = norm.sf(value) if math.isinf(freedom) else t.sf(value, freedom)
    assert t_outside(freedom, value) == pytest.approx(2 * expected, abs=5e-8)


def test_welch_by_scipy():
    from scipy.stats import ttest_ind

    a, b = [0.1, 0.4, 0.35], [0.6, 0.2, 0.9, 1.4, 0.8]
    expected = ttest_ind(a, b, equal_var=False)
    error, freedom = welch(*((statistics.variance(side) / len(side), len(side) - 1) for side in (a, b)))
    assert freedom == pytest.approx(expected.df)
    assert t_outside(freedom, (statistics.fmean(a) - statistics.fmean(b)) / error) == pytest.approx(expected.pvalue)
    assert welch((4.0, float("inf"))) == (2.0, float("inf")), "a known variance"
    assert welch((0.0, 2)) == (0.0, float("inf"))
