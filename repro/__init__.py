"""Reproduce the benchmark tables of the robust fine-tuning papers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    import pandas


def results() -> pandas.DataFrame:
    """Every finished run in the store as a tidy frame: one row per run × checkpoint × split × metric; a damaged result is a warning."""
    from repro.outcomes.store import Store
    from repro.outcomes.stored import Damaged, left_out
    from repro.paths import Places

    damaged: list[Damaged] = []
    frame = Store(Places.find().runs).frame(damaged)
    for line in left_out(damaged):
        warnings.warn(line, stacklevel=2)
    return frame
