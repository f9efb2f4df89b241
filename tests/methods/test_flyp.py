"""FLYP: captions of the images' classes, open_clip's loss on them, and a head that is the trained text tower's."""

from pathlib import Path

import numpy as np
import pytest
import tiny_digits
import torch
import torch.nn.functional as F
from open_clip import build_zero_shot_classifier
from open_clip.loss import ClipLoss
from safetensors.torch import load_file

from repro.errors import UserError
from repro.methods import flyp
from repro.nn.job import Batch, Job
from repro.nn.objectives.coupled import loss_of
from repro.reading.prompts import fill


def job_at(folder: Path, *sets: str) -> Job:
    return tiny_digits.job_of(tiny_digits.plan("flyp", sets=sets), "flyp", tiny_digits.pretrained_home(folder))


def captions(job: Job, net, names: list[str], templates: list[int]) -> torch.Tensor:
    return net.tokenize([fill(job.benchmark.templates[template], name) for name, template in zip(names, templates, strict=True)])


def test_each_image_gets_one_of_its_own_classes_captions(tmp_path: Path) -> None:
    job = job_at(tmp_path)
    net, labels = flyp.start(job), torch.tensor([5, 0, 3, 5])
    drawn = [flyp.pairs(Batch(torch.empty(0), labels, torch.arange(4)), job) for _ in range(60)]
    for row, label in enumerate(labels):
        own = captions(job, net, [job.benchmark.classes[label]] * 6, list(range(6)))
        assert {tuple(tokens[row].tolist()) for tokens in drawn} == {tuple(tokens.tolist()) for tokens in own} and len(own) == 6


@pytest.mark.parametrize("templates", [1, 6])
def test_the_loss_is_open_clips_and_above_those_that_know_labels(tmp_path: Path, templates: int) -> None:
    """Images of one class are each other's negatives as released; the variants that their loss has besides (clip/loss.py:107-191) are not
    used: with duplicates left out of the sums it is lower, and with equal targets for all of a class it is the same where captions are equal."""
    job = job_at(tmp_path)
    net = flyp.start(job).eval()
    job.tokens = job.tokens[:, :templates]
    images, labels = job.images("train").batch(torch.arange(24), None), job.images("train").labels[:24]
    assert len(labels.unique()) < 24
    with torch.no_grad():
        torch.manual_seed(3)
        loss = loss_of(flyp)(net, Batch(images, labels, torch.arange(24)), job)["loss"].item()
        torch.manual_seed(3)
        drawn = torch.randint(templates, (24,)).tolist()
        texts = captions(job, net, [job.benchmark.classes[label] for label in labels], drawn)
        image, text = F.normalize(net.visual(images), dim=-1), F.normalize(net.text(texts), dim=-1)
        assert loss == pytest.approx(ClipLoss()(image, text, net.logit_scale.exp()).item(), rel=1e-5)
        logits = net.logit_scale.exp() * image @ text.T
    same = labels[:, None] == labels[None]
    alone = logits.masked_fill(same & ~torch.eye(24, dtype=torch.bool), -torch.inf)
    without = (F.cross_entropy(alone, torch.arange(24)) + F.cross_entropy(alone.T, torch.arange(24))) / 2
    assert loss > without.item() + 0.05
    if templates == 1:
        soft = same / same.sum(dim=1, keepdim=True)
        assert loss == pytest.approx(((F.cross_entropy(logits, soft) + F.cross_entropy(logits.T, soft)) / 2).item(), rel=1e-5)


class AsOpenClip(torch.nn.Module):
    """The method that open_clip's builder calls."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def encode_text(self, tokens: torch.Tensor, normalize: bool = False) -> torch.Tensor:
        return F.normalize(self.net.text(tokens), dim=-1) if normalize else self.net.text(tokens)


def test_what_is_judged_is_the_zero_shot_classifier_of_the_trained_towers(tmp_path: Path) -> None:
    job = job_at(tmp_path, "epochs=1", "batch_size=25", "lr=1e-3")
    before = flyp.start(job)
    net = tiny_digits.fit(job, tmp_path / "run", judge=True)[0].model.eval()
    for (name, value), start in zip(net.named_parameters(), before.parameters(), strict=True):
        assert not torch.equal(value, start), name  # both towers, both projections, the scale
    assert {"visual.attnpool.c_proj.weight", "text.text_projection", "logit_scale"} <= dict(net.named_parameters()).keys()
    ways = [lambda name, t=template: t.format(name) for template in job.benchmark.templates]
    with torch.no_grad():
        theirs = build_zero_shot_classifier(AsOpenClip(net), net.tokenize, job.benchmark.classes, ways).T * net.logit_scale.exp()
        features = F.normalize(net.visual(job.images("photos").batch(torch.arange(100), None)), dim=-1)
    state = load_file(tmp_path / "run" / "checkpoint" / "weights-epoch-1.safetensors")
    assert torch.allclose(state["head.weight"], theirs, rtol=1e-4, atol=1e-5) and not state["head.bias"].any()
    assert torch.equal(state["backbone.visual.conv1.weight"], net.visual.conv1.weight) and not any("text" in name for name in state)
    with np.load(tmp_path / "run" / "checkpoint" / "predictions-epoch-1.npz") as arrays:
        assert np.abs(arrays["photos"] - (features @ theirs.T).numpy()).max() < 1e-3


def test_a_resumed_run_draws_the_same_captions(tmp_path: Path) -> None:
    sets = ("batch_size=20", "epochs=2")
    whole, seen = tiny_digits.fit(job_at(tmp_path, *sets), tmp_path / "whole", judge=True)
    _, before = tiny_digits.fit(job_at(tmp_path, *sets), tmp_path / "parts", judge=True, stop_at=6)
    resumed, after = tiny_digits.fit(job_at(tmp_path, *sets), tmp_path / "parts", judge=True)
    assert len(before) == 6 and before + after == seen
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


@pytest.mark.parametrize("setting", ["accumulate=2", "label_smoothing=0.1", "freeze=backbone", "head_lr_factor=2"])
def test_what_a_contrastive_batch_does_not_know_is_refused(setting: str) -> None:
    with pytest.raises(UserError, match="means nothing to flyp"):
        tiny_digits.plan("flyp", sets=(f"flyp.{setting}",))


def test_the_papers_conventions_are_its_defaults() -> None:
    recipe = tiny_digits.plan("flyp").runs[-1].recipe
    assert (recipe.optimizer, recipe.betas, recipe.eps, recipe.schedule) == ("adamw", (0.9, 0.999), 1e-8, "cosine_step")
    assert recipe.clip_norm is None and flyp.METHOD.defaults["lr"] == 1e-5
