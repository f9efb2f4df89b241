"""Metrics against wilds' own, and against the evaluation of its data sets."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scatter_stand_in
import torch
from metric_cases import BENCHMARK, REGIONS, SLIDES, YEARS, Case, each_degenerate, few, measured, ordinary


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
