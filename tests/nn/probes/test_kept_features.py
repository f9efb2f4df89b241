"""Features are extracted once, and again wherever something that they follow from is another."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_digits
import torch

from repro.nn.probes import kept_features
from repro.nn.probes.kept_features import features_of


@pytest.fixture
def extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`extracted(…)` → the features, and whether the tower was asked for them."""
    places, asked = tiny_digits.pretrained_home(tmp_path), []
    real = kept_features.outputs
    monkeypatch.setattr(kept_features, "outputs", lambda *words: asked.append(1) or real(*words))

    def extract(*sets: str, split: str = "id_val", seed: int | None = None, change=lambda model: None) -> tuple[torch.Tensor, bool]:
        job = tiny_digits.job_of(tiny_digits.plan("lp", sets=sets), "lp", places)
        model = job.classifier().freeze_backbone().eval()
        change(model)
        images = job.images(split, augmented=seed is not None)
        asked.clear()
        made = features_of(model, images, None if seed is None else images.uniforms("probe", seed), job, lambda done: None)
        return made, bool(asked)

    extract.folder = places.packs / "features"
    return extract


def test_a_second_look_asks_no_tower(extracted) -> None:
    first, second = extracted(), extracted()
    assert (first[1], second[1]) == (True, False) and torch.equal(first[0], second[0]) and first[0].shape[0] == 100
    assert len(list(extracted.folder.glob("*.safetensors"))) == 1


def test_whatever_they_follow_from_makes_others(extracted) -> None:
    def nudge(model: torch.nn.Module) -> None:
        with torch.no_grad():
            model.backbone.visual.conv1.weight[0, 0, 0, 0] += 1e-3

    extracted()
    others = [
        extracted(split="id_test"),
        extracted(change=nudge),
        extracted("lp.lp_features=train", "lp.augment=shift", seed=0),
        extracted("lp.lp_features=train", "lp.augment=shift", seed=1),
        extracted("lp.lp_features=train", "lp.augment=shift", "lp.shift=3", seed=0),
    ]
    assert [asked for _, asked in others] == [True] * 5
    assert len(list(extracted.folder.glob("*.safetensors"))) == 1 + len(others)


def test_a_flipped_bit_is_noticed(extracted) -> None:
    first, _ = extracted()
    (path,) = extracted.folder.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(content)
    again, asked = extracted()
    assert asked and torch.equal(first, again)
    assert extracted()[1] is False


def test_a_folder_that_cannot_be_written_costs_time_alone(extracted, monkeypatch: pytest.MonkeyPatch) -> None:
    extracted.folder.parent.mkdir(exist_ok=True)
    extracted.folder.write_text("a file where the folder should be")
    first, second = extracted(), extracted()
    assert first[1] and second[1] and torch.equal(first[0], second[0])
