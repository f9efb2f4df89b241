"""Arithmetic of states: key by key, exact where it can be, counters never averaged."""

from pathlib import Path

import numpy as np
import pytest
import tiny_digits
import torch

from repro.errors import UserError
from repro.nn import mixing
from repro.nn.job import ParentRun
from repro.nn.networks.weights import file_hash, save_weights
from repro.outcomes.store import Store


def states(count: int) -> list[mixing.State]:
    """A weight, a running mean, and the counter beside it."""
    generator = torch.Generator().manual_seed(0)
    return [
        {
            "w": torch.randn(3, 4, generator=generator),
            "bn.running_mean": torch.randn(4, generator=generator),
            "bn.count": torch.tensor(10 + i),
        }
        for i in range(count)
    ]


def test_the_ends_are_the_very_tensors() -> None:
    start, end = states(2)
    assert all(value is start[name] for name, value in mixing.between(start, end, 0.0).items())
    assert all(value is end[name] for name, value in mixing.between(start, end, 1.0).items())


@pytest.mark.parametrize("alpha", [0.1, 0.25, 0.9])
def test_between_them_is_the_line_and_a_counter_is_the_ends(alpha: float) -> None:
    start, end = states(2)
    mixed = mixing.between(start, end, alpha)
    assert mixed.keys() == end.keys() and mixed["bn.count"] == 11
    for name in ("w", "bn.running_mean"):
        line = (1 - alpha) * start[name].double() + alpha * end[name].double()
        assert mixed[name].dtype == torch.float32 and (mixed[name] - line).abs().max() < 5e-7


def test_the_mean_is_numpys_and_a_counter_is_the_firsts() -> None:
    parts = states(5)
    mixed = mixing.mean(parts)
    assert mixed.keys() == parts[0].keys() and mixed["bn.count"] == 10
    for name in ("w", "bn.running_mean"):
        expected = np.mean([part[name].double().numpy() for part in parts], axis=0)
        assert mixed[name].dtype == torch.float32 and np.abs(mixed[name].numpy() - expected).max() < 5e-7
    assert all(torch.equal(value, parts[0][name]) for name, value in mixing.mean(parts[:1]).items())


@pytest.mark.parametrize(("method", "sets", "unit"), [("ft", (), False), ("ft", ("head=zero_shot",), True), ("zero-shot", (), True)])
def test_a_classifier_has_the_form_of_its_runs(tmp_path: Path, method: str, sets: tuple[str, ...], unit: bool) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path), tiny_digits.plan(method, sets=(*sets, *(("epochs=1",) if method == "ft" else ())))
    assert tiny_digits.execute(plan, places, tiny_digits.CPU, tiny_digits.Log()) == []
    store, run = Store(places.runs), plan.runs[-1]
    parent = ParentRun(store.result(run), store.folder(run))
    model = mixing.classifier_of(tiny_digits.job_of(plan, method, places), [parent])
    assert model.normalize is unit
    model.load_state_dict(mixing.state_of(model, parent, "last"))
    job = tiny_digits.job_of(plan, method, places)
    job.backbone()
    with torch.no_grad(), np.load(store.folder(run) / "predictions.npz") as arrays:
        logits = model.eval()(job.images("photos").batch(torch.arange(64), None)).numpy()
        assert np.abs(logits - arrays[f"{parent.result.checkpoints[-1].name}/photos"][:64]).max() < 1e-3


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    places, plan = tiny_digits.pretrained_home(tmp_path), tiny_digits.plan("zero-shot")
    run, store = plan.runs[-1], Store(places.runs)
    path = store.folder(run) / "weights-final.safetensors"
    save_weights(path, {"head.weight": torch.zeros(1), "backbone.visual.other": torch.zeros(1)})
    result = store.result(run).model_copy(update={"files": {path.name: file_hash(path)}})
    parent = ParentRun(result, store.folder(run))
    model = mixing.classifier_of(tiny_digits.job_of(plan, "zero-shot", places), [parent])
    with pytest.raises(UserError, match="has weights of another network") as caught:
        mixing.state_of(model, parent, "last")
    assert caught.value.why == "for example backbone.visual.other"
