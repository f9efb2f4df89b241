"""The probe of Connect Later trains a head on augmented images, and its statistics adapt where they are told to."""

from pathlib import Path

import pytest
import tiny_digits
import torch

from repro.nn.inputs.targeted import PasteDigits
from repro.nn.networks.model import kept_state
from repro.outcomes.store import Store
from repro.planning.plan import Plan
from repro.types import Checkpoint


def planned(batchnorm: str, *sets: str) -> Plan:
    settings = (f"probe_batchnorm={batchnorm}", "batch_size=25", "probe_epochs=2", "epochs=1", *sets)
    return tiny_digits.plan("connect-later", sets=tuple(f"connect-later.{text}" for text in settings))


@pytest.mark.parametrize("batchnorm", ["eval", "adapt"])
def test_only_the_head_is_trained_and_statistics_follow_the_recipe(tmp_path: Path, batchnorm: str) -> None:
    job = tiny_digits.job_of(planned(batchnorm), "connect-later-lp", tiny_digits.pretrained_home(tmp_path / "home"))
    before = {name: tensor.clone() for name, tensor in job.classifier().state_dict().items()}
    trainer, losses = tiny_digits.fit(job, tmp_path / "run")
    assert isinstance(trainer.train.target, PasteDigits) and len(losses) == 8
    after = trainer.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    statistics = {name for name in before if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert moved == {"head.weight", "head.bias"} | (statistics if batchnorm == "adapt" else set())
    kept = kept_state(trainer.model, batchnorm == "adapt")
    assert moved <= set(kept) and set(kept) == {"head.weight", "head.bias"} | (statistics if batchnorm == "adapt" else set())


def test_it_is_a_stage_that_is_judged_by_what_chooses_its_checkpoint(tmp_path: Path) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path), planned("eval")
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    store = Store(places.runs)
    stage = next(run for run in plan.runs if run.method == "connect-later-lp")
    points: tuple[Checkpoint, ...] = store.result(stage).checkpoints
    assert [set(point.metrics) for point in points] == [{"id_val"}, {"id_val"}]
    assert set(store.frame()["method"]) == {"connect-later-lp", "connect-later", "zero-shot"}
    assert store.result(stage).extras["packs"].keys() == {"train", "id_val"}
