"""Reproduce the benchmark tables of the robust fine-tuning papers."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    import pandas


def results() -> pandas.DataFrame:
    """Every finished run in the store as a tidy frame: one row per run × checkpoint × split × metric."""
    from repro.outcomes.store import Store
    from repro.paths import Places

    return Store(Places.find().runs).frame()
