"""Contrastive pretraining: one of an image's captions per step, both towers trained."""

from pathlib import Path

import tiny_digits
import torch

from repro.methods import clip_pretrain
from repro.nn.job import Batch


def test_captions_are_drawn_among_each_images_own(tmp_path: Path) -> None:
    job = tiny_digits.job_of(tiny_digits.plan("zero-shot"), "clip-pretrain", tiny_digits.pretrained_home(tmp_path))
    clip_pretrain.start(job)
    index = torch.tensor([5, 70, 3, 5])
    drawn = [clip_pretrain.pairs(Batch(torch.empty(0), torch.zeros(4), index), job) for _ in range(40)]
    for row, example in enumerate(index):
        own = {tuple(job.tokens[caption].tolist()) for caption in job.caption_of[example]}
        assert {tuple(tokens[row].tolist()) for tokens in drawn} == own and len(own) == 2


def test_both_towers_and_the_scale_are_trained_and_kept(tmp_path: Path) -> None:
    places = tiny_digits.pretrained_home(tmp_path)
    job = tiny_digits.job_of(tiny_digits.plan("ft"), "ft", places)
    parent = job.parents["backbone"]
    trained = parent.weights(parent.result.checkpoints[-1].name)
    start = clip_pretrain.start(tiny_digits.job_of(tiny_digits.plan("ft"), "clip-pretrain", places)).state_dict()
    assert trained.keys() == start.keys()
    for name in ("visual.conv1.weight", "text.transformer.resblocks.0.attn.in_proj_weight", "text.text_projection", "logit_scale"):
        assert not torch.equal(trained[name], start[name]), name
    losses_of_epochs = [point.train["loss"] for point in parent.result.checkpoints]
    assert len(losses_of_epochs) == 6 and losses_of_epochs[-1] < losses_of_epochs[0]
