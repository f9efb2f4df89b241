"""Metrics against scikit-learn's, wilds' own and the evaluation of wilds' data sets, on ordinary and on degenerate inputs."""

from __future__ import annotations

import sys
from typing import NamedTuple

import fabricated
import numpy as np
import pytest
import scatter_stand_in
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.errors import UserError
from repro.metrics import TITLES, evaluate, require_headlines, spell, title
from repro.types import Benchmark, Grouping, Split

CLASSES = 5
REGIONS = ("Asia", "Europe", "Africa", "Americas", "Oceania", "Other")
YEARS = tuple(str(year) for year in range(2002, 2018))
SLIDES = tuple(map(str, range(8)))
BENCHMARK = fabricated.benchmark(
    classes=tuple("abcde"),
    splits=(Split(name="id_test", role="id_test", column="ID"), Split(name="ood", role="ood_test", column="OOD", metric="worst_region")),
    metrics=("macro_f1", "macro_recall"),
    groupings=(
        Grouping(name="region", values=REGIONS, ignored=("Other",)),
        Grouping(name="year", values=YEARS),
        Grouping(name="slide", values=SLIDES),
    ),
)


class Case(NamedTuple):
    """Logits (N, 5) with ties, labels (N,), and a group of each kind per example."""

    logits: np.ndarray
    labels: np.ndarray
    groups: dict[str, np.ndarray]

    @property
    def predicted(self) -> np.ndarray:
        return self.logits.argmax(axis=1)


def case(labels, predicted, regions=0, years=0, slides=0) -> Case:
    """Examples predicted as told, all of one region, year or slide where a number is given."""
    labels = np.array(labels, dtype=np.int64)
    groups = {"region": regions, "year": years, "slide": slides}
    return Case(
        np.eye(CLASSES, dtype=np.float32)[np.array(predicted)],
        labels,
        {name: np.broadcast_to(np.array(values, dtype=np.int64), labels.shape).copy() for name, values in groups.items()},
    )


DEGENERATE = {
    "classes absent from the truth": case([0, 0, 1, 1], [2, 0, 3, 1]),
    "classes absent from the prediction": case([0, 1, 2, 3, 4], [0, 0, 0, 0, 0]),
    "nothing right": case([0, 1], [1, 0], regions=[0, 1]),
    "everything right": case([0, 1, 2], [0, 1, 2], regions=[0, 2, 2]),
    "one class": case([4, 4, 4], [4, 4, 1]),
    "a single group": case([0, 1, 2], [0, 1, 0], regions=3, years=15, slides=7),
    "empty groups between": case([0, 1, 2], [0, 1, 0], regions=[0, 4, 4], years=[1, 1, 9], slides=[2, 5, 5]),
    "only the ignored group": case([0, 1, 2], [0, 1, 0], regions=5),
    "the ignored group is the worst": case([0, 1, 2, 3], [0, 1, 0, 3], regions=[1, 1, 5, 2]),
    "one example, right": case([3], [3]),
    "one example, wrong": case([3], [2]),
}


@st.composite
def cases(draw) -> Case:
    count = draw(st.integers(1, 40))

    def numbers(size: int) -> np.ndarray:
        return np.array(draw(st.lists(st.integers(0, size - 1), min_size=count, max_size=count)), dtype=np.int64)

    logits = np.stack([numbers(4) for _ in range(CLASSES)], axis=1).astype(np.float32)
    return Case(logits, numbers(CLASSES), {"region": numbers(6), "year": numbers(16), "slide": numbers(8)})


ordinary = given(cases())
few = settings(max_examples=60, deadline=None, derandomize=True)
each_degenerate = pytest.mark.parametrize("of", DEGENERATE.values(), ids=DEGENERATE.keys())


def measured(of: Case, benchmark: Benchmark = BENCHMARK) -> dict[str, float]:
    return evaluate(benchmark, of.logits, of.labels, of.groups)


# scikit-learn


def agree_with_scikit_learn(of: Case) -> None:
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    ours, present = measured(of), np.unique(of.labels)
    averaged = {"average": "macro", "labels": present, "zero_division": 0}
    assert ours["accuracy"] == pytest.approx(accuracy_score(of.labels, of.predicted), abs=1e-12)
    assert ours["macro_f1"] == pytest.approx(f1_score(of.labels, of.predicted, **averaged), abs=1e-12)
    assert ours["macro_recall"] == pytest.approx(recall_score(of.labels, of.predicted, **averaged), abs=1e-12)
    for grouping in BENCHMARK.groupings:
        group = of.groups[grouping.name]
        alone = {
            value: accuracy_score(of.labels[group == index], of.predicted[group == index])
            for index, value in enumerate(grouping.values)
            if (group == index).any()
        }
        assert {name: value for name, value in ours.items() if name.startswith(f"{grouping.name}=")} == pytest.approx(
            {f"{grouping.name}={value}": score for value, score in alone.items()}, abs=1e-12
        )


@few
@ordinary
def test_scikit_learn_agrees(of):
    agree_with_scikit_learn(of)


@each_degenerate
def test_scikit_learn_agrees_where_something_is_missing(of):
    agree_with_scikit_learn(of)


# wilds


@pytest.fixture(scope="module")
def wilds():
    """wilds' data sets and metrics, evaluated without torch_scatter and without asking the network for a newer version."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch_scatter", scatter_stand_in)
        patch.setitem(sys.modules, "outdated", None)
        import wilds.common.grouper
        import wilds.common.metrics.all_metrics
        import wilds.datasets.camelyon17_dataset
        import wilds.datasets.fmow_dataset
        import wilds.datasets.iwildcam_dataset

        yield wilds


def tensors(of: Case) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(of.logits), torch.from_numpy(of.labels)


def agree_with_wilds_metrics(wilds, of: Case) -> None:
    known = wilds.common.metrics.all_metrics
    predict = known.multiclass_logits_to_pred
    ours, (logits, labels) = measured(of), tensors(of)
    assert ours["accuracy"] == pytest.approx(known.Accuracy(predict).compute(logits, labels)["acc_avg"], abs=1e-6)
    assert ours["macro_f1"] == pytest.approx(known.F1(predict, average="macro").compute(logits, labels)["F1-macro_all"], abs=1e-6)
    recall = known.Recall(predict, average="macro").compute(logits, labels)["recall-macro_all"]
    assert ours["macro_recall"] == pytest.approx(recall, abs=1e-6)
    theirs = known.Accuracy(predict).compute_group_wise(logits, labels, torch.from_numpy(of.groups["year"]), len(YEARS))
    assert ours["worst_year"] == pytest.approx(theirs["acc_wg"], abs=1e-6)
    for index, year in enumerate(YEARS):
        assert (f"year={year}" in ours) == (theirs[f"count_group:{index}"] > 0)
        assert ours.get(f"year={year}", 0.0) == pytest.approx(theirs[f"acc_group:{index}"], abs=1e-6)


@few
@ordinary
def test_wilds_metrics_agree(wilds, of):
    agree_with_wilds_metrics(wilds, of)


@each_degenerate
def test_wilds_metrics_agree_where_something_is_missing(wilds, of):
    agree_with_wilds_metrics(wilds, of)


def data_set(wilds, kind: type, values: dict[str, tuple[str, ...]], named: tuple[str, ...]):
    """A wilds data set with what its `eval` needs: metadata in which every group occurs, and names of the groups of some fields."""
    made = object.__new__(kind)
    size = max(map(len, values.values()))
    columns = [torch.arange(size) % len(of) for of in values.values()]
    made._metadata_array = torch.stack([*columns, torch.zeros(size, dtype=torch.long)], dim=1)
    made._metadata_fields = [*values, "y"]
    if named:
        made._metadata_map = {name: list(values[name]) for name in named}
    return made


def agree_with_eval(made, of: Case, fields: tuple[str, ...], spelled: dict[str, str]) -> None:
    """Every number of a data set's `eval` is one of ours: theirs → ours in `spelled`, groups by their names; 0 where there is none."""
    logits, labels = tensors(of)
    metadata = torch.from_numpy(np.stack([*(of.groups[name] for name in fields), of.labels], axis=1))
    theirs, _ = made.eval(logits, labels, metadata, prediction_fn=lambda values: values.argmax(-1))
    ours = measured(of)
    names = {f"acc_{name}:{value}": f"{name}={value}" for name in fields for value in _values(name)} | spelled
    compared = {name: value for name, value in theirs.items() if not name.startswith("count_")}
    assert compared.keys() == names.keys()
    assert compared == pytest.approx({name: ours.get(own, 0.0) for name, own in names.items()}, abs=1e-6)
    for name in fields:
        counts = np.bincount(of.groups[name], minlength=len(_values(name)))
        assert [theirs[f"count_{name}:{value}"] for value in _values(name)] == counts.tolist()
        assert {f"{name}={value}" in ours for value, count in zip(_values(name), counts, strict=True) if not count} <= {False}


def _values(name: str) -> tuple[str, ...]:
    return next(grouping.values for grouping in BENCHMARK.groupings if grouping.name == name)


def agree_with_all_data_sets(wilds, of: Case) -> None:
    grouper = wilds.common.grouper.CombinatorialGrouper
    fmow = data_set(wilds, wilds.datasets.fmow_dataset.FMoWDataset, {"region": REGIONS, "year": YEARS}, ("region", "year"))
    fmow._eval_groupers = {name: grouper(dataset=fmow, groupby_fields=[name]) for name in ("year", "region")}
    worst = {"acc_avg": "accuracy", "acc_worst_region": "worst_region", "acc_worst_year": "worst_year"}
    agree_with_eval(fmow, of, ("region", "year"), worst)

    camelyon17 = data_set(wilds, wilds.datasets.camelyon17_dataset.Camelyon17Dataset, {"slide": SLIDES}, ())
    camelyon17._eval_grouper = grouper(dataset=camelyon17, groupby_fields=["slide"])
    agree_with_eval(camelyon17, of, ("slide",), {"acc_avg": "accuracy", "acc_wg": "worst_slide"})

    iwildcam = data_set(wilds, wilds.datasets.iwildcam_dataset.IWildCamDataset, {"location": SLIDES}, ())
    averaged = {"acc_avg": "accuracy", "F1-macro_all": "macro_f1", "recall-macro_all": "macro_recall"}
    agree_with_eval(iwildcam, of, (), averaged)


@few
@ordinary
def test_the_evaluation_of_wilds_data_sets_agrees(wilds, of):
    agree_with_all_data_sets(wilds, of)


@each_degenerate
def test_the_evaluation_of_wilds_data_sets_agrees_where_something_is_missing(wilds, of):
    agree_with_all_data_sets(wilds, of)


# by hand


def test_a_class_that_is_predicted_and_not_present_is_no_summand():
    """Present are 0 and 1; F1 of both is 2·1/(1 + 2). Over all five classes the mean would be 4/15."""
    of = DEGENERATE["classes absent from the truth"]
    assert measured(of)["macro_f1"] == pytest.approx(2 / 3)
    assert measured(of)["macro_recall"] == pytest.approx(1 / 2)


def test_ties_go_to_the_lower_class():
    logits = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]], dtype=np.float32)
    assert evaluate(fabricated.benchmark(), logits, np.array([0, 1]), {}) == {"accuracy": 1.0}
    assert evaluate(fabricated.benchmark(), logits, np.array([1, 2]), {}) == {"accuracy": 0.0}


def test_the_order_is_headline_metrics_then_others_then_groups():
    of = DEGENERATE["the ignored group is the worst"]
    assert measured(of) == {
        "accuracy": 0.75,
        "macro_f1": pytest.approx((2 / 3 + 1 + 0 + 1) / 4),
        "macro_recall": 0.75,
        "worst_region": 1.0,
        "worst_year": 0.75,
        "worst_slide": 0.75,
        "region=Europe": 1.0,
        "region=Africa": 1.0,
        "region=Other": 0.0,
        "year=2002": 0.75,
        "slide=0": 0.75,
    }
    assert list(measured(of))[:4] == ["accuracy", "macro_f1", "macro_recall", "worst_region"]


def test_the_worst_of_nothing_is_absent():
    of = DEGENERATE["only the ignored group"]
    assert "worst_region" not in measured(of) and measured(of)["region=Other"] == pytest.approx(2 / 3)
    assert measured(of._replace(groups={})) == {name: measured(of)[name] for name in ("accuracy", "macro_f1", "macro_recall")}
    assert evaluate(BENCHMARK, np.zeros((0, CLASSES)), np.zeros(0, dtype=np.int64), {}) == {}


@pytest.mark.parametrize("group", [-1, 6])
def test_an_example_of_no_group_is_an_error(group):
    with pytest.raises(ValueError, match="region is not among the 6 groups"):
        measured(case([0, 1], [0, 1], regions=[0, group]))


# mistakes


@pytest.mark.parametrize(
    ("metric", "of", "groups", "why"),
    [
        ("worst_region", DEGENERATE["only the ignored group"], True, "all its examples are of region Other, which is left out"),
        ("worst_region", DEGENERATE["one class"], False, "it is not known of which region its examples are"),
        ("worst_hospital", DEGENERATE["one class"], True, "made-up declares no grouping of that name"),
    ],
)
def test_a_split_without_its_headline_metric_is_refused(metric, of, groups, why):
    benchmark = BENCHMARK.model_copy(update={"splits": (BENCHMARK.splits[0], BENCHMARK.splits[1].model_copy(update={"metric": metric}))})
    own = of._replace(groups=of.groups if groups else {})
    judged = {"id_test": measured(own, benchmark), "ood": measured(own, benchmark)}
    with pytest.raises(UserError) as caught:
        require_headlines(benchmark, judged, {"id_test": own.groups, "ood": own.groups})
    assert caught.value.what == f"made-up: split ood has no {title(metric)}" and caught.value.why == why


def test_a_split_without_examples_is_refused_and_one_with_all_metrics_is_not():
    with pytest.raises(UserError, match="split id_test has no accuracy") as caught:
        require_headlines(BENCHMARK, {"id_test": {}}, {"id_test": {}})
    assert caught.value.why == "it has no examples"
    of = DEGENERATE["one class"]
    assert require_headlines(BENCHMARK, {"ood": measured(of)}, {"ood": of.groups}) is None


def test_a_metric_that_is_not_known_suggests_the_nearest():
    with pytest.raises(UserError, match="there is no metric 'makro_f1'") as caught:
        measured(DEGENERATE["one class"], BENCHMARK.model_copy(update={"metrics": ("makro_f1",)}))
    assert caught.value.why == "did you mean 'macro_f1'?"


# titles


def test_every_metric_has_a_title():
    from repro.metrics import BY_NAME

    assert TITLES.keys() == BY_NAME.keys()
    assert title("macro_f1") == "macro F1" and title("worst_region") == "worst-region accuracy"
    assert title("region=Africa") == "accuracy of region Africa"


def test_what_is_measured_where():
    assert spell([("ID", "accuracy"), ("OOD", "accuracy")]) == "accuracy"
    assert spell([("ID", "accuracy"), ("OOD", "worst_region")]) == "ID: accuracy; OOD: worst-region accuracy"
    assert spell([("a", "macro_f1"), ("b", "accuracy"), ("c", "macro_f1")]) == "a, c: macro F1; b: accuracy"
