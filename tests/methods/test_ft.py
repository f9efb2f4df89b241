"""Fine-tuning and training from scratch differ in where the tower starts, and in nothing else."""

from pathlib import Path

import tiny_digits
import torch

from repro.methods import ft, scratch


def starts(tmp_path: Path) -> dict[str, torch.nn.Module]:
    places = tiny_digits.pretrained_home(tmp_path)
    return {
        name: module.start(tiny_digits.job_of(tiny_digits.plan(name), name, places)) for name, module in (("ft", ft), ("scratch", scratch))
    }


def test_the_tower_is_the_pretrained_one_and_the_head_fresh(tmp_path: Path) -> None:
    job = tiny_digits.job_of(tiny_digits.plan("ft"), "ft", tiny_digits.pretrained_home(tmp_path))
    model, parent = ft.start(job), job.parents["backbone"]
    state = parent.weights(parent.result.checkpoints[-1].name)
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    bound = model.head.in_features**-0.5  # PyTorch's default initialisation is uniform within it
    assert 0.9 * bound < model.head.weight.abs().max() <= bound and model.head.bias.abs().max() > 0
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_head_is_drawn_from_the_seed_alone(tmp_path: Path) -> None:
    models = starts(tmp_path)
    assert torch.equal(models["ft"].head.weight, models["scratch"].head.weight)
    other = ft.start(tiny_digits.job_of(tiny_digits.plan("ft", seeds=(1,)), "ft", tiny_digits.places_at(tmp_path)))
    assert not torch.equal(other.head.weight, models["ft"].head.weight)


def test_neither_keeps_a_text_tower(tmp_path: Path) -> None:
    for model in starts(tmp_path).values():
        assert model.backbone.text is None and model.backbone.logit_scale is None
