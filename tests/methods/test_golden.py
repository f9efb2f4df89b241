"""The first losses of every training method as golden numbers, and that they fall, on the digits' tiny subset."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_digits
import torch

from repro import plugins
from repro.nn import mixing
from repro.nn.job import Job, ParentRun
from repro.nn.objectives import pseudo_labels
from repro.nn.objectives.coupled import loss_of
from repro.paths import Places
from repro.planning.plan import Plan
from repro.settings import LOSSES
from repro.types import Checkpoint


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Places:
    places = tiny_digits.pretrained_home(tmp_path_factory.mktemp("golden"))
    assert tiny_digits.execute(tiny_digits.plan("lp", "ft"), places, tiny_digits.CPU, tiny_digits.Log()) == []
    return places


def job_with(home: Places, method: str, *sets: str) -> Job:
    return tiny_digits.job_of(plan_of(method, *sets), method, home)


def plan_of(method: str, *sets: str) -> Plan:
    """The method's plan; a stage is set through the method whose stage it is."""
    child, names = STAGES.get(method, (method, {}))
    named = (text.partition("=")[::2] for text in sets)
    return tiny_digits.plan(child, sets=tuple(f"{child}.{names.get(field, field)}={value}" for field, value in named))


STAGES = {"connect-later-lp": ("connect-later", {"lr": "probe_lr", "epochs": "probe_epochs"})}


# The first five losses, from a tower whose weights follow from the seed, at a learning rate that does not amplify rounding.
GOLDEN_SETTINGS = ("batch_size=20", "epochs=1", "lr=1e-4", "optimizer=sgd", "augment=shift", "warmup_steps=2")
WEIGHTS = tuple(f"weight_{name}=0.5" for name in LOSSES)
OWN_SETTINGS = {  # such that five steps from the start show the penalty
    "l2-sp": ("l2sp_weight=1e3",),
    "coral": ("penalty_weight=10",),
    "irm": ("penalty_weight=3", "anneal_steps=2"),
    "swav-pretrain": ("augment=rrc_flip", "lr=0.3", "optimizer=larc"),
    "autoft": ("searched=false", *WEIGHTS),
}
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
    "coral": [3.673595, 3.594718, 3.4890277, 3.4037533, 3.4737625],
    "irm": [2.339911, 2.3719649, 2.4827626, 2.4119081, 2.3423359],
    "dann": [3.1361053, 3.0714161, 3.116641, 3.0718322, 3.076715],
    "self-training": [2.3962207, 2.3402686, 2.2115932, 2.486032, 2.4433217, 2.2967165, 2.4880724, 2.5276563, 2.3416419, 2.400682],
    "swav-pretrain": [4.1048431, 4.4297504, 4.1604424, 3.8728416, 3.9816294, 3.776581, 3.7556274, 3.8271902, 3.5252571, 3.445924],
    "flyp": [3.2636395, 3.9112754, 3.6171598, 3.992826, 3.3244705],
    "autoft": [9.6719074, 9.5802336, 9.7488956, 9.5872211, 9.956336],
    "flyp-ce": [2.8707223, 2.6482716, 2.7743778, 2.1242023, 2.624438],
    "erm": [2.4029536, 2.4277341, 2.4111133, 2.3446274, 2.5162973],  # scratch's
    "erm-targeted": [2.4289818, 2.3654475, 2.2829509, 2.3796909, 2.3818419],
    "connect-later-lp": [2.318727, 2.3161247, 2.2943358, 2.3245349, 2.3379223],
    "connect-later": [3.2379277, 3.0452533, 2.5630462, 3.0740688, 3.7411256],
}


@pytest.mark.parametrize("method", GOLDEN)
def test_first_losses_are_the_golden_ones(home: Places, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change here is a change of every number that the method has ever produced: raise its version."""
    job = job_with(home, method, *GOLDEN_SETTINGS, *OWN_SETTINGS.get(method, ()))
    job.parents.pop("backbone", None)
    if method in ("lp-ft", "connect-later"):
        head = {"head.weight": torch.linspace(-1, 1, 640).view(10, 64).sin(), "head.bias": torch.zeros(10)}
        monkeypatch.setattr(ParentRun, "weights", lambda self, checkpoint: head)
    if method == "connect-later":
        points = (Checkpoint(name="epoch-1", metrics={"id_val": {"accuracy": 1.0}}),)
        job.parents["probe"] = ParentRun(SimpleNamespace(checkpoints=points), tmp_path)
    if method == "self-training":  # whose teacher learned from pretrained weights
        monkeypatch.setattr(pseudo_labels, "pseudo_labels", lambda teacher, job, splits: torch.arange(100) % 10)
        monkeypatch.setattr(mixing, "classifier_of", lambda job, parents: job.classifier())
        monkeypatch.setattr(mixing, "state_of", lambda model, parent, rule: model.state_dict())
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
    "coral": ("batch_size=24", "epochs=4", "lr=1e-3"),
    "irm": ("batch_size=24", "epochs=4", "lr=1e-3"),
    "dann": ("batch_size=24", "epochs=4", "lr=1e-3"),
    "self-training": ("batch_size=50", "epochs=4", "lr=1e-3"),
    "swav-pretrain": ("batch_size=50", "epochs=4", "lr=0.3"),
    "flyp": ("batch_size=25", "epochs=4", "lr=3e-4"),
    "autoft": ("batch_size=25", "epochs=4", "lr=3e-4", "searched=false", *WEIGHTS),
    "flyp-ce": ("batch_size=25", "epochs=4", "lr=3e-4"),
    "erm": ("batch_size=25", "epochs=4", "lr=3e-3"),
    "erm-targeted": ("batch_size=25", "epochs=4", "lr=3e-3"),
    "connect-later-lp": ("batch_size=25", "epochs=4", "lr=1e-3"),
    "connect-later": ("batch_size=25", "epochs=4", "lr=1e-4"),
}


@pytest.mark.parametrize("method", FALLING)
def test_the_loss_falls(home: Places, tmp_path: Path, method: str) -> None:
    made = plan_of(method, *FALLING[method])
    stages = tuple(run for run in made.runs if run.method in (*STAGES, "clip-pretrain") and run.method != method)
    assert tiny_digits.execute(made.model_copy(update={"runs": stages}), home, tiny_digits.CPU, tiny_digits.Log()) == []
    seen = tiny_digits.fit(job_with(home, method, *FALLING[method]), tmp_path)[1]
    assert len(seen) == 16
    assert sum(seen[-4:]) < 0.95 * sum(seen[:4])


def test_every_training_method_has_golden_losses() -> None:
    training = {name for name in plugins.names("methods") if loss_of(plugins.method(name)) and "images" in plugins.declared(name).kinds}
    assert training == set(FALLING) == set(GOLDEN) and len(training) == 21
