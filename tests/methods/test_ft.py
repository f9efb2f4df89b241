"""Fine-tuning and training from scratch differ in where the tower starts, and in nothing else."""

from pathlib import Path

import numpy as np
import pytest
import tiny_digits
import torch

from repro import plugins
from repro.errors import UserError
from repro.methods import ft, scratch
from repro.outcomes.store import Store
from repro.planning import plan as planning
from repro.planning.plan import Request


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


def test_from_the_zero_shot_head_it_starts_as_the_zero_shot_classifier(tmp_path: Path) -> None:
    """As WiSE-FT's fine-tuning starts: unit features, the scale inside the weights, the bias zero but trained."""
    places = tiny_digits.pretrained_home(tmp_path)
    job = tiny_digits.job_of(tiny_digits.plan("ft", sets=("head=zero_shot", "epochs=1")), "ft", places)
    model = ft.start(job).eval()
    zero_shot = Store(places.runs).folder(tiny_digits.plan("zero-shot").runs[-1])
    with torch.no_grad(), np.load(zero_shot / "predictions.npz") as arrays:
        logits = model(job.images("photos").batch(torch.arange(100), None)).numpy()
        assert np.array_equal(logits, arrays["final/photos"])
    assert model.normalize and not model.head.bias.any() and all(parameter.requires_grad for parameter in model.parameters())
    assert model.head.weight.norm(dim=1).allclose(job.backbone().logit_scale.exp().expand(10), rtol=1e-5)
    trained = tiny_digits.fit(job, tmp_path / "run")[0].model
    assert trained.head.bias.all() and not torch.equal(trained.head.weight, model.head.weight)


def test_a_network_without_texts_has_no_zero_shot_head(tmp_path: Path) -> None:
    benchmark = plugins.benchmark("digits").describe({}, tiny_digits.places_at(tmp_path), True)
    request = Request(benchmark, ("ft",), (0,), sets=("head=zero_shot",), backbone="timm:test_resnet", weights="random")
    with pytest.raises(UserError, match="no zero-shot head can be made") as caught:
        ft.start(tiny_digits.job_of(planning.make(request), "ft", tiny_digits.places_at(tmp_path)))
    assert "timm:test_resnet has no text tower" in caught.value.why


def test_neither_keeps_a_text_tower(tmp_path: Path) -> None:
    for model in starts(tmp_path).values():
        assert model.backbone.text is None and model.backbone.logit_scale is None
