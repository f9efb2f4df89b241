"""The judge: every image once, in order, in evaluation mode."""

from pathlib import Path

import fabricated
import numpy as np
import pytest
import torch
from tiny_digits import places_at
from torch import nn

from repro import plugins
from repro.errors import UserError
from repro.nn import evaluate
from repro.nn.inputs import packs
from repro.nn.inputs.images import Images, Preprocess
from repro.reading.examples import Examples
from repro.settings import Recipe
from repro.types import Grouping


@pytest.fixture
def images(tmp_path: Path) -> Images:
    arrays = list(np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), dtype=np.uint8))
    packs.build(tmp_path / "p", Examples(arrays, np.arange(70) % 10), packs.Resize(side=8, mode="squash"), lambda done: None)
    return Images(packs.open_pack(tmp_path / "p"), Preprocess(8, (0.5,) * 3, (0.5,) * 3), torch.device("cpu"), Recipe(), False)


def test_outputs_are_in_order_whatever_the_batch(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = images.batch(torch.arange(70), None).flatten(1)
    seen: list[int] = []
    monkeypatch.setattr(evaluate, "BATCH", 32)
    assert torch.equal(evaluate.outputs(lambda batch: batch.flatten(1), images, on_batch=seen.append), whole)
    assert seen == [32, 64, 70]


def test_out_of_memory_is_smaller_batches_of_the_same_outputs(images: Images) -> None:
    whole, sizes, told = images.batch(torch.arange(70), None).flatten(1), [], []

    def outputs(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        if len(batch) > 20:
            raise torch.OutOfMemoryError("made up")
        return batch.flatten(1)

    assert torch.equal(evaluate.outputs(outputs, images, on_smaller=told.append), whole)
    assert told == [35, 17] and sizes == [70, 35, 17, 17, 17, 17, 2]
    with pytest.raises(torch.OutOfMemoryError):
        evaluate.outputs(lambda batch: outputs(batch.repeat(30, 1, 1, 1)), images)


def test_smaller_batches_are_recorded(images: Images) -> None:
    class Small(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            if len(batch) > 40:
                raise torch.OutOfMemoryError("made up")
            return batch.flatten(1)[:, :10]

    benchmark, extras = plugins.benchmark("digits").describe({}, places_at(Path("unused")), True), {}
    evaluate.judge(Small(), {"id_test": images}, benchmark, extras=extras)
    assert extras == {"judged_in_batches_of": 35}


@pytest.mark.parametrize("training", [True, False])
def test_metrics_are_of_the_logits_in_evaluation_mode(images: Images, training: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 10), nn.Dropout(0.9)).train(training)
    benchmark = plugins.benchmark("digits").describe({}, places_at(Path("unused")), True)
    logits, metrics = evaluate.judge(model, {"id_test": images}, benchmark)
    expected = model[1](images.batch(torch.arange(70), None).flatten(1)).detach().numpy()
    assert np.abs(logits["id_test"] - expected).max() < 1e-5
    assert metrics == {"id_test": {"accuracy": pytest.approx((expected.argmax(axis=1) == np.arange(70) % 10).mean())}}
    assert model.training is training and not any(parameter.grad is not None for parameter in model.parameters())


def test_groups_of_the_pack_become_metrics_and_a_missing_headline_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    arrays = list(np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8))
    region = np.arange(30) % 3
    packs.build(
        tmp_path / "p",
        Examples(arrays, np.arange(30) % 2, groups={"region": region}),
        packs.Resize(side=8, mode="squash"),
        lambda done: None,
    )
    images = Images(packs.open_pack(tmp_path / "p"), Preprocess(8, (0.5,) * 3, (0.5,) * 3), torch.device("cpu"), Recipe(), False)
    grouping = Grouping(name="region", values=("Asia", "Africa", "Other", "Oceania"), ignored=("Other",))
    benchmark = fabricated.with_splits(sketch={"metric": "worst_region"}).model_copy(update={"groupings": (grouping,)})
    logits, metrics = evaluate.judge(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), {"sketch": images}, benchmark)
    right = logits["sketch"].argmax(axis=1) == np.arange(30) % 2
    share = [right[region == number].mean() for number in range(3)]
    assert metrics["sketch"] == {
        "accuracy": pytest.approx(right.mean()),
        "worst_region": pytest.approx(min(share[:2])),
        "region=Asia": pytest.approx(share[0]),
        "region=Africa": pytest.approx(share[1]),
        "region=Other": pytest.approx(share[2]),
    }
    elsewhere = benchmark.model_copy(update={"groupings": (grouping.model_copy(update={"name": "country"}),)})
    with pytest.raises(UserError, match="split sketch has no worst-region accuracy"):
        evaluate.judge(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), {"sketch": images}, elsewhere)
