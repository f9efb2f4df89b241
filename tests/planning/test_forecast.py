"""What a plan will cost, as far as earlier runs tell."""

from __future__ import annotations

import fabricated
import pytest
from planned_runs import PRETRAINED, one, planned

from repro.outcomes.store import Store
from repro.planning.forecast import Forecast, flop, forecast, passes, predict
from repro.types import Split


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


COUNTS = {"train": 1000, "id_val": 100, "id_test": 50, "sketch": 30, "clipart": 20}  # 200 are judged
COUNTED = fabricated.with_splits(**{name: {"count": count} for name, count in COUNTS.items()})
MOCO = {"of": COUNTED, "backbone": "moco-v2-resnet50", "weights": "random"}


def test_images_that_pass_through_the_network():
    def of(method, *sets):
        return passes(one(planned(method, of=COUNTED, backbone="clip-rn50", weights="random", sets=sets), method))

    assert of("zero-shot") == 200
    assert of("lp") == 1000 + 100 + 200, "features of train and id_val, then every judged split"
    assert of("ft", "epochs=5") == 5 * (3 * 1000 + 200)
    assert of("ft", "epochs=5", "judge_every=2") == 5 * 3 * 1000 + 3 * 200, "after epochs 2, 4 and the last"
    assert of("lp-sgd", "epochs=5") == 5 * (1000 + 200), "nothing goes back through a frozen network"
    assert of("wise-ft", "base=lp-ft", "alphas=0,0.5,1") == 3 * 200
    assert of("uniform-soup", "base=lp-ft") == 200


def test_the_arithmetic_of_a_run_by_hand():
    """ResNet-50 at 224 pixels: 8.17 GFLOP an image."""
    assert flop(one(planned("lp", **MOCO), "lp")) == pytest.approx(1300 * 8.17e9)
    assert flop(one(planned("ft", sets=("epochs=5",), **MOCO), "ft")) == pytest.approx(16_000 * 8.17e9)
    half = one(planned("ft", sets=("epochs=5", "image_size=112"), **MOCO), "ft")
    assert flop(half) == pytest.approx(16_000 * 8.17e9 / 4), "a quarter of the pixels"


def test_what_is_not_known_is_not_made_up():
    assert flop(one(planned("lp", of=COUNTED, backbone="timm:resnet18", weights="random"), "lp")) is None
    for split in ("train", "sketch"):
        uncounted = fabricated.with_splits(**{name: {"count": count} for name, count in COUNTS.items() if name != split})
        for method in ("lp", "ft"):
            run = one(planned(method, **{**MOCO, "of": uncounted}), method)
            assert passes(run) is None and flop(run) is None


def test_a_pretraining_costs_as_many_passes_as_it_has_views():
    corpus = Split(name="corpus", role="pretrain", labelled=False, count=1000)
    of = fabricated.benchmark(splits=(*fabricated.SPLITS, corpus), backbone="timm:resnet10t")
    run = fabricated.run("swav-pretrain", of=of, epochs=2, crops=(2, 6), crop_sides=(224, 112), crop_min=(0.1, 0.1), crop_max=(1.0, 0.3))
    assert passes(run) == 2 * 1000 * 3 * (2 + 6 / 4)
    assert passes(run.model_copy(update={"recipe": run.recipe.model_copy(update={"crop_sides": None})})) == 2 * 1000 * 3 * 8
