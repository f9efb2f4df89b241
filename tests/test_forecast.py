"""What a plan will cost, as far as earlier runs tell."""

from __future__ import annotations

import fabricated
import pytest
from test_plan import PRETRAINED, one, planned

from repro.forecast import Forecast, forecast, predict
from repro.store import Store


def test_finished_runs_drop_out(tmp_path):
    store, plan = Store(tmp_path), planned("lp", "ft", seeds=(0, 1))
    fabricated.finish(store, plan.runs[0])
    found = forecast(plan, store)
    assert found.done == plan.runs[:1]
    assert found.todo == plan.runs[1:]
    for run in plan.runs[1:]:
        fabricated.finish(store, run)
    assert forecast(plan, store) == Forecast((), plan.runs, None, 0)


def test_a_failed_run_is_still_to_do(tmp_path):
    store, plan = Store(tmp_path), planned("scratch")
    store.fail(store.claim(plan.runs[0]), fabricated.failure(plan.runs[0]))
    assert forecast(plan, store).todo == plan.runs


def test_the_time_is_predicted_from_runs_like_it_and_scaled_by_epochs(tmp_path):
    store = Store(tmp_path)
    assert forecast(planned("scratch"), store).seconds is None
    for seed, seconds in ((0, 10.0), (1, 14.0), (2, 90.0)):
        fabricated.finish(store, one(planned("scratch", seeds=(seed,), sets=("epochs=5",)), "scratch"), seconds={"total": seconds})
    longer = one(planned("scratch", seeds=(3,), sets=("epochs=20",)), "scratch")
    assert predict(longer, store.results()) == 14.0 * 20 / 5
    found = forecast(planned("scratch", "ft", seeds=(3,), sets=("epochs=20",)), store)
    assert (len(found.todo), found.known) == (3, 1)
    assert found.seconds == pytest.approx(3 * 56.0), "what is unknown is taken to last as long as the mean of what is known"


def test_only_like_predicts_like(tmp_path):
    history = [fabricated.result(one(planned("scratch"), "scratch"))]
    assert predict(one(planned("scratch", seeds=(9,)), "scratch"), history) == 10.0
    for other in (
        one(planned("ft"), "ft"),
        one(planned("scratch", of=PRETRAINED.model_copy(update={"data": "1" * 64})), "scratch"),
        one(planned("scratch", backbone="timm:resnet18"), "scratch"),
        one(planned("scratch", sets=("image_size=64",)), "scratch"),
    ):
        assert predict(other, history) is None
