"""Random search as authors do it: settings drawn together, one after the other, from one generator."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from repro.record import Record


class Together(tuple):
    """Values of a field that go side by side with those of other fields, the first with the first, and do not multiply with them."""


class Range(Record):
    """Uniform draws of one field from `low` to `high`, or of the exponent of 10."""

    field: str
    low: float
    high: float
    exponent: bool = Field(default=False, description="the number drawn is the exponent of 10")


class Search(Record):
    """`draws` settings from numpy's `RandomState(seed)`, which is asked for the ranges in turn; `skip` numbers are drawn before."""

    seed: int
    draws: int = Field(ge=1)
    ranges: tuple[Range, ...]
    skip: int = Field(default=0, ge=0)
    unused: tuple[str, ...] = Field(default=(), description="fields of `ranges` that are drawn and have no meaning here")

    def fields(self) -> dict[str, Together]:
        """Field → its values in the order of the draws."""
        import numpy as np

        generator = np.random.RandomState(self.seed)
        generator.uniform(size=self.skip)
        drawn: dict[str, list[Any]] = {one.field: [] for one in self.ranges}
        for _ in range(self.draws):
            for one in self.ranges:
                number = generator.uniform(one.low, one.high)
                drawn[one.field].append(10**number if one.exponent else number)
        return {field: Together(values) for field, values in drawn.items() if field not in self.unused}
