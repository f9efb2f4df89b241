"""What a run was predicted to cost, as its result records it under `extras`, and how far that was off."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any, NamedTuple

from repro.types import Result

FIELD = "predicted"  # of a result's extras
LIKE, RATE, DEVICE, ARITHMETIC = "like runs", "backbone's rate", "device's rate", "arithmetic"
SOURCES = {
    LIKE: "finished runs like it",
    RATE: "other runs of its backbone",
    DEVICE: "runs of other backbones",
    ARITHMETIC: "arithmetic",
}


class Prediction(NamedTuple):
    """Made before the run: seconds of the clock without packing, bytes at the peak, and the source of each, one of SOURCES. None: not known."""

    seconds: float | None = None
    peak_memory_bytes: int | None = None
    source: str | None = None
    memory_source: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is recorded."""
        return {
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "peak_memory_bytes": self.peak_memory_bytes,
            "from": self.source,
            "memory_from": self.memory_source,
        }


def prediction(result: Result) -> Prediction | None:
    """That which the result records; None where there is none."""
    told = result.extras.get(FIELD)
    return Prediction(told["seconds"], told["peak_memory_bytes"], told["from"], told["memory_from"]) if told else None


def predictable(seconds: dict[str, float]) -> float:
    """The part of a run's time that predictions are of: all but packing, which is done once for many runs."""
    return seconds["total"] - seconds.get("pack", 0.0)


def error(result: Result) -> float | None:
    """Of the seconds: predicted over actual, less one, so that 0.25 is a quarter too much. None without a prediction."""
    told = prediction(result)
    actual = predictable(result.seconds)
    return told.seconds / actual - 1 if told and told.seconds is not None and actual > 0 else None


def memory_error(result: Result) -> float | None:
    """Of the peak memory, likewise."""
    told = prediction(result)
    return told.peak_memory_bytes / result.peak_memory_bytes - 1 if told and told.peak_memory_bytes and result.peak_memory_bytes else None


def typical(errors: Iterable[float | None]) -> float | None:
    """The median of how far predictions were off, whichever way; None where there are none."""
    known = [abs(each) for each in errors if each is not None]
    return statistics.median(known) if known else None
