"""What a plan will cost on a device: each run's time and peak memory, predicted from finished runs, else by arithmetic."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

from repro.outcomes import index
from repro.outcomes.predicted import Prediction
from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged
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


def forecast(
    plan: Plan, store: Store, calibrated: Callable[[], Calibration] | None = None, damaged: list[Damaged] | None = None
) -> Forecast:
    """Split a plan into finished and missing runs, and predict what the missing ones will cost, where there are any and something to tell.

    A damaged result of the plan is an error, or added to a list where one is given, and then neither done nor to do.
    """
    done = tuple(run for run in plan.runs if store.result(run, damaged))
    there = {run.key for run in done}.union(one.key for one in damaged or ())
    todo = tuple(run for run in plan.runs if run.key not in there)
    if not todo or calibrated is None:
        return Forecast(todo, done)
    calibration = calibrated()
    predictions = {run.key: calibration.predict(run) for run in todo}
    known = [made.seconds for made in predictions.values() if made.seconds is not None]
    total = sum(known) + (len(todo) - len(known)) * statistics.mean(known) if known else None
    return Forecast(todo, done, total, len(known), predictions, calibration.device)


def calibrate(store: Store, device: Device, damaged: list[Damaged] | None = None) -> Calibration:
    """What the store's results say of a device; those that cannot be read are left out, and added to a list where one is given."""
    found = index.find(store)
    if damaged is not None:
        damaged += found.damaged
    return Calibration(found.results, device)
