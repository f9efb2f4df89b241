"""Peak memory by hand: ResNet-50 of CLIP has 38.3 million parameters in its image tower, 102 in both, and keeps 100 MB of an image."""

from __future__ import annotations

import fabricated
import pytest

from repro.outcomes.predicted import ARITHMETIC, DEVICE, LIKE, RATE
from repro.planning.calibration import Calibration
from repro.planning.memory import PROGRAM, arithmetic
from repro.preflight.device import Device
from repro.types import BackboneRef

GPU, CPU = Device("GPU", "Made-Up 100"), Device("CPU", "Made-Up Core", 1)
MOST, BOTH = 38.3e6 * 4, 102.0e6 * 4


def run(method="ft", seed=0, network="clip-rn50", **recipe):
    return fabricated.run(method, seed, **{"batch_size": 64, **recipe}).model_copy(update={"backbone": BackboneRef(name=network)})


def predict(of, *finished, device=GPU):
    """`finished`: run, gigabytes."""
    told = {"device_name": device.name, "threads": device.threads}
    results = [fabricated.result(each, environment=told, peak_memory_bytes=round(peak * 1e9)) for each, peak in finished]
    found = Calibration(results, device).predict(of)
    return found.peak_memory_bytes, found.memory_source


def test_by_arithmetic():
    sgd, adamw = run(), run(optimizer="adamw")
    assert arithmetic(sgd, GPU) == pytest.approx(3 * MOST + 64 * 100e6), "weights, gradients, momentum"
    assert arithmetic(run(momentum=0.0), GPU) == pytest.approx(2 * MOST + 64 * 100e6)
    assert arithmetic(adamw, GPU) == pytest.approx(4 * MOST + 64 * 100e6)
    assert arithmetic(run(accumulate=4), GPU) == pytest.approx(3 * MOST + 16 * 100e6)
    assert arithmetic(run(precision="bf16"), GPU) == pytest.approx(3 * MOST + 32 * 100e6)
    assert arithmetic(run(image_size=112), GPU) == pytest.approx(3 * MOST + 16 * 100e6)
    assert arithmetic(run("flyp", optimizer="adamw"), GPU) == pytest.approx(4 * BOTH + 64 * 100e6)
    for frozen in (run("lp-sgd"), run("zero-shot"), run("lp")):
        assert arithmetic(frozen, GPU) == pytest.approx(MOST), "nothing is kept for a way back"
    assert arithmetic(sgd, CPU) == arithmetic(sgd, GPU) + PROGRAM
    assert arithmetic(run(network="timm:resnet18"), GPU) is None
    assert predict(sgd) == (round(3 * MOST + 64 * 100e6), ARITHMETIC)


def test_like_runs_are_scaled_by_the_micro_batch_beyond_what_the_parameters_take():
    state = 3 * MOST / 1e9
    assert predict(run(seed=1), (run(), 8.0)) == (8e9, LIKE)
    for larger in (run(seed=1, batch_size=128), run(seed=1, batch_size=256, accumulate=2)):
        assert predict(larger, (run(), state + 5.0)) == (round(3 * MOST + 10e9), LIKE)
    unknown = {"network": "timm:resnet18"}
    assert predict(run(seed=1, batch_size=128, **unknown), (run(**unknown), 5.0)) == (10e9, LIKE)


def test_other_methods_that_train_as_much_of_the_network_tell_of_it():
    assert predict(run("lp-ft"), (run(), 8.0), (run("zero-shot"), 1.0)) == (8e9, RATE)
    assert predict(run("uniform-soup"), (run(), 8.0), (run("zero-shot"), 1.0)) == (1e9, RATE)
    assert predict(run("flyp"), (run(), 8.0))[1] == ARITHMETIC, "it trains the text tower, too"


def test_on_a_cpu_nothing_is_scaled():
    assert predict(run(seed=1, batch_size=256), (run(), 2.0), device=CPU) == (2e9, LIKE)


def test_on_a_cpu_most_of_it_is_the_program_which_other_runs_tell_of():
    trained, judged, other = (run(), 2.0), (run("zero-shot"), 1.5), (run(network="timm:resnet18"), 3.0)
    assert predict(run("lp"), trained, judged, device=CPU) == (1.5e9, RATE), "those alike first"
    assert predict(run("lp"), trained, device=CPU) == (2e9, RATE)
    assert predict(run("lp"), trained)[1] == predict(run(), other)[1] == ARITHMETIC, "not so on a GPU"
    assert predict(run(), other, device=CPU) == (3e9, DEVICE)
