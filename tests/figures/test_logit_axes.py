"""Axes in logits hold everything that has a logit, and error bars that have none end at the frame."""

from __future__ import annotations

import pytest

from repro.figures.logit_axes import TICKS, error_bar, inside, label, limits_of
from repro.figures.robustness import logit
from repro.outcomes.stats import Estimate


def test_a_logit_axis_holds_everything_that_has_a_logit():
    low, high = limits_of([0.0, 0.2, 0.9, 1.0])
    assert low < logit(0.2) and high > logit(0.9)
    assert (inside(0.0, (low, high)), inside(1.0, (low, high)), inside(-0.1, (low, high))) == (low, high, low)
    assert inside(0.5, (low, high)) == 0.0
    assert limits_of([1.0])[0] < limits_of([1.0])[1]
    assert all(0 < tick < 100 for tick in TICKS)


def test_error_bars_end_where_the_interval_does_or_at_the_frame():
    limits = (logit(0.1), logit(0.95))
    ((below,), (above,)) = error_bar(Estimate(0.8, 0.1, 3), limits)
    assert below == pytest.approx(logit(0.8) - logit(0.7)) and above == pytest.approx(logit(0.9) - logit(0.8))
    ((below,), (above,)) = error_bar(Estimate(0.8, 0.9, 2), limits)
    assert below == pytest.approx(logit(0.8) - limits[0]) and above == pytest.approx(limits[1] - logit(0.8))
    assert error_bar(Estimate(0.8, None, 1), limits) == [[0.0], [0.0]]


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ([0.05, 0.99], ["5", "10", "20", "50", "80", "90", "95", "98", "99"]),
        ([0.85, 0.9], ["80", "90"]),
    ],
)
def test_labels_do_not_run_into_each_other(shares, said):
    class Axis:
        def set_ticks(self, places, labels):
            self.places, self.labels = places, labels

    axis, limits = Axis(), limits_of(shares)
    label(axis, limits)
    assert axis.labels == said
    assert axis.places == [logit(float(text) / 100) for text in said]
    gaps = [after - before for before, after in zip(axis.places, axis.places[1:], strict=False)]
    assert min(gaps) >= (limits[1] - limits[0]) / 14
