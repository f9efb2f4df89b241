"""Means and intervals over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

INTERVAL = "95 % t interval over seeds"


class Estimate(NamedTuple):
    """Mean over `n` seeds and the half-width of its interval (None for fewer than two)."""

    mean: float
    half: float | None
    n: int


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean ± t(n−1)·s/√n with s of n−1 degrees of freedom: where seeds are a normal sample, it covers their mean `confidence` of the time."""
    n = len(values)
    if n < 2:
        return Estimate(values[0], None, n)
    return Estimate(statistics.fmean(values), t_quantile(n - 1, (1 + confidence) / 2) * statistics.stdev(values) / math.sqrt(n), n)


def lp_ft_interval(values: Sequence[float], ddof: int) -> Estimate:
    """The interval that LP-FT prints: mean ± 1.645·s/√n, 90 % of a normal distribution, labelled "(stddev)" by the authors' scripts.

    s divides by n − `ddof`: 1 in the tables (AnanyaKumar/transfer_learning@36fb2ef scripts/summarize_all_results.py:40, pandas' std), 0 for
    CIFAR-10.1 (@789da4d scripts/get_logits_for_ensembling.ipynb cells 7-12, numpy's std). With three seeds it covers their mean less often
    than 90 % of the time; it is here to compare with what is printed.
    """
    n = len(values)
    if n < 2:
        return Estimate(values[0], None, n)
    mean = statistics.fmean(values)
    return Estimate(mean, 1.645 * math.sqrt(sum((value - mean) ** 2 for value in values) / (n - ddof) / n), n)


def t_quantile(freedom: int, probability: float) -> float:
    """Quantile of Student's t for probabilities above ½: the finite series of its distribution for whole degrees of freedom
    (Abramowitz and Stegun 26.7.3-4), inverted by bisection. Importing scipy for it would double the time that a table takes.
    """
    low, high = 0.0, 1.0
    while _t_within(freedom, high) < 2 * probability - 1:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(freedom, middle) < 2 * probability - 1 else (low, middle)
    return (low + high) / 2


def _t_within(freedom: int, t: float) -> float:
    """P(|T| < t)."""
    angle = math.atan(t / math.sqrt(freedom))
    square = math.cos(angle) ** 2
    odd = freedom % 2 == 1
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for k in range(2 if odd else 1, freedom, 2):
        total += term
        term *= k / (k + 1) * square
    partial = math.sin(angle) * total
    return 2 / math.pi * (angle + partial) if odd else partial
