"""Two runs, or two rows of a table, on the same examples: how far apart they are, and what could turn that round. No torch.

Two questions, two intervals, never one from both: would it be so on other examples, with these trainings (bootstrap.py, each draw taking the
same examples for both sides and for all seeds); and would it be so when trained again, on these examples (a t interval of the differences
between runs of equal seeds).
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, NamedTuple

from repro.data.receipt import hash_file
from repro.display.tables import rule_of
from repro.errors import UserError, quoted, unknown
from repro.outcomes.bootstrap import Difference, paired_bootstrap_runs
from repro.outcomes.metrics import WORST, is_share, restrict, title
from repro.outcomes.pairing import Pairs
from repro.outcomes.selection import PAPER, headline, select
from repro.outcomes.stats import Estimate, t_interval
from repro.types import Checkpoint, Result, Split

if TYPE_CHECKING:
    import numpy as np

    from repro.outcomes.store import Store

# Benchmarks whose test examples are not drawn one by one: group → what the whole clusters are. In iWildCam the frames of a camera share
# background, light and often the animal, and cameras are what wilds draws its test set of (p-lambda/wilds@4726775 iwildcam_dataset.py:23-30).
# FMoW's domains are year × region (fmow_dataset.py:170): five regions that are reported one by one are strata, not a sample, and two test
# years are too few to draw from; so its images are drawn. Camelyon17's slides are not kept with its predictions: patches are drawn, and
# patches of one slide are alike, so its interval is too narrow.
CLUSTERS = {"iwildcam": ("location", "cameras")}


class Compared(NamedTuple):
    """One split, as fractions: the means `a` and `b` over runs, the difference with its interval over the test set's examples (`drawn`: what
    is resampled), the same with its interval over seeds, and both in words.
    """

    split: str
    metric: str
    a: float
    b: float
    examples: Difference
    drawn: str
    seeds: Estimate
    sentence: str


def compare(store: Store, pairs: Pairs, rule: str = PAPER, split: str | None = None, draws: int = 1000) -> list[Compared]:
    """Every reported split that was judged, or the one named, by its headline metric at the checkpoints that `rule` selects, as in a table."""
    return [_split(store, pairs, rule, one, draws) for one in _splits(pairs, split)]


def _splits(pairs: Pairs, asked: str | None) -> list[Split]:
    judged = [split for split in pairs.benchmark.splits if all(split.name in run.checkpoints[-1].metrics for run in pairs.runs)]
    if asked is None:
        return [split for split in judged if split.column]
    if asked not in [split.name for split in judged]:
        raise unknown("split judged by both", asked, [split.name for split in judged], "repro compare A B, for all of them")
    return [split for split in judged if split.name == asked]


def _split(store: Store, pairs: Pairs, rule: str, split: Split, draws: int) -> Compared:
    benchmark = pairs.benchmark
    metric = benchmark.metric_of(split)
    if not is_share(metric):
        raise UserError(
            f"{benchmark.name} is measured by {title(metric)}",
            "only shares of right predictions are compared",
            f"repro table {benchmark.name}",
        )
    points = {run.key: select(run.checkpoints, rule_of(run.run, rule), benchmark) for run in pairs.runs}
    values = {run.key: headline(points[run.key], split, benchmark) for run in pairs.runs}
    kept = {run.key: _Kept(store, run, points[run.key], split.name) for run in pairs.runs}
    first = kept[pairs.pairs[0][0].key]
    for other in kept.values():
        other.require_examples_of(first)
    group, drawn = CLUSTERS.get(benchmark.name, ("", "examples"))
    found = paired_bootstrap_runs(
        metric,
        [(kept[a.key].predicted, kept[b.key].predicted) for a, b in pairs.pairs],
        first.labels,
        first.counted(metric) if metric.startswith(WORST) else None,
        first.group(group) if group else None,
        draws,
    )
    seeds = t_interval([values[a.key] - values[b.key] for a, b in pairs.pairs])
    mean_a, mean_b = (sum(values[pair[side].key] for pair in pairs.pairs) / len(pairs.pairs) for side in (0, 1))
    return Compared(split.name, metric, mean_a, mean_b, found, drawn, seeds, sentence(pairs.a, pairs.b, split.name, found, drawn, seeds))


def sentence(a: str, b: str, split: str, examples: Difference, drawn: str, seeds: Estimate) -> str:
    """What the two intervals say, in words."""
    points = 100 * examples.mean
    if round(abs(points), 1) == 0:
        start = f"{a} and {b} are equal on {split} to a tenth of a point"
    else:
        start = f"{a} is {abs(points):.1f} points {'above' if points > 0 else 'below'} {b} on {split}"
    firm = examples.low > 0 or examples.high < 0
    if seeds.half is None:
        rest = f"other {drawn} would {'hardly' if firm else 'perhaps'} change the sign; one pair of runs says nothing of another training"
    else:
        again = abs(seeds.mean) > seeds.half
        rest = {
            (True, True): f"neither other {drawn} nor another training would be likely to change the sign",
            (True, False): f"other {drawn} would hardly change the sign, another training might",
            (False, True): f"another training would hardly change the sign, other {drawn} might",
            (False, False): f"other {drawn} or another training might change the sign, so no difference is shown",
        }[firm, again]
    return f"{start}: {rest}."


class _Kept:
    """What a run's predictions.npz has of a split: `predicted` and `labels` (N,)."""

    def __init__(self, store: Store, run: Result, point: Checkpoint, split: str):
        import numpy as np

        self.run, self.split = run, split
        self.path = store.folder(run.run) / "predictions.npz"
        try:
            if self.path.name in run.files and hash_file(self.path)["sha256"] != run.files[self.path.name]:
                raise ValueError("its hash is not the one that the run's result records")
            with np.load(self.path) as arrays:
                self.predicted = restrict(arrays[f"{point.name}/{split}"], run.run.benchmark.split(split).classes).argmax(axis=1)
                self.labels = arrays[f"labels/{split}"]
                prefix = f"groups/{split}/"
                self.groups = {name.removeprefix(prefix): arrays[name] for name in arrays.files if name.startswith(prefix)}
        except (FileNotFoundError, KeyError):
            raise UserError(
                f"run {run.key} has kept no predictions of {split} at {point.name}",
                f"they would be in {self.path}",
                f"rm -r {quoted(self.path.parent)}, then run the same command again",
            ) from None
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{self.path} is damaged", str(error), f"rm -r {quoted(self.path.parent)}, then run the same command again"
            ) from None

    def require_examples_of(self, other: _Kept) -> None:
        import numpy as np

        if not np.array_equal(self.labels, other.labels):
            raise UserError(
                f"runs {other.run.key} and {self.run.key} have other labels on {self.split}",
                "only the same examples in the same order can be compared one by one",
                f"rm -r {quoted(self.path.parent)}, then run the same command again",
            )

    def group(self, name: str) -> np.ndarray:
        """The group of each example (N,)."""
        if name not in self.groups:
            raise UserError(
                f"run {self.run.key} has not kept of which {name} the examples of {self.split} are",
                f"{self.path} has {', '.join(self.groups) or 'no groups'}",
                f"rm -r {quoted(self.path.parent)}, then run the same command again",
            )
        return self.groups[name]

    def counted(self, metric: str) -> np.ndarray:
        """The group of each example (N,) for a worst-group metric, −1 where that group is left out of it."""
        import numpy as np

        grouping = next(known for known in self.run.run.benchmark.groupings if f"{WORST}{known.name}" == metric)
        ignored = [grouping.values.index(value) for value in grouping.ignored]
        own = self.group(grouping.name)
        return np.where(np.isin(own, ignored), -1, own)
