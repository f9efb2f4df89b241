"""Means and intervals over seeds, and the test that two means differ. What another draw of the test set would change: bootstrap.py."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from repro.papers.reported import Interval

INTERVAL = "95 % t interval over seeds"
NORMAL = 1e7  # degrees of freedom from which on Student's t is the normal to 3e-8, and the gamma functions of its distribution lose more than that


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
    return Estimate(statistics.fmean(values), t_quantile(n - 1, (1 + confidence) / 2) * stdev(values) / math.sqrt(n), n)


def stdev(values: Sequence[float]) -> float:
    """As `statistics.stdev`: exact before it is rounded once. Its fractions take ten times as long, which large tables feel. NaN of values that are not all
    finite."""
    if not all(map(math.isfinite, values)):
        return math.nan
    ratios = [float(value).as_integer_ratio() for value in values]
    scale = max(below for _, below in ratios)  # each is a power of two
    whole = [above * (scale // below) for above, below in ratios]
    n = len(whole)
    return _root(n * sum(one * one for one in whole) - sum(whole) ** 2, n * (n - 1) * scale * scale)


def _root(above: int, below: int) -> float:
    """√(above/below), rounded once: integers of more bits than a float has, the last one set where the root is not exact."""
    shift = (above.bit_length() - below.bit_length() - 109) // 2
    above, below = (above, below << 2 * shift) if shift >= 0 else (above << -2 * shift, below)
    root = math.isqrt(above // below)
    root |= root * root * below != above
    return float(root << shift) if shift >= 0 else root / (1 << -shift)


def paper_interval(values: Sequence[float], rule: Interval | None, benchmark: str = "") -> Estimate:
    """The number after ± that a paper would print of these seeds, by the rule in its paper.toml: to compare with what is printed, not to
    judge by, for it covers what it says less often (1.645·s/√n of three seeds: 76 % instead of 90 %).

    mean ± factor·s, over √n where the rule is of the mean; s divides by n − ddof (by n − 1 where no source says), on some benchmarks by
    another. None as half-width: one seed, or no rule is known.
    """
    n = len(values)
    mean = statistics.fmean(values)
    if n < 2 or rule is None:
        return Estimate(mean, None, n)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - ddof_of(rule, benchmark)))
    return Estimate(mean, rule.factor * spread / (math.sqrt(n) if rule.of_mean else 1.0), n)


def ddof_of(rule: Interval, benchmark: str) -> int:
    """What a paper's s takes off n; 1 where no source says."""
    own = rule.ddof_on.get(benchmark, rule.ddof)
    return 1 if own is None else own


@cache
def t_quantile(freedom: float, probability: float) -> float:
    """Quantile of Student's t for probabilities above ½, by bisection of its distribution.

    Importing scipy for it would double the time that a table takes.
    """
    low, high = 0.0, 1.0
    while t_outside(freedom, high) > 2 * (1 - probability):
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_outside(freedom, middle) > 2 * (1 - probability) else (low, middle)
    return (low + high) / 2


def t_outside(freedom: float, t: float) -> float:
    """P(|T| > t) of Student's t: the two-sided p-value. `freedom` may be a fraction or infinite, as Welch's test needs."""
    if freedom >= NORMAL:
        return math.erfc(abs(t) / math.sqrt(2))
    if math.isinf(t):
        return 0.0
    square = t * t
    return _beta_share(freedom / 2, 0.5, freedom / (freedom + square), square / (freedom + square))


def _beta_share(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function I_x(a, b), with `rest` = 1 − x given exactly: its continued fraction where that converges
    fast, by symmetry elsewhere (DLMF 8.17.4, 8.17.22).
    """
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta_share(b, a, rest, x)
    if x == 0.0:
        return 0.0
    scale = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)) / a
    ratio_above, ratio_below, fraction = 1.0, 0.0, 1.0  # Lentz's method: ratios of successive numerators and denominators
    for term in range(1, 1000):
        m, odd = divmod(term, 2)
        near = a + 2 * m
        part = -(a + m) * (a + b + m) / (near * (near + 1)) * x if odd else m * (b - m) / ((near - 1) * near) * x
        ratio_below = 1.0 / (1.0 + part * ratio_below)
        ratio_above = 1.0 + part / ratio_above
        fraction *= ratio_above * ratio_below
        if abs(ratio_above * ratio_below - 1.0) < 1e-15:
            break
    return scale / fraction


def welch(*parts: tuple[float, float]) -> tuple[float, float]:
    """Standard error of a sum of independent parts and its degrees of freedom (Welch 1947, Satterthwaite 1946).

    A part is its squared standard error and the degrees of freedom with which that was estimated (infinite: known).
    """
    variance = math.fsum(part for part, _ in parts)
    lost = math.fsum(part * part / freedom for part, freedom in parts)
    return math.sqrt(variance), variance * variance / lost if lost > 0 else math.inf
