"""Connect Later fine-tunes from its probe's best checkpoint: head and statistics; then all weights train on augmented images."""

from pathlib import Path

import pytest
import tiny_digits
import torch

from repro.methods import connect_later
from repro.nn.inputs.targeted import PasteDigits
from repro.outcomes.selection import select
from repro.planning.plan import Plan


def planned(*sets: str) -> Plan:
    settings = ("batch_size=25", "probe_epochs=3", "probe_lr=3e-3", "epochs=2", "lr=1e-4", *sets)
    return tiny_digits.plan("connect-later", sets=tuple(f"connect-later.{text}" for text in settings))


@pytest.mark.parametrize("sets", [("start_at=id_val", "probe_batchnorm=adapt"), ("start_at=last",)])
def test_it_starts_where_the_probes_chosen_checkpoint_stands(tmp_path: Path, sets: tuple[str, ...]) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path), planned(*sets)
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    job = tiny_digits.job_of(plan, "connect-later", places)
    model, parent = connect_later.start(job), job.parents["probe"]
    rule = job.recipe.start_at
    chosen = select(parent.result.checkpoints, rule, job.benchmark).name
    assert job.extras["probe"] == {"checkpoint": chosen} and (rule != "last" or chosen == "epoch-3")
    kept, state, fresh = parent.weights(chosen), model.state_dict(), job.classifier().state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in kept.items())
    assert all(torch.equal(state[name], tensor) for name, tensor in fresh.items() if name not in kept)
    adapted = any(name.endswith("running_mean") for name in kept)
    assert adapted == ("probe_batchnorm=adapt" in sets)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_resumed_it_takes_the_same_steps(tmp_path: Path) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path / "home"), planned()
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []

    def job():
        return tiny_digits.job_of(plan, "connect-later", places)

    whole, losses = tiny_digits.fit(job(), tmp_path / "whole")
    _, first = tiny_digits.fit(job(), tmp_path / "cut", stop_at=5)
    resumed, rest = tiny_digits.fit(job(), tmp_path / "cut")
    assert isinstance(whole.train.target, PasteDigits) and len(losses) == 8 and first + rest == losses
    assert all(torch.equal(a, b) for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True))
