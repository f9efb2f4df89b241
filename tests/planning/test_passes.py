"""Images through the network, and their arithmetic, counted by hand."""

from __future__ import annotations

import fabricated
import pytest
from planned_runs import one, planned

from repro.planning.passes import Passes, flop, image_flop, length, passes
from repro.types import Split

COUNTS = {"train": 1000, "id_val": 100, "id_test": 50, "sketch": 30, "clipart": 20}  # 200 are judged
COUNTED = fabricated.with_splits(**{name: {"count": count} for name, count in COUNTS.items()})
MOCO = {"of": COUNTED, "backbone": "moco-v2-resnet50", "weights": "random"}


def counted(method, *sets, of=COUNTED):
    return one(planned(method, of=of, backbone="clip-rn50", weights="random", sets=sets), method)


def test_images_that_pass_through_the_network():
    assert passes(counted("zero-shot")) == Passes(0, 200, 0, 3) and passes(counted("zero-shot")).total == 200
    assert passes(counted("lp")) == Passes(0, 200, 1100, 3), "features of train and id_val, then every judged split"
    assert passes(counted("ft", "epochs=5")) == Passes(5000, 1000, 0, 3) and passes(counted("ft", "epochs=5")).total == 16_000
    assert passes(counted("ft", "epochs=5", "judge_every=2")) == Passes(5000, 600, 0, 3), "after epochs 2, 4 and the last"
    assert passes(counted("lp-sgd", "epochs=5")).total == 5 * (1000 + 200), "nothing goes back through a frozen network"
    assert passes(counted("ft", "steps=7", "batch_size=10")) == Passes(70, 200, 0, 3)
    assert passes(counted("wise-ft", "base=lp-ft", "alphas=0,0.5,1")).total == 3 * 200
    assert passes(counted("uniform-soup", "base=lp-ft")).total == 200


def test_a_few_shot_run_has_so_many_images_of_each_class_and_tests_what_it_selects():
    """Two classes, four images of each to train on and to choose with; epoch 0 is judged, too."""
    sets = ("shots=4", "epochs=5", "judge_start=true", "judge=selected")
    assert passes(counted("ft", *sets)) == Passes(5 * 8, 6 * 8 + 100, 0, 3)


def test_what_the_benchmark_does_not_say_earlier_runs_may_have_seen():
    run = counted("ft", "epochs=5", of=fabricated.benchmark())
    assert passes(run) is None and passes(run, {"train": 1000}) is None
    assert passes(run, COUNTS) == passes(counted("ft", "epochs=5"))
    assert passes(counted("ft", "epochs=5"), {"train": 7}) == passes(run, COUNTS), "its own word counts"


def test_a_search_costs_its_trials():
    def run(*sets):
        sets = ("search_on=id_val", "trials=20", "inner_steps=5", "batch_size=8", *sets)
        return one(planned("autoft", of=COUNTED, backbone="clip-rn50", weights="random", sets=sets), "autoft-search")

    assert passes(run("search_examples=60")).total == 20 * (5 * 8 * 3 + 60)
    for more in ("search_examples=1000", "search_examples=none"):
        assert passes(run(more)).total == 20 * (5 * 8 * 3 + 100), "id_val has no more"
    assert length(run()) == 100


def test_the_arithmetic_of_a_run_by_hand():
    """ResNet-50 at 224 pixels: 8.17 GFLOP an image."""
    assert flop(one(planned("lp", **MOCO), "lp")) == pytest.approx(1300 * 8.17e9)
    assert flop(one(planned("ft", sets=("epochs=5",), **MOCO), "ft")) == pytest.approx(16_000 * 8.17e9)
    half = one(planned("ft", sets=("epochs=5", "image_size=112"), **MOCO), "ft")
    assert flop(half) == pytest.approx(16_000 * 8.17e9 / 4), "a quarter of the pixels"
    assert image_flop(half) == pytest.approx(8.17e9 / 4)


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
    assert passes(run).total == 2 * 1000 * 3 * (2 + 6 / 4)
    assert passes(run.model_copy(update={"recipe": run.recipe.model_copy(update={"crop_sides": None})})).total == 2 * 1000 * 3 * 8
