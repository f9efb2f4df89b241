"""Logits, labels and groups to measure: random ones, and those in which something is missing."""

from __future__ import annotations

from typing import NamedTuple

import fabricated
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.outcomes.metrics import evaluate
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
