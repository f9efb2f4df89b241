"""Verdicts on cells: by hand, by scipy, and how often they err over simulated tables."""

from __future__ import annotations

import math
import random
import statistics
import subprocess
import sys

import pytest
from simulated_cells import reported

from repro.papers import reported as papers
from repro.papers.reported import Interval
from repro.papers.verdicts import ABOVE, BELOW, MATCH, NOT_COMPARABLE, NOT_RUN, VERDICTS, WITHIN, Outcome, compare, holm

DIFFERENT = (ABOVE, BELOW)
LP_FT = papers.publication("lp-ft").interval


# what is said of a cell


def test_the_verdicts_are_these_words():
    assert VERDICTS == ("match", "within noise", "above", "below", "not comparable", "not run", "failed")


def test_a_cell_in_which_seeds_agree_with_what_is_printed():
    outcome = compare(reported("77.8", spread="0.7", spread_kind="ci90"), [77.7, 77.9, 77.8])
    assert outcome.verdict == WITHIN, "the printed interval itself reaches a point"
    outcome = compare(reported("77.8", spread="0.2", spread_kind="ci90"), [77.7, 78.0, 78.1])
    assert outcome.verdict == MATCH and outcome.p > 0.5
    assert outcome.delta == pytest.approx(0.1333, abs=1e-4)
    assert outcome.why == "1 point or more is excluded (3 seeds and the printed spread)"


def test_few_scattered_seeds_are_noise_and_not_a_match():
    outcome = compare(reported("77.8", spread="0.7", spread_kind="ci90"), [75.0, 78.0, 80.5])
    assert outcome.verdict == WITHIN and abs(outcome.delta) < 0.1


@pytest.mark.parametrize(("values", "verdict"), [([80.1, 80.3, 80.2], ABOVE), ([74.1, 74.3, 74.2], BELOW)])
def test_what_no_seed_explains_is_above_or_below(values, verdict):
    outcome = compare(reported("77.2", spread="0.3", spread_kind="ci90"), values)
    assert outcome.verdict == verdict and outcome.p < 0.05
    assert outcome.delta == pytest.approx(statistics.fmean(values) - 77.2)


@pytest.mark.parametrize(
    ("changes", "options", "why", "delta"),
    [
        ({}, {"tiny": True}, "tiny subset", None),
        ({}, {"comparable": "another backbone"}, "another backbone", None),
        ({"above": True}, {}, "the source says only more than 77.8", None),
        ({"metric": "rmse"}, {}, "not in percent", None),
        ({"value": None, "spread": "0.7"}, {}, "only the spread is known", None),
        ({"confidence": "recalled"}, {}, "recalled", 0.2),
        ({}, {"measured": [78.0]}, "fewer than 2 seeds: --seeds 3 runs more", 0.2),
    ],
)
def test_what_cannot_be_compared_says_why(changes, options, why, delta):
    value = changes.pop("value", "77.8")
    outcome = compare(reported(value, **changes), options.pop("measured", [77.9, 78.1]), **options)
    assert outcome == (NOT_COMPARABLE, delta if delta is None else pytest.approx(delta), why, None)


def test_nothing_measured_is_not_run():
    assert compare(reported("77.8"), []) == (NOT_RUN, None, "", None)


def test_no_recalled_number_takes_part_in_a_verdict():
    """Whatever is measured beside them, over all that the papers report."""
    recalled = [entry for paper in papers.papers() for entry in papers.load(paper) if entry.confidence == "recalled"]
    assert len(recalled) >= 200
    for entry in recalled:
        value = float(entry.value or 50)
        for measured in ([value] * 3, [value + 9] * 3):
            outcome = compare(entry, measured)
            assert outcome.verdict == NOT_COMPARABLE and outcome.p is None


def test_every_verified_percentage_can_be_compared():
    found = [
        (entry, papers.publication(paper).interval)
        for paper in papers.papers()
        for entry in papers.load(paper)
        if entry.confidence == "verified"
    ]
    percent = [
        (entry, rule) for entry, rule in found if entry.value is not None and not entry.above and entry.metric not in ("rmse", "distance")
    ]
    assert len(percent) >= 700
    for entry, rule in percent:
        value = float(entry.value)
        assert compare(entry, [value - 0.01, value, value + 0.01], rule=rule).verdict in (MATCH, WITHIN)
        assert compare(entry, [value + 79.99, value + 80, value + 80.01], rule=rule).verdict == ABOVE


# the numbers behind it


def test_the_p_value_is_welchs_with_the_widest_spread_that_is_printed_so():
    from scipy.stats import ttest_ind_from_stats

    measured = [80.0, 80.6, 79.7]
    for printed, rule, deviation in [
        ({"spread": "0.7", "spread_kind": "ci90"}, None, 0.75 / 1.645 * 3**0.5),
        ({"spread": "0.7", "spread_kind": "ci90"}, LP_FT, 0.75 / 1.645 * 3**0.5),
        ({"spread": "0.7", "spread_kind": "ci90", "benchmark": "cifar10.1"}, LP_FT, 0.75 / 1.645 * 3**0.5 * 1.5**0.5),
        ({"spread": "0.7", "spread_kind": "ci95"}, None, 0.75 / 1.96 * 3**0.5),
        ({"spread": "0.7", "spread_kind": "std"}, None, 0.75),
        ({"spread": "0.70", "spread_kind": "std"}, Interval(kind="std", factor=1, of_mean=False, ddof=0, source=""), 0.705 * 1.5**0.5),
    ]:
        outcome = compare(reported("79.0", **printed), measured, rule=rule)
        expected = ttest_ind_from_stats(
            statistics.fmean(measured) - 79.0 - 0.05, statistics.stdev(measured), 3, 0, deviation, 3, equal_var=False
        )
        assert outcome.p == pytest.approx(expected.pvalue, rel=1e-9)
        assert outcome.why.endswith("(3 seeds and the printed spread)")


@pytest.mark.parametrize("runs", [None, 1, 3])
@pytest.mark.parametrize("spread", [{}, {"spread": "0.4", "spread_kind": "unknown"}])
def test_without_a_usable_spread_the_papers_seeds_are_taken_to_vary_as_ours(runs, spread):
    from scipy.stats import t

    outcome = compare(reported("79.0", seeds=runs, **spread), [80.0, 80.6, 79.7])
    error = statistics.stdev([80.0, 80.6, 79.7]) * (1 / 3 + 1 / (runs or 1)) ** 0.5
    assert outcome.p == pytest.approx(2 * t.sf((1.1 - 0.05) / error, 2), rel=1e-9)
    assert f"taken as ours, of {runs or 1} run" in outcome.why


def test_a_standard_deviation_over_an_unknown_number_of_runs_is_not_usable():
    known, unknown = (compare(reported("79.0", seeds=runs, spread="0.1", spread_kind="std"), [80.0, 80.6, 79.7]) for runs in (3, None))
    assert "printed spread" in known.why and "no usable spread" in unknown.why


def test_test_examples_widen_only_what_has_no_spread_and_is_a_share():
    measured = [80.0, 80.1, 79.9]
    alone, sampled = (compare(reported("79.0"), measured, examples=examples) for examples in (None, 1000))
    assert alone.verdict == ABOVE and sampled.verdict == WITHIN and "1000 examples" in sampled.why
    assert compare(reported("79.0", metric="macro_f1"), measured, examples=1000).p == alone.p
    printed = reported("79.0", spread="0.1", spread_kind="std")
    assert compare(printed, measured, examples=1000) == compare(printed, measured)


def test_where_nothing_is_random_one_run_is_enough():
    """The error is that of the share alone: 100·√(0.5·0.5/2500) = 1 point."""
    assert compare(reported("50.0"), [50.04], seeded=False).verdict == MATCH
    assert compare(reported("50.0"), [52.0], seeded=False) == (
        ABOVE,
        2.0,
        "p = 0 (1 seed; no usable spread is printed: taken as ours, of 3 runs)",
        0.0,
    )
    outcome = compare(reported("50.0"), [52.0], seeded=False, examples=2500)
    assert outcome.verdict == WITHIN and outcome.p == pytest.approx(math.erfc(1.95 / 2**0.5))


def test_rounding_alone_is_never_a_difference():
    """Seeds that do not vary at all, anywhere within half a printed unit."""
    for offset in (-0.0499, 0.0, 0.0499):
        outcome = compare(reported("91.8", spread="0.0", spread_kind="ci90"), [91.8 + offset] * 3)
        assert outcome.verdict == MATCH and outcome.p == 1.0
    assert compare(reported("92"), [92.4, 92.4, 92.4]).verdict == MATCH


# holm


def outcomes(*ps: float | None) -> list[Outcome]:
    return [Outcome(NOT_RUN, None, "", None) if p is None else Outcome(ABOVE if p < 0.05 else WITHIN, 1.0, f"p = {p}", p) for p in ps]


def test_holm_by_hand():
    """Five tested cells: 0.004·5 and 0.012·4 are below 5 %, 0.02·3 is not."""
    made = holm(outcomes(0.02, 0.004, None, 0.6, 0.012, 0.04))
    assert [outcome.verdict for outcome in made] == [WITHIN, ABOVE, NOT_RUN, WITHIN, ABOVE, WITHIN]
    assert made[0].why == "p = 0.02; above alone, but not among 5 cells (Holm)" and made[0].p == 0.02
    assert made[3].why == "p = 0.6"
    assert holm([]) == ()


def test_holm_by_its_definition():
    """A cell survives where the largest p·(number of cells not smaller) up to it is below the level."""
    draw = random.Random(3)
    for _ in range(200):
        ps = [draw.random() ** 4 for _ in range(8)]
        ordered = sorted(ps)
        survives = {p: max(q * (8 - rank) for rank, q in enumerate(ordered) if q <= p) < 0.05 for p in ps}
        assert [outcome.verdict == ABOVE for outcome in holm(outcomes(*ps))] == [survives[p] for p in ps]


def test_a_match_stays_a_match():
    match = Outcome(MATCH, 0.1, "", 0.03)
    assert holm([match, *outcomes(0.001)])[0] == match


def test_nothing_heavy_is_imported():
    script = "import sys, repro.papers.verdicts; print(sorted({'numpy', 'torch', 'scipy', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
