"""What a plan will cost on a device: each run's time and peak memory, predicted from finished runs, else by arithmetic."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

from repro.outcomes import index
from repro.outcomes.predicted import Prediction
from repro.outcomes.store import Store
from repro.planning.calibration import Calibration
from repro.planning.plan import Plan
from repro.preflight.device import Device
from repro.types import Run


class Forecast(NamedTuple):
    """`predictions` of the runs to do, by key; `seconds` in all, None where nothing is known of any; `known`: of how many it is."""

    todo: tuple[Run, ...]
    done: tuple[Run, ...]
    seconds: float | None = None
    known: int = 0
    predictions: Mapping[str, Prediction] = {}
    device: Device | None = None


def forecast(plan: Plan, store: Store, calibrated: Callable[[], Calibration] | None = None) -> Forecast:
    """Split a plan into finished and missing runs, and predict what the missing ones will cost, where there are any and something to tell."""
    done = tuple(run for run in plan.runs if store.result(run))
    finished = {run.key for run in done}
    todo = tuple(run for run in plan.runs if run.key not in finished)
    if not todo or calibrated is None:
        return Forecast(todo, done)
    calibration = calibrated()
    predictions = {run.key: calibration.predict(run) for run in todo}
    known = [made.seconds for made in predictions.values() if made.seconds is not None]
    total = sum(known) + (len(todo) - len(known)) * statistics.mean(known) if known else None
    return Forecast(todo, done, total, len(known), predictions, calibration.device)


def calibrate(store: Store, device: Device) -> Calibration:
    """What the store's results say of a device."""
    return Calibration(index.find(store).results, device)
