"""The change of features, against a plain computation on the weights of digits' tiny runs."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from tiny_digits import CPU, Log, job_of, plan, pretrained_home

from repro.errors import UserError
from repro.figures import features
from repro.nn.distortion import FILE, change
from repro.nn.networks import backbones
from repro.outcomes.store import Store
from repro.run import execute

METHODS = ("ft", "lp-ft", "flyp", "scratch")
SPLITS = ("id_test", "photos")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    places, made = pretrained_home(tmp_path_factory.mktemp("home")), plan(*METHODS)
    assert execute(made, places, CPU, Log()) == []
    return places, made, {run.method: Store(places.runs).result(run) for run in made.runs if run.method in METHODS}


def tower(reference, weights: dict[str, torch.Tensor], prefix: str) -> torch.nn.Module:
    net, _ = backbones.build(reference)
    net.visual.load_state_dict({name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)})
    return net.visual.eval()


@pytest.mark.parametrize("method", ["ft", "lp-ft", "flyp"])
@pytest.mark.parametrize("rule", ["last", "id_val"])
def test_it_is_what_the_two_files_of_weights_give(ran, method, rule):
    places, made, results = ran
    store, result = Store(places.runs), results[method]
    points = result.checkpoints
    point = points[-1] if rule == "last" else max(points, key=lambda one: one.metrics["id_val"]["accuracy"])
    found = features.distortion([(result, point)], SPLITS, places, "cpu")[result.key]
    parent = store.result(made.run(result.run.parents["backbone"]))
    first = load_file(store.folder(parent.run) / f"weights-{parent.checkpoints[-1].name}.safetensors")
    last = load_file(store.folder(result.run) / f"weights-{point.name}.safetensors")
    before, after = tower(result.run.backbone, first, "visual."), tower(result.run.backbone, last, "backbone.visual.")
    job = job_of(made, method, places)
    job.backbone()
    for split in SPLITS:
        images = job.images(split)
        with torch.no_grad():
            moved = after(images.batch(torch.arange(len(images)), None)) - before(images.batch(torch.arange(len(images)), None))
        assert len(moved) == 100
        assert found[split]["mean_squared_difference"] == pytest.approx((moved**2).mean().item(), rel=1e-4)
        assert found[split]["euclidean_distance"] == pytest.approx(torch.linalg.vector_norm(moved, dim=1).mean().item(), rel=1e-4)
        assert found[split]["mean_squared_difference"] > 0


def test_scratch_starts_from_the_seeds_own_random_weights(ran):
    places, _, results = ran
    result = results["scratch"]
    found = features.distortion([(result, result.checkpoints[-1])], SPLITS, places, "cpu")[result.key]
    assert all(value > 0 for value in found["id_test"].values())


def test_both_measures_of_features_worked_by_hand():
    before, after = torch.zeros(2, 4), torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    assert change(before, after).tolist() == [[25 / 4, 5.0], [1.0, 2.0]]


def test_what_was_found_is_read_again_and_is_no_part_of_the_result(ran):
    places, _, results = ran
    result = results["ft"]
    folder = Store(places.runs).folder(result.run)
    record = (folder / "result.json").read_bytes()
    found = features.distortion([(result, result.checkpoints[-1])], SPLITS, places, "cpu")[result.key]
    content = json.loads((folder / FILE).read_text())
    weights = result.files[f"weights-{result.checkpoints[-1].name}.safetensors"]
    assert content["checkpoints"][weights] == found
    content["checkpoints"][weights]["photos"]["euclidean_distance"] = 123.0
    (folder / FILE).write_text(json.dumps(content))
    assert (
        features.distortion([(result, result.checkpoints[-1])], SPLITS, places, "cpu")[result.key]["photos"]["euclidean_distance"] == 123.0
    )
    (folder / FILE).write_text("{ damaged")
    assert features.distortion([(result, result.checkpoints[-1])], SPLITS, places, "cpu")[result.key] == found
    assert FILE not in result.files and (folder / "result.json").read_bytes() == record


def test_weights_that_were_removed_are_named(ran, tmp_path):
    places, _, results = ran
    result = results["lp-ft"]
    folder = Store(places.runs).folder(result.run)
    (folder / FILE).unlink(missing_ok=True)
    path = folder / f"weights-{result.checkpoints[-1].name}.safetensors"
    aside = path.rename(tmp_path / path.name)
    try:
        with pytest.raises(UserError, match=f"has no intact {path.name}"):
            features.distortion([(result, result.checkpoints[-1])], SPLITS, places, "cpu")
    finally:
        aside.rename(path)
