"""What panels draw: looks that can be told apart, and axes in logits."""

from __future__ import annotations

import pytest

from repro.figures.panels import COLOURS, MARKERS, TICKS, _ends, _inside, _limits, _look
from repro.figures.robustness import logit
from repro.outcomes.stats import Estimate

OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}


def test_rows_differ_in_colour_and_marker():
    assert set(COLOURS) <= OKABE_ITO
    looks = [tuple(_look(index).values()) for index in range(len(COLOURS) * len(MARKERS))]
    assert len(set(looks)) == len(looks) == 63
    assert len({marker for _, marker in looks[: len(COLOURS)]}) == len(COLOURS), "in grey print too"


def test_a_logit_axis_holds_everything_that_has_a_logit():
    low, high = _limits([0.0, 0.2, 0.9, 1.0])
    assert low < logit(0.2) and high > logit(0.9)
    assert (_inside(0.0, (low, high)), _inside(1.0, (low, high)), _inside(-0.1, (low, high))) == (low, high, low)
    assert _inside(0.5, (low, high)) == 0.0
    assert _limits([1.0])[0] < _limits([1.0])[1]
    assert all(0 < tick < 100 for tick in TICKS)


def test_error_bars_end_where_the_interval_does_or_at_the_frame():
    limits = (logit(0.1), logit(0.95))
    ((below,), (above,)) = _ends(Estimate(0.8, 0.1, 3), limits)
    assert below == pytest.approx(logit(0.8) - logit(0.7)) and above == pytest.approx(logit(0.9) - logit(0.8))
    ((below,), (above,)) = _ends(Estimate(0.8, 0.9, 2), limits)
    assert below == pytest.approx(logit(0.8) - limits[0]) and above == pytest.approx(limits[1] - logit(0.8))
    assert _ends(Estimate(0.8, None, 1), limits) == [[0.0], [0.0]]
