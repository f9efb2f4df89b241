"""FLYP's ablation: cross-entropy over one caption per class, drawn anew each step."""

from pathlib import Path

import pytest
import tiny_digits
import torch
import torch.nn.functional as F

from repro.methods import flyp_ce
from repro.nn.job import Batch
from repro.reading.prompts import fill


def test_the_loss_is_the_cross_entropy_of_scaled_cosines(tmp_path: Path) -> None:
    job = tiny_digits.job_of(tiny_digits.plan("flyp-ce"), "flyp-ce", tiny_digits.pretrained_home(tmp_path))
    net = flyp_ce.start(job).eval()
    images, labels = job.images("train").batch(torch.arange(12), None), job.images("train").labels[:12]
    values = set()
    for seed in range(4):
        torch.manual_seed(seed)
        loss = flyp_ce.loss(net, Batch(images, labels, torch.arange(12)), job)["loss"]
        torch.manual_seed(seed)
        drawn = torch.randint(6, (10,)).tolist()
        words = [fill(job.benchmark.templates[template], name) for template, name in zip(drawn, job.benchmark.classes, strict=True)]
        cosines = F.cosine_similarity(net.visual(images)[:, None], net.text(net.tokenize(words))[None], dim=-1)
        log_p = (net.logit_scale.exp() * cosines).log_softmax(dim=1)
        assert loss.item() == pytest.approx(-log_p[torch.arange(12), labels].mean().item(), rel=1e-4)
        values.add(loss.item())
    assert len(values) == 4


def test_both_towers_are_trained_and_the_head_is_the_text_towers(tmp_path: Path) -> None:
    plan = tiny_digits.plan("flyp-ce", sets=("epochs=1", "batch_size=25", "lr=1e-3"))
    job = tiny_digits.job_of(plan, "flyp-ce", tiny_digits.pretrained_home(tmp_path))
    before, net = flyp_ce.start(job), tiny_digits.fit(job, tmp_path / "run")[0].model
    for (name, value), start in zip(net.named_parameters(), before.parameters(), strict=True):
        assert not torch.equal(value, start), name
    old, new = flyp_ce.judged(before, job), flyp_ce.judged(net, job)
    assert new.backbone.visual is net.visual and not torch.equal(new.head.weight, old.head.weight)
    assert torch.allclose(new.head.weight.norm(dim=1), net.logit_scale.exp().detach().expand(10), rtol=1e-5)
