"""Predictions from results whose truth follows a known rate: exact where it does."""

from __future__ import annotations

import fabricated
import pytest

from repro.outcomes import index
from repro.outcomes.predicted import ARITHMETIC, DEVICE, LIKE, RATE
from repro.outcomes.store import Store
from repro.planning.calibration import FLOP_PER_SECOND, FLOP_PER_SECOND_OF_A_THREAD, Calibration
from repro.planning.passes import flop, passes
from repro.preflight.device import Device
from repro.types import BackboneRef

GPU, CPU = Device("GPU", "Made-Up 100"), Device("CPU", "Made-Up Core", 2)
COUNTS = {"train": 1000, "id_val": 100, "id_test": 50, "sketch": 30, "clipart": 20}
COUNTED = fabricated.with_splits(**{name: {"count": count} for name, count in COUNTS.items()})
ELSEWHERE = COUNTED.model_copy(
    update={"name": "elsewhere", "data": "1" * 64, "splits": tuple(s.model_copy(update={"count": 3 * s.count}) for s in COUNTED.splits)}
)
START, IMAGE, TRAINED = 2.0, 1e-3, 4e-3  # seconds: of all else, of an image judged, of an image trained on


def run(method="ft", seed=0, of=COUNTED, network="clip-rn50", **recipe):
    return fabricated.run(method, seed, of=of, **recipe).model_copy(update={"backbone": BackboneRef(name=network)})


def truth(of, factor=1.0) -> float:
    counted = passes(of)
    return START + factor * (IMAGE * (counted.judged + counted.features) + TRAINED * counted.trained * counted.each / 3)


def finished(of, device=GPU, factor=1.0, seen=None, **changes):
    """A result whose times are the truth."""
    counted = passes(of, seen)
    fit, judge = TRAINED * factor * counted.trained * counted.each / 3, IMAGE * factor * counted.judged
    seconds = {"total": START + fit + judge + IMAGE * factor * counted.features, "fit": fit, "judge": judge}
    environment = {"device": "cuda:0", "device_name": device.name, "threads": device.threads}
    return fabricated.result(of, **{"seconds": seconds, "environment": environment, **changes})


def predict(of, *results, device=GPU):
    return Calibration(results, device).predict(of)


def test_like_runs_predict_to_the_second():
    found = predict(run(seed=1), finished(run(), peak_memory_bytes=7 * 10**9))
    assert found.seconds == pytest.approx(truth(run())) and found.source == LIKE
    assert (found.peak_memory_bytes, found.memory_source) == (7 * 10**9, LIKE)
    longer = run(seed=1, epochs=50, judge_every=5)
    assert predict(longer, finished(run())).seconds == pytest.approx(truth(longer)), "the start is not scaled"


def test_what_several_processes_shared_says_nothing_of_one():
    shared = finished(run(), factor=0.1)
    shared = shared.model_copy(update={"environment": {**shared.environment, "processes": 4}})
    assert predict(run(seed=1), shared).source != LIKE
    assert predict(run(seed=2), shared, finished(run(seed=1))).seconds == pytest.approx(truth(run()))


def test_the_latest_five_are_heard_and_of_these_the_median():
    slow = [finished(run(seed=seed), factor=100.0, finished=f"2026-01-0{seed + 1}T00:00:00+00:00") for seed in range(4)]
    fast = [finished(run(seed=seed), finished=f"2026-02-0{seed - 3}T00:00:00+00:00") for seed in range(4, 7)]
    assert predict(run(seed=9), *slow).seconds == pytest.approx(truth(run(), 100.0))
    assert predict(run(seed=9), *slow, *fast).seconds == pytest.approx(truth(run())), "three of five"


def test_runs_of_the_same_batch_are_liker_than_others():
    small, large = finished(run(batch_size=8), factor=5.0), finished(run(batch_size=128))
    for results in ((small, large), (large, small)):
        assert predict(run(seed=1, batch_size=128), *results).seconds == pytest.approx(truth(run()))
    assert predict(run(seed=1, batch_size=32), small).source == LIKE, "where there is no other"


@pytest.mark.parametrize(
    "other",
    [
        run("lp-ft"),
        run("lp-sgd"),
        run("l2-sp", epochs=3, judge_every=3),
        run(of=ELSEWHERE),
        run("ft", of=ELSEWHERE, epochs=7),
        run("flyp", epochs=4),
    ],
    ids=lambda run: f"{run.method} {run.benchmark.name}",
)
def test_another_method_or_benchmark_is_predicted_at_the_rate_of_the_backbone(other):
    found = predict(other, finished(run()))
    assert found.source == RATE
    assert found.seconds == pytest.approx(truth(other))


def test_a_probe_costs_its_features_and_a_mixture_its_judgings():
    results = [finished(run()), finished(run("zero-shot"))]
    for other in (run("lp"), run("wise-ft", alphas=(0.0, 0.5, 1.0)), run("uniform-soup")):
        found = predict(other, *results)
        assert (found.seconds, found.source) == (pytest.approx(truth(other)), RATE)
    assert predict(run("lp", of=ELSEWHERE), finished(run("lp"))).seconds == pytest.approx(truth(run("lp", of=ELSEWHERE)))


def test_what_does_not_train_writes_its_state_once_where_others_do_at_each_epoch():
    """START of 10 epochs is a tenth of it for one state, three tenths for three."""
    trained = finished(run("lp-ft", epochs=10))
    for other, states in ((run("uniform-soup"), 1), (run("wise-ft", alphas=(0.0, 0.5, 1.0)), 3), (run("lp"), 1)):
        assert predict(other, trained).seconds == pytest.approx(truth(other) - START + START * states / 10)
    assert predict(run(epochs=50), trained).seconds == pytest.approx(truth(run(epochs=50))), "what trains is not scaled"


def test_without_a_training_its_images_count_as_three_that_are_judged():
    """The fabricated training takes four."""
    found = predict(run(), finished(run("zero-shot")))
    counted = passes(run())
    assert found.seconds == pytest.approx(START + IMAGE * (counted.judged + 3 * counted.trained))


def test_its_own_method_elsewhere_tells_more_of_training_than_other_methods():
    heavy = finished(run("l2-sp", of=ELSEWHERE), factor=2.0)
    counted = passes(run("l2-sp"))
    found = predict(run("l2-sp"), heavy, *(finished(run(seed=seed)) for seed in range(3)))
    assert found.seconds == pytest.approx(START + IMAGE * counted.judged + 2 * TRAINED * counted.trained)


def test_numbers_of_images_that_no_benchmark_states_are_learned_from_what_runs_saw():
    unstated = fabricated.benchmark()
    assert predict(run(of=unstated)).seconds is None
    saw = finished(
        run("zero-shot", of=unstated), seen=COUNTS, extras={"examples": {"id_val": 100, "id_test": 50, "sketch": 30, "clipart": 20}}
    )
    assert predict(run(of=unstated), saw).seconds is None, "how many it would train on is not known"
    assert predict(run("uniform-soup", of=unstated), saw).seconds == pytest.approx(truth(run("uniform-soup")))
    trained = finished(run("lp-ft", of=unstated), seen=COUNTS, extras={"examples": COUNTS})
    assert predict(run(of=unstated), trained).seconds == pytest.approx(truth(run()))
    few = finished(run(of=unstated, shots=2), seen=COUNTS, extras={"examples": {**COUNTS, "train": 4, "id_val": 4}})
    assert predict(run(of=unstated), saw, few).seconds is None, "a few-shot run sees a part of what it trains on"


def test_another_backbone_is_predicted_at_the_flops_of_the_device():
    """Of two known ones by the one that is nearer in the arithmetic of an image: 12.2 GFLOP of 8.17 and 35.1."""
    near, far = finished(run(network="moco-v2-resnet50")), finished(run(network="clip-vit-b-16"), factor=9.0)
    found = predict(run(), near, far)
    assert found.source == DEVICE
    assert found.seconds - START == pytest.approx((truth(run()) - START) * 12.2 / 8.17)
    assert predict(run(), finished(run(network="digits-clip"))).source == ARITHMETIC, "a thousandth of its arithmetic tells nothing"
    side = predict(run(image_size=112), finished(run()))
    assert (side.source, side.seconds - START) == (DEVICE, pytest.approx((truth(run()) - START) / 4)), "another side is another network"
    assert predict(run(precision="bf16"), finished(run())).source == DEVICE, "and so is another precision"
    mixed = [finished(run(network="moco-v2-resnet50", precision="bf16"), factor=0.1), finished(run(network="clip-vit-l-14"))]
    assert predict(run(precision="bf16"), *mixed).seconds - START == pytest.approx((truth(run()) - START) * 12.2 / 8.17 / 10)


def test_arithmetic_is_the_last_resort():
    found = predict(run())
    assert (found.seconds, found.source) == (pytest.approx(flop(run()) / FLOP_PER_SECOND), ARITHMETIC)
    assert predict(run(), device=CPU).seconds == pytest.approx(flop(run()) / FLOP_PER_SECOND_OF_A_THREAD / 2)
    nothing = predict(run(network="timm:resnet18"))
    assert nothing == (None, None, None, None)


def test_only_results_of_the_device_count_and_on_a_cpu_of_as_many_threads():
    assert predict(run(), finished(run(), device=CPU)).source == ARITHMETIC
    assert predict(run(), finished(run()), device=Device("GPU", None)).source == ARITHMETIC, "a device that is not here"
    one, two = finished(run(), device=CPU._replace(threads=1), factor=2.0), finished(run(seed=1), device=CPU)
    for device, factor in ((CPU, 1.0), (CPU._replace(threads=1), 2.0)):
        assert predict(run(seed=2), one, two, device=device).seconds == pytest.approx(truth(run(), factor))
    assert predict(run(seed=2), one, device=CPU).seconds == pytest.approx(truth(run(), 2.0)), "better than arithmetic"


def test_packing_is_no_part_of_what_is_predicted():
    seconds = {"total": truth(run()) + 500.0, "fit": truth(run()) - START, "judge": 0.0, "pack": 500.0}
    assert predict(run(seed=1), finished(run(), seconds=seconds)).seconds == pytest.approx(truth(run()))


def test_what_ends_meanwhile_is_learned_from():
    calibration = Calibration((), GPU)
    assert calibration.predict(run(seed=1)).source == ARITHMETIC
    calibration.add(finished(run()))
    assert calibration.predict(run(seed=1)).seconds == pytest.approx(truth(run()))


def test_a_method_or_a_network_that_is_gone_tells_nothing():
    gone = run().model_copy(update={"method": "gone"}), run(network="gone")
    assert predict(run(), *(finished(run()).model_copy(update={"run": each}) for each in gone)).source == ARITHMETIC


def test_what_the_index_keeps_of_results_predicts_as_they_do(tmp_path):
    store = Store(tmp_path)
    for made in (finished(run(), extras={"examples": COUNTS}, peak_memory_bytes=10**9), finished(run("lp"))):
        fabricated.finish(
            store, made.run, **{name: getattr(made, name) for name in ("seconds", "environment", "extras", "peak_memory_bytes")}
        )
    for other in (run(seed=1), run("lp-ft"), run(network="clip-vit-b-16")):
        assert predict(other, *index.find(store).results) == predict(other, *store.results())
        assert predict(other, *index.find(store).results).source != ARITHMETIC
