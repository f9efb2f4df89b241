"""Metrics of stored logits, labels and groups. numpy is imported where it counts: a table needs the titles alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from repro.errors import UserError, unknown
from repro.types import Benchmark, Choices, Grouping

if TYPE_CHECKING:
    import numpy as np

WORST = "worst_"


def title(metric: str) -> str:
    """As tables name it: `worst_region` is worst-region accuracy, `region=Africa` the accuracy of region Africa."""
    if metric.startswith(WORST):
        return f"worst-{metric.removeprefix(WORST)} accuracy"
    grouping, _, value = metric.partition("=")
    return BY_NAME[metric].title if metric in BY_NAME else f"accuracy of {grouping} {value}"


def shown(metric: str, value: float | None) -> str:
    """A value as text: fractions in percent, a cross-entropy or an RMSE as it is, – for none."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}" if is_share(metric) else f"{value:.4f}"


def is_share(metric: str) -> bool:
    """Whether its values are fractions, which are shown in percent."""
    return metric not in BY_NAME or not BY_NAME[metric].of_logits


def rank(metric: str, value: float) -> float:
    """What selection maximises: the value, or its negative where lower is better."""
    return -value if metric in BY_NAME and BY_NAME[metric].lower_is_better else value


def later_of_equals(metric: str) -> bool:
    """Whether selection by this metric takes the later of equal checkpoints."""
    return metric in BY_NAME and BY_NAME[metric].later_of_equals


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the classes predicted (N,) that are the label (N,)."""
    return float((predicted == labels).mean())


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over the classes present in `labels` of 2·hits/(predicted + present).

    A class that is predicted but not present lowers the others' precision and is no summand, as in wilds' F1-macro_all
    (p-lambda/wilds@v2.0.0 wilds/common/metrics/all_metrics.py:255-269) and in scikit-learn's f1_score with labels=unique(y_true).
    """
    hits, present, said = _per_class(labels, predicted)
    return float((2 * hits / (said + present)).mean())


def macro_recall(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over the classes present in `labels` of hits/present: wilds' recall-macro_all (all_metrics.py:236-250, as above)."""
    hits, present, _ = _per_class(labels, predicted)
    return float((hits / present).mean())


def cross_entropy(labels: np.ndarray, logits: np.ndarray) -> float:
    """Mean of −log softmax(logits)[label] in nats, in double precision. `labels` (N,), `logits` (N, K)."""
    import numpy as np

    exact = logits.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    return float((np.log(np.exp(exact).sum(axis=1)) - exact[np.arange(len(labels)), labels]).mean())


def rmse(labels: np.ndarray, outputs: np.ndarray) -> float:
    """√ mean (output − label)², in double precision. `labels` (N,), `outputs` (N, 1): a regression's one output."""
    import numpy as np

    return float(np.sqrt(((outputs[:, 0].astype(np.float64) - labels) ** 2).mean()))


class Metric(NamedTuple):
    """`of(labels, predicted)`, or `of(labels, logits)`; how selection ranks by it.

    Of equals the earlier is selected, as by pandas' idxmax in LP-FT's scripts/summarize_results.py; by cross-entropy the later, as by the
    `<=` of FLYP's few-shot loop (locuslab/FLYP@215d5bb src/models/flyp_loss_few_shot.py:186).
    """

    title: str
    of: Callable[[np.ndarray, np.ndarray], float]
    of_logits: bool = False
    lower_is_better: bool = False
    later_of_equals: bool = False


BY_NAME: dict[str, Metric] = {
    "accuracy": Metric("accuracy", accuracy),
    "macro_f1": Metric("macro F1", macro_f1),
    "macro_recall": Metric("macro recall", macro_recall),
    "rmse": Metric("RMSE", rmse, of_logits=True, lower_is_better=True),
    "cross_entropy": Metric("cross-entropy", cross_entropy, of_logits=True, lower_is_better=True, later_of_equals=True),
}


def _per_class(labels: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each class present in `labels`: how often it is predicted rightly, present, and predicted."""
    classes = 1 + int(max(labels.max(), predicted.max()))
    hits, present, said = (_count(of, classes) for of in (labels[labels == predicted], labels, predicted))
    there = present > 0
    return hits[there], present[there], said[there]


def _count(values: np.ndarray, size: int) -> np.ndarray:
    import numpy as np

    return np.bincount(values, minlength=size)


def group_accuracies(grouping: Grouping, correct: np.ndarray, group: np.ndarray) -> dict[str, float]:
    """Accuracy of each group that has examples, in the order of `grouping.values`. `correct` is bool (N,), `group` int64 (N,).

    ValueError: an example is of no group.
    """
    size = len(grouping.values)
    if group.min() < 0 or group.max() >= size:
        raise ValueError(f"an example's {grouping.name} is not among the {size} groups declared")
    present, hits = _count(group, size), _count(group[correct], size)
    return {value: float(hit / count) for value, hit, count in zip(grouping.values, hits, present, strict=True) if count}


def restrict(logits: np.ndarray, classes: Choices | None) -> np.ndarray:
    """Logits (N, K) as a choice among `classes` sees them: −∞ for every other; None: as they are.

    Of classes that count as one, the first has the largest of their logits, the others −∞. So ImageNet-R and -A are scored in their 200
    classes, ObjectNet in its 113 folders (mlfoundations/wise-ft@58b7a4b src/datasets/imagenet.py, objectnet.py:111-121, project_logits).
    ValueError: there is nothing to choose from.
    """
    import numpy as np

    if classes is None:
        return logits
    if not classes:
        raise ValueError("it is not known which classes a prediction is chosen from")
    first = np.array([entry if isinstance(entry, int) else entry[0] for entry in classes])
    chosen = np.full(logits.shape, -np.inf, logits.dtype)
    chosen[:, first] = logits[:, first]
    for entry in classes:
        if not isinstance(entry, int):
            chosen[:, entry[0]] = logits[:, list(entry)].max(axis=1)
    return chosen


def evaluate(
    benchmark: Benchmark,
    logits: np.ndarray,
    labels: np.ndarray,
    groups: dict[str, np.ndarray],
    also: str | None = None,
    classes: Choices | None = None,
) -> dict[str, float]:
    """All metrics of one split that can be had: those named by the benchmark or one of its splits, then each grouping's, as fractions.

    `logits` (N, K), `labels` int64 (N,), `groups`: grouping → int64 (N,), `also`: another metric that is wanted, `classes`: those that a
    prediction is chosen from (`Split.classes`), None: all. The class of the largest logit is predicted, the lower of equals. A grouping gives `worst_<name>`, the lowest accuracy over groups that have examples and are not ignored, and `<name>=<value>`
    for each group that has examples. Absent are: everything where there is no example, a grouping that the split's examples do not
    have, the worst of nothing (wilds calls that 0). Of a regression, K is 1 and labels are numbers.
    """
    if not len(labels):
        return {}
    logits = restrict(logits, classes)
    predicted = logits.argmax(axis=1)
    worst: dict[str, float] = {}
    single: dict[str, float] = {}
    for grouping in benchmark.groupings:
        if grouping.name in groups:
            found = group_accuracies(grouping, predicted == labels, groups[grouping.name])
            counted = [value for name, value in found.items() if name not in grouping.ignored]
            worst |= {f"{WORST}{grouping.name}": min(counted)} if counted else {}
            single |= {f"{grouping.name}={name}": value for name, value in found.items()}
    named = [name for name in dict.fromkeys([*_named(benchmark), *([also] if also else [])]) if not name.startswith(WORST)]
    found = {name: _by_name(name).of(labels, logits if _by_name(name).of_logits else predicted) for name in named}
    return {**found, **worst, **single}


def _named(benchmark: Benchmark) -> Iterable[str]:
    """The metrics that a benchmark asks for by name, the headlines first."""
    return dict.fromkeys([benchmark.metric, *(benchmark.metric_of(split) for split in benchmark.splits), *benchmark.metrics])


def _by_name(name: str) -> Metric:
    if name not in BY_NAME:
        raise unknown("metric", name, BY_NAME, "mend the benchmark's file, which names it")
    return BY_NAME[name]


def require_headlines(benchmark: Benchmark, judged: dict[str, dict[str, float]], groups: dict[str, dict[str, np.ndarray]]) -> None:
    """`judged`: split → its metrics; `groups`: split → grouping → groups. A split without its headline metric is a `UserError`."""
    for name, metrics in judged.items():
        metric = benchmark.metric_of(benchmark.split(name))
        if metric in metrics:
            continue
        grouping = next((known for known in benchmark.groupings if f"{WORST}{known.name}" == metric), None)
        if not metrics:
            why = "it has no examples"
        elif grouping is None:
            why = f"{benchmark.name} declares no grouping of that name"
        elif grouping.name not in groups[name]:
            why = f"it is not known of which {grouping.name} its examples are"
        else:
            why = f"all its examples are of {grouping.name} {' or '.join(grouping.ignored)}, which is left out"
        raise UserError(
            f"{benchmark.name}: split {name} has no {title(metric)}", why, f"name another metric for {name} in the benchmark's file"
        )


def spell(of: Iterable[tuple[str, str]]) -> str:
    """What is measured where, from pairs of a place and its metric: `accuracy`, or `ID: accuracy; OOD: worst-region accuracy`."""
    places: dict[str, list[str]] = {}
    for place, metric in of:
        places.setdefault(title(metric), []).append(place)
    return next(iter(places)) if len(places) == 1 else "; ".join(f"{', '.join(names)}: {name}" for name, names in places.items())


def spell_units(of: Iterable[tuple[str, str]]) -> str:
    """`spell`, and that shares are in percent where there are any."""
    of = list(of)
    return spell(of) + (", in %" if any(is_share(metric) for _, metric in of) else "")
