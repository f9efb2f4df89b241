"""What another draw of the test set would change: intervals of a metric, and of a difference between methods, by resampling examples.

This is not the interval over seeds of stats.py: that one asks what another training would give on these examples, this one what these
trainings would give on other examples. The two are never added up or shown under one caption.

Examples that look alike to a metric (same class or group, predicted alike) are one cell, and resampling N examples draws the cells' counts
from a multinomial: the same distribution as drawing examples one by one (Efron 1979), at a fraction of the cost. Where examples come in
clusters that share their errors – the frames of one camera – whole clusters are drawn instead (Field & Welsh 2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from repro.errors import unknown
from repro.outcomes.metrics import BY_NAME, WORST

if TYPE_CHECKING:
    import numpy as np

DRAWS = 1000
_ENTRIES = 4_000_000  # cells × draws held at a time: 32 MB


class Sampled(NamedTuple):
    """A metric of the test set as it is, as a fraction, and the 95 % interval (2.5 to 97.5 percentile) over `draws` resampled ones."""

    mean: float
    low: float
    high: float
    draws: int


class Difference(NamedTuple):
    """The same of a difference a − b; `p`: twice the share of draws on the rarer side of zero, counting the observed one (Davison & Hinkley
    1997, section 4.2: never below 1/(draws + 1)).
    """

    mean: float
    low: float
    high: float
    p: float
    draws: int


def bootstrap(
    metric: str,
    logits: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    clusters: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Sampled:
    """The uncertainty of one model's metric that comes from the choice of test examples.

    `logits` (N, K), `labels` (N,). `metric` is accuracy, macro_f1, macro_recall, or worst_<grouping> with the example's group in `groups`
    (N,), negative where that group does not count. `clusters` (N,): numbers of the clusters that are drawn whole; None: examples are drawn.
    A class or group that a draw lacks is left out of that draw's mean or minimum, as metrics.py leaves it out.
    """
    return bootstrap_runs(metric, [logits.argmax(axis=1)], labels, groups, clusters, draws, seed)


def paired_bootstrap(
    metric: str,
    a: np.ndarray,
    b: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    clusters: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """The difference of two models on the same examples, `a` and `b` (N, K) logits: each draw takes the same examples for both."""
    return paired_bootstrap_runs(metric, [(a.argmax(axis=1), b.argmax(axis=1))], labels, groups, clusters, draws, seed)


def bootstrap_runs(
    metric: str,
    predicted: Sequence[np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    clusters: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Sampled:
    """`bootstrap` of a mean over several runs, from the classes (N,) that each predicted: every draw takes the same examples for all."""
    observed, drawn = _resample(metric, predicted, labels, groups, clusters, draws, seed)
    return Sampled(float(observed.mean()), *_percentiles(drawn.mean(axis=1)), draws)


def paired_bootstrap_runs(
    metric: str,
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    clusters: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """`paired_bootstrap` of a mean over pairs of runs, from the classes (N,) that each predicted."""
    observed, drawn = _resample(metric, [run for pair in pairs for run in pair], labels, groups, clusters, draws, seed)
    differences = (drawn[:, ::2] - drawn[:, 1::2]).mean(axis=1)
    rarer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    p = min(1.0, 2 * (rarer + 1) / (draws + 1))
    return Difference(float((observed[::2] - observed[1::2]).mean()), *_percentiles(differences), p, draws)


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    import numpy as np

    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _resample(
    metric: str,
    predicted: Sequence[np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray | None,
    clusters: np.ndarray | None,
    draws: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The metric of each of R runs on the examples as they are (R,), and on each draw (draws, R)."""
    import numpy as np

    if metric not in BY_NAME and not metric.startswith(WORST):
        raise unknown("metric", metric, BY_NAME, "repro show KEY")
    if metric.startswith(WORST) and groups is None:
        raise ValueError(f"{metric} needs the examples' groups")
    runs = np.stack([np.asarray(run, dtype=np.int64) for run in predicted])
    groups = groups if metric.startswith(WORST) else None
    counted = np.ones(len(labels), dtype=bool) if groups is None else np.asarray(groups) >= 0
    labels, runs = np.asarray(labels)[counted], runs[:, counted]
    strata = labels if metric.startswith("macro_") else np.asarray(groups)[counted] if groups is not None else np.zeros_like(labels)
    columns = np.concatenate([strata[None], runs == labels, *([runs] if metric == "macro_f1" else [])])
    if clusters is None:
        columns, counts = np.unique(columns, axis=1, return_counts=True)
        units, chances, taken = np.arange(len(counts)), counts / counts.sum(), int(counts.sum())
    else:
        _, units = np.unique(np.asarray(clusters)[counted], return_inverse=True)
        taken = int(units.max()) + 1
        counts, chances = np.ones(taken), np.full(taken, 1 / taken)
    tally = _Tally(metric, columns, units, len(runs))
    observed = tally.judge(counts[None].astype(float))[0]
    return observed, np.concatenate([tally.judge(weights) for weights in _weights(chances, taken, draws, seed)])


def _weights(chances: np.ndarray, taken: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """How often each unit is drawn, (some draws, units) at a time."""
    import numpy as np

    generator = np.random.default_rng(seed)
    step = max(1, _ENTRIES // len(chances))
    for start in range(0, draws, step):
        yield generator.multinomial(taken, chances, size=min(step, draws - start)).astype(float)


class _Tally:
    """Counts per stratum – class or group – of what each unit adds when it is drawn once.

    `columns` (1 + R or 1 + 2R, n): the stratum, whether each run is right, and for macro F1 what it predicted; `units` (n,).
    """

    def __init__(self, metric: str, columns: np.ndarray, units: np.ndarray, runs: int):
        from scipy.sparse import csr_array

        self.metric = metric
        said = columns[1 + runs :]
        size = 1 + int(max(columns[0].max(), said.max(initial=0)))
        shape = (size, int(units.max()) + 1)

        def count(strata: np.ndarray, amount: np.ndarray):
            return csr_array((amount.astype(float), (strata, units)), shape=shape)

        ones = columns[0] * 0 + 1
        self.present = count(columns[0], ones)
        self.hits = [count(columns[0], right) for right in columns[1 : 1 + runs]]
        self.said = [count(classes, ones) for classes in said]

    def judge(self, weights: np.ndarray) -> np.ndarray:
        """The metric of each run (draws, R) where the units are taken as often as `weights` (draws, units) says."""
        import numpy as np

        times = np.ascontiguousarray(weights.T)
        present = self.present @ times
        there = present > 0
        judged = []
        for run, hits in enumerate(self.hits):
            found = hits @ times
            ratio = 2 * found / np.where(there, present + self.said[run] @ times, 1) if self.said else found / np.where(there, present, 1)
            if self.metric.startswith(WORST):
                judged.append(np.where(there, ratio, np.inf).min(axis=0))
            else:
                judged.append(np.where(there, ratio, 0).sum(axis=0) / there.sum(axis=0))
        return np.stack(judged, axis=1)
