"""Zero-shot: the head is made of prompts, and there is one run whatever the seeds."""

from pathlib import Path

import numpy as np
import tiny_digits
import torch
import torch.nn.functional as F

from repro.outcomes.store import Store


def test_logits_are_scaled_cosines_of_image_and_mean_prompt(tmp_path: Path) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path), tiny_digits.plan("zero-shot")
    job = tiny_digits.job_of(plan, "zero-shot", places)
    net = job.backbone().eval()
    with torch.no_grad():
        images = F.normalize(net.visual(job.images("id_test").batch(torch.arange(100), None)), dim=-1)
        prompts = net.tokenize([template.format(name) for name in job.benchmark.classes for template in job.benchmark.templates])
        texts = F.normalize(net.text(prompts), dim=-1).view(10, len(job.benchmark.templates), -1).mean(dim=1)
        logits = net.logit_scale.exp() * images @ F.normalize(texts, dim=-1).T
    with np.load(Store(places.runs).folder(plan.runs[-1]) / "predictions.npz") as arrays:
        assert np.abs(arrays["final/id_test"] - logits.numpy()).max() < 1e-3


def test_seeds_share_one_run() -> None:
    plan = tiny_digits.plan("zero-shot", seeds=(0, 1, 2))
    assert [run.method for run in plan.runs] == ["clip-pretrain", "zero-shot"] and len(plan.asked) == 1
