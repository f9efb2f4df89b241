"""ERM with the benchmark's own augmentation: its images are others, all else is ERM's; resumed, it takes the same steps."""

from pathlib import Path

import pytest
import tiny_digits
import torch

from repro.methods import erm, erm_targeted
from repro.nn.inputs.targeted import PasteDigits

SETTINGS = ("epochs=2", "batch_size=25", "lr=3e-3", "optimizer=sgd")


def test_it_differs_from_erm_in_its_images_alone(tmp_path: Path) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    plans = {name: tiny_digits.plan(name, sets=tuple(f"{name}.{text}" for text in SETTINGS)) for name in ("erm", "erm-targeted")}
    jobs = {name: tiny_digits.job_of(plan, name, places) for name, plan in plans.items()}
    told = {name: job.recipe.changed() for name, job in jobs.items()}
    assert told["erm-targeted"] == told["erm"] | {"targeted": "paste-digits", "targeted_p": 0.5}
    models = [erm.start(jobs["erm"]), erm_targeted.start(jobs["erm-targeted"])]
    assert all(torch.equal(a, b) for a, b in zip(*(model.state_dict().values() for model in models), strict=True))
    plain, targeted = (job.images("train", augmented=True) for job in jobs.values())
    assert plain.target is None and isinstance(targeted.target, PasteDigits)
    assert jobs["erm-targeted"].images("id_val").target is None
    everything = torch.arange(len(targeted))
    uniforms = targeted.uniforms(0, 0)
    same = (targeted.batch(everything, uniforms) == plain.batch(everything, plain.uniforms(0, 0))).all(dim=(1, 2, 3))
    assert torch.equal(same, uniforms[:, -7] >= 0.5) and 0.3 < same.float().mean() < 0.7


@pytest.mark.parametrize("stop_at", [1, 4, 6])
def test_a_resumed_run_takes_the_same_steps(tmp_path: Path, stop_at: int) -> None:
    places = tiny_digits.pretrained_home(tmp_path / "home")
    plan = tiny_digits.plan("erm-targeted", sets=tuple(f"erm-targeted.{text}" for text in SETTINGS))

    def job():
        return tiny_digits.job_of(plan, "erm-targeted", places)

    whole, losses = tiny_digits.fit(job(), tmp_path / "whole")
    _, first = tiny_digits.fit(job(), tmp_path / "cut", stop_at=stop_at)
    resumed, rest = tiny_digits.fit(job(), tmp_path / "cut")
    assert len(losses) == 8 and first + rest == losses
    assert all(torch.equal(a, b) for a, b in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True))
