"""The first losses of every training method as golden numbers, and that they fall, on the digits' tiny subset."""

from pathlib import Path

import pytest
import tiny_digits
import torch

from repro import plugins
from repro.nn.job import Job, ParentRun
from repro.paths import Places


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Places:
    places = tiny_digits.pretrained_home(tmp_path_factory.mktemp("golden"))
    assert tiny_digits.execute(tiny_digits.plan("lp"), places, tiny_digits.CPU, tiny_digits.Log()) == []
    return places


def job_with(home: Places, method: str, *sets: str) -> Job:
    return tiny_digits.job_of(tiny_digits.plan(method, sets=tuple(f"{method}.{text}" for text in sets)), method, home)


# The first five losses, from a tower whose weights follow from the seed, at a learning rate that does not amplify rounding.
GOLDEN_SETTINGS = ("batch_size=20", "epochs=1", "lr=1e-4", "optimizer=sgd", "augment=shift", "warmup_steps=2")
OWN_SETTINGS = {"l2-sp": ("l2sp_weight=1e3",)}  # such that five steps from the start show the penalty
GOLDEN = {
    "clip-pretrain": [3.6087222, 3.6321177, 3.7583556, 3.4064891, 3.4530201],
    "scratch": [2.4029536, 2.4277341, 2.4111133, 2.3446274, 2.5162973],
    "ft": [2.4029536, 2.4277341, 2.4111133, 2.3446274, 2.5162973],  # scratch's, its tower being random here
    "lp-ft": [2.357058, 2.2839396, 2.3165338, 2.3109846, 2.3417063],
    "l2-sp": [2.4029536, 2.4279704, 2.4136875, 2.3520315, 2.5280473],
    "ft-head-lr": [2.4029536, 2.4276142, 2.4105024, 2.3434615, 2.5141292],
    "bn-only": [2.4029536, 2.4281111, 2.4103839, 2.3502288, 2.5197361],
    "lp-sgd": [2.3188634, 2.3161469, 2.2944453, 2.324554, 2.337909],
    "freeze-embed": [2.4029536, 2.428019, 2.4095473, 2.3482418, 2.5170765],
    "flyp": [3.2636395, 3.9112754, 3.6171598, 3.992826, 3.3244705],
    "flyp-ce": [2.8707223, 2.6482716, 2.7743778, 2.1242023, 2.624438],
}


@pytest.mark.parametrize("method", GOLDEN)
def test_first_losses_are_the_golden_ones(home: Places, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change here is a change of every number that the method has ever produced: raise its version."""
    job = job_with(home, method, *GOLDEN_SETTINGS, *OWN_SETTINGS.get(method, ()))
    job.parents.pop("backbone", None)
    if method == "lp-ft":
        head = {"head.weight": torch.linspace(-1, 1, 640).view(10, 64).sin(), "head.bias": torch.zeros(10)}
        monkeypatch.setattr(ParentRun, "weights", lambda self, checkpoint: head)
    assert tiny_digits.fit(job, tmp_path)[1] == pytest.approx(GOLDEN[method], rel=1e-4)


FALLING = {
    "clip-pretrain": ("batch_size=25", "epochs=4", "warmup_steps=2"),
    "scratch": ("batch_size=25", "epochs=4", "lr=3e-3"),
    "ft": ("batch_size=25", "epochs=4", "lr=1e-3"),
    "lp-ft": ("batch_size=25", "epochs=4", "lr=3e-5"),
    "l2-sp": ("batch_size=25", "epochs=4", "lr=1e-3"),
    "ft-head-lr": ("batch_size=25", "epochs=4", "lr=3e-4"),
    "bn-only": ("batch_size=25", "epochs=4", "lr=1e-3"),
    "lp-sgd": ("batch_size=25", "epochs=4", "lr=1e-3"),
    "freeze-embed": ("batch_size=25", "epochs=4", "lr=1e-3"),
    "flyp": ("batch_size=25", "epochs=4", "lr=3e-4"),
    "flyp-ce": ("batch_size=25", "epochs=4", "lr=3e-4"),
}


@pytest.mark.parametrize("method", FALLING)
def test_the_loss_falls(home: Places, tmp_path: Path, method: str) -> None:
    seen = tiny_digits.fit(job_with(home, method, *FALLING[method]), tmp_path)[1]
    assert len(seen) == 16
    assert sum(seen[-4:]) < 0.95 * sum(seen[:4])


def test_every_training_method_has_golden_losses() -> None:
    training = {
        name for name in plugins.names("methods") if hasattr(plugins.method(name), "loss") and "images" in plugins.declared(name).kinds
    }
    assert training == set(FALLING) == set(GOLDEN) and len(training) == 11
