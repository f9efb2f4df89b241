"""Intervals over test examples, by brute force, by scipy and by closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repro.errors import UserError
from repro.outcomes import bootstrap as bootstrapping
from repro.outcomes.bootstrap import bootstrap, bootstrap_runs, paired_bootstrap, paired_bootstrap_runs
from repro.outcomes.metrics import accuracy, macro_f1, macro_recall

CLASSES = 6


def made_up(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Logits of two models that agree more often than chance, labels with rare classes, and five groups."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(CLASSES, size=count, p=[0.4, 0.25, 0.2, 0.1, 0.04, 0.01])
    truth = np.eye(CLASSES)[labels]
    shared = draw.normal(size=(count, CLASSES))
    a, b = (strength * truth + shared + 0.7 * draw.normal(size=shared.shape) for strength in (2.0, 1.6))
    return a, b, labels, draw.integers(0, 5, count)


A, B, LABELS, GROUPS = made_up()


def worst(labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray) -> float:
    return min(accuracy(labels[groups == group], predicted[groups == group]) for group in np.unique(groups[groups >= 0]))


METRICS = {
    "accuracy": lambda labels, predicted, groups: accuracy(labels, predicted),
    "macro_f1": lambda labels, predicted, groups: macro_f1(labels, predicted),
    "macro_recall": lambda labels, predicted, groups: macro_recall(labels, predicted),
    "worst_region": worst,
}
each_metric = pytest.mark.parametrize("metric", METRICS)


@each_metric
def test_the_value_is_the_metrics(metric):
    groups = np.where(GROUPS == 3, -1, GROUPS)
    assert bootstrap(metric, A, LABELS, groups, draws=10).mean == pytest.approx(
        METRICS[metric](LABELS, A.argmax(axis=1), groups), abs=1e-12
    )
    difference = METRICS[metric](LABELS, A.argmax(axis=1), groups) - METRICS[metric](LABELS, B.argmax(axis=1), groups)
    assert paired_bootstrap(metric, A, B, LABELS, groups, draws=10).mean == pytest.approx(difference, abs=1e-12)


@each_metric
def test_a_draw_is_the_metric_of_the_examples_drawn(metric):
    """Cells or clusters taken by known weights, against the metric of the examples repeated that often."""
    draw = np.random.default_rng(1)
    predicted, clusters = A.argmax(axis=1), draw.integers(0, 12, len(LABELS))
    weights = draw.multinomial(12, np.full(12, 1 / 12), size=20)
    strata = {"accuracy": np.zeros_like(LABELS), "worst_region": GROUPS}.get(metric, LABELS)
    columns = np.stack([strata, predicted == LABELS, *([predicted] if metric == "macro_f1" else [])])
    found = bootstrapping._Tally(metric, columns, clusters, 1).judge(weights.astype(float))[:, 0]
    for times, value in zip(weights, found, strict=True):
        taken = np.repeat(np.arange(len(LABELS)), times[clusters])
        assert value == pytest.approx(METRICS[metric](LABELS[taken], predicted[taken], GROUPS[taken]), abs=1e-12)


@each_metric
@pytest.mark.parametrize("clustered", [False, True])
def test_the_interval_is_that_of_drawing_examples_one_by_one(metric, clustered):
    draw = np.random.default_rng(2)
    clusters = np.arange(len(LABELS)) // 8 if clustered else np.arange(len(LABELS))
    predicted, other, values, differences = A.argmax(axis=1), B.argmax(axis=1), [], []
    for _ in range(2000):
        drawn = draw.integers(0, clusters.max() + 1, clusters.max() + 1)
        taken = np.concatenate([np.flatnonzero(clusters == one) for one in drawn]) if clustered else drawn
        values.append(METRICS[metric](LABELS[taken], predicted[taken], GROUPS[taken]))
        differences.append(values[-1] - METRICS[metric](LABELS[taken], other[taken], GROUPS[taken]))
    own = clusters if clustered else None
    found = bootstrap(metric, A, LABELS, GROUPS, own, draws=4000)
    width = np.std(values)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), abs=0.25 * width)
    pair = paired_bootstrap(metric, A, B, LABELS, GROUPS, own, draws=4000)
    assert (pair.low, pair.high) == pytest.approx(tuple(np.percentile(differences, [2.5, 97.5])), abs=0.25 * np.std(differences))


def test_the_interval_of_accuracy_is_scipys():
    from scipy.stats import bootstrap as of_scipy

    right = (A.argmax(axis=1) == LABELS).astype(float)
    expected = of_scipy((right,), np.mean, n_resamples=4000, method="percentile", rng=0).confidence_interval
    found = bootstrap("accuracy", A, LABELS, draws=4000)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_the_interval_of_accuracy_is_the_normal_ones():
    """4,000 examples: p ± 1.96·√(p(1 − p)/N); of a difference d with disagreements on a share q: √((q − d²)/N)."""
    a, b, labels, _ = made_up(4000, seed=3)
    right = [logits.argmax(axis=1) == labels for logits in (a, b)]
    p = right[0].mean()
    half = 1.96 * math.sqrt(p * (1 - p) / 4000)
    found = bootstrap("accuracy", a, labels, draws=8000)
    assert (found.low, found.high) == pytest.approx((p - half, p + half), abs=0.08 * half)
    share, d = (right[0] != right[1]).mean(), right[0].mean() - right[1].mean()
    half = 1.96 * math.sqrt((share - d * d) / 4000)
    pair = paired_bootstrap("accuracy", a, b, labels, draws=8000)
    assert (pair.low, pair.high) == pytest.approx((d - half, d + half), abs=0.08 * half)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """600 test sets of 300 examples: 95 % but for the discreteness of so few; p below 5 % as seldom where both models are equally good."""
    draw, covered, rejected = np.random.default_rng(4), 0, 0
    for trial in range(600):
        right = (draw.random((2, 300)) < 0.7).astype(int)
        found = bootstrap_runs("accuracy", [right[0]], np.ones(300, dtype=int), draws=400, seed=trial)
        covered += found.low <= 0.7 <= found.high
        rejected += paired_bootstrap_runs("accuracy", [(right[0], right[1])], np.ones(300, dtype=int), draws=400, seed=trial).p < 0.05
    assert covered / 600 == pytest.approx(0.95, abs=0.03)
    assert rejected / 600 <= 0.05 + 3 * (0.05 * 0.95 / 600) ** 0.5


def test_clusters_that_err_together_widen_the_interval():
    """Ten copies of each of 100 examples: as many as 100, whatever their number."""
    right = np.random.default_rng(5).random(100) < 0.7
    copies, clusters, labels = np.repeat(right, 10).astype(int), np.repeat(np.arange(100), 10), np.ones(1000, dtype=int)
    alone = bootstrap_runs("accuracy", [right.astype(int)], np.ones(100, dtype=int), draws=4000)
    naive, clustered = (bootstrap_runs("accuracy", [copies], labels, clusters=own, draws=4000) for own in (None, clusters))
    assert clustered.high - clustered.low == pytest.approx(alone.high - alone.low, rel=0.07)
    assert naive.high - naive.low == pytest.approx((alone.high - alone.low) / 10**0.5, rel=0.1)


@each_metric
def test_several_runs_are_averaged_over_the_same_draws(metric):
    """A run beside itself changes nothing; a pair and its reverse are level in every draw."""
    a, b = A.argmax(axis=1), B.argmax(axis=1)
    once = paired_bootstrap_runs(metric, [(a, b)], LABELS, GROUPS, GROUPS, draws=200)
    assert paired_bootstrap_runs(metric, [(a, b)] * 3, LABELS, GROUPS, GROUPS, draws=200) == pytest.approx(once)
    level = paired_bootstrap_runs(metric, [(a, b), (b, a)], LABELS, GROUPS, draws=200)
    assert level[:3] == pytest.approx((0, 0, 0), abs=1e-12) and level.p > 0.05
    assert paired_bootstrap(metric, A, A, LABELS, GROUPS, draws=200) == (0, 0, 0, 1, 200)


def test_p_counts_the_observed_draw():
    right, wrong = np.ones(50, dtype=int), np.zeros(50, dtype=int)
    assert paired_bootstrap_runs("accuracy", [(right, wrong)], right, draws=999) == (1, 1, 1, 0.002, 999)


def test_the_same_seed_draws_the_same(monkeypatch):
    first = bootstrap("macro_f1", A, LABELS, draws=300)
    assert bootstrap("macro_f1", A, LABELS, draws=300) == first != bootstrap("macro_f1", A, LABELS, draws=300, seed=1)
    monkeypatch.setattr(bootstrapping, "_ENTRIES", 1000)  # a few draws at a time
    assert bootstrap("macro_f1", A, LABELS, draws=300) == first


def test_what_cannot_be_resampled():
    with pytest.raises(UserError, match="there is no metric 'acuracy'") as caught:
        bootstrap("acuracy", A, LABELS)
    assert caught.value.why == "did you mean 'accuracy'?"
    with pytest.raises(ValueError, match="worst_region needs the examples' groups"):
        bootstrap("worst_region", A, LABELS)
