"""What a plan will cost, as far as earlier runs tell."""

from __future__ import annotations

import fabricated
import pytest
from planned_runs import one, planned

from repro.outcomes.store import Store
from repro.outcomes.stored import Damaged
from repro.planning.forecast import Forecast, calibrate, forecast
from repro.preflight.device import Device

CPU = Device("CPU", "made up", 1)
THERE = {"device_name": "made up", "threads": 1}


def on(store, device=CPU):
    return lambda: calibrate(store, device)


def test_finished_runs_drop_out(tmp_path):
    store, plan = Store(tmp_path), planned("lp", "ft", seeds=(0, 1))
    fabricated.finish(store, plan.runs[0])
    found = forecast(plan, store, on(store))
    assert found.done == plan.runs[:1]
    assert found.todo == plan.runs[1:] and set(found.predictions) == {run.key for run in plan.runs[1:]}
    for run in plan.runs[1:]:
        fabricated.finish(store, run)
    assert forecast(plan, store, on(store)) == Forecast((), plan.runs, None, 0)


def test_a_failed_run_is_still_to_do(tmp_path):
    store, plan = Store(tmp_path), planned("scratch")
    store.fail(store.claim(plan.runs[0]), fabricated.failure(plan.runs[0]))
    assert forecast(plan, store).todo == plan.runs


def test_a_damaged_run_of_the_plan_is_an_error_or_neither_done_nor_to_do(tmp_path):
    store, plan = Store(tmp_path), planned("lp", "ft")
    fabricated.finish(store, plan.runs[0])
    (store.claim(plan.runs[1]) / "result.json").write_text("{")
    with pytest.raises(Damaged):
        forecast(plan, store)
    damaged: list[Damaged] = []
    found = forecast(plan, store, None, damaged)
    assert (found.done, found.todo) == (plan.runs[:1], plan.runs[2:]) and [one.key for one in damaged] == [plan.runs[1].key]


def test_a_damaged_result_of_something_else_hinders_no_prediction(tmp_path):
    store = Store(tmp_path)
    for seed in (0, 1):
        run = one(planned("scratch", seeds=(seed,), sets=("epochs=5",)), "scratch")
        fabricated.finish(store, run, seconds={"total": 10.0}, environment=THERE)
    (store.folder(run) / "result.json").write_text("{")
    damaged: list[Damaged] = []
    calibration = calibrate(store, CPU, damaged)
    assert calibration.predict(one(planned("scratch", seeds=(2,), sets=("epochs=5",)), "scratch")).seconds == 10.0
    assert [each.key for each in damaged] == [run.key]


def test_the_time_is_predicted_from_runs_like_it_and_scaled_by_epochs(tmp_path):
    store = Store(tmp_path)
    assert forecast(planned("scratch"), store, on(store)).seconds is None
    for seed, seconds in ((0, 10.0), (1, 14.0), (2, 90.0)):
        run = one(planned("scratch", seeds=(seed,), sets=("epochs=5",)), "scratch")
        fabricated.finish(store, run, seconds={"total": seconds}, environment=THERE)
    found = forecast(planned("scratch", "ft", seeds=(3,), sets=("epochs=20",)), store, on(store))
    longer = one(planned("scratch", seeds=(3,), sets=("epochs=20",)), "scratch")
    assert found.predictions[longer.key].seconds == 14.0 * 20 / 5
    assert (len(found.todo), found.known) == (3, 1)
    assert found.seconds == pytest.approx(3 * 56.0), "what is unknown is taken to last as long as the mean of what is known"
    assert forecast(planned("scratch", seeds=(3,)), store, on(store, CPU._replace(name="another"))).seconds is None
    assert forecast(planned("scratch", seeds=(3,)), store).predictions == {}, "nobody asked"
