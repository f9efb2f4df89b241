"""The kinds of figures that follow from a benchmark's table and its stored results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from repro.display.tables import Table
from repro.figures import measures, robustness
from repro.types import Result

KINDS: dict[str, Callable[[Table, Mapping[str, Result]], Sequence]] = {  # where a table has nothing for one, it is a `Nothing`
    "robustness": lambda table, results: [robustness.robustness(table, results)],
    "wise-ft": lambda table, results: [robustness.curves(table, results)],
    "groups": measures.groups,
    "training": measures.trainings,
}
MOST = 12  # panels that one page can hold
