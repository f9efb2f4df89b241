"""What the files of facts say of the named backbones: complete, and hashed into the names of runs."""

from __future__ import annotations

import pytest

from repro import backbones
from repro.backbones import Entry, definition, find, layouts, named, with_layout
from repro.data import manifest

PAPERS = [
    *("moco-v2-resnet50", "moco-tp-resnet50", "resnet50-supervised", "densenet121-supervised", "swav-resnet50", "densenet121-camelyon17"),
    *("clip-rn50", "clip-vit-b-32", "clip-vit-b-16", "clip-vit-l-14", "clip-vit-l-14-336", "laion-vit-b-16", "laion-vit-l-14"),
    *("dino-vit-b-16", "bit-resnet50", "bit-resnet101"),
]


def test_the_papers_backbones_are_there_with_weights_layout_and_dimension() -> None:
    assert list(named()) == ["digits-clip", *PAPERS, "informer", "informer-small"]
    for name in PAPERS:
        entry = find(name)
        family, _, file = entry.weights.partition(":")
        assert manifest.load(family).kind == "checkpoint" and manifest.load(family).file(file)
        assert entry.layout in layouts() and entry.dim >= 512 and entry.caption
        assert bool(entry.preprocess) == (entry.library == "torchvision")
    assert len({find(name).weights for name in PAPERS}) == len(PAPERS)


def test_every_layout_is_of_some_backbone() -> None:
    assert {name: with_layout(name) for name in layouts()} == {
        "moco": ["moco-v2-resnet50", "moco-tp-resnet50"],
        "swav": ["swav-resnet50"],
        "swav-wilds": ["densenet121-camelyon17"],
        "openai": ["clip-rn50", "clip-vit-b-32", "clip-vit-b-16", "clip-vit-l-14", "clip-vit-l-14-336"],
        "torchvision": ["resnet50-supervised", "densenet121-supervised"],
        "open_clip": ["laion-vit-b-16", "laion-vit-l-14"],
        "timm": ["dino-vit-b-16"],
        "jax": ["bit-resnet50", "bit-resnet101"],
    }


def test_the_definition_of_what_finished_runs_started_from_stays() -> None:
    assert definition(find("digits-clip")) == "77e45c299d005757"
    assert definition(find("torchvision:resnet50")) is None


def hashed(monkeypatch: pytest.MonkeyPatch, entry: Entry) -> str:
    monkeypatch.setattr(backbones, "named", lambda: {entry.name: entry})
    return definition(entry)


def test_a_definition_changes_with_network_images_and_names_of_tensors_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = find("moco-v2-resnet50")
    before = definition(entry)
    changes = {
        "arch": "resnet18",
        "library": "timm",
        "kwargs": {"width_per_group": 128},
        "layout": "swav",
        "preprocess": {**entry.preprocess, "crop_ratio": 1.0},
    }
    after = {field: hashed(monkeypatch, entry._replace(**{field: value})) for field, value in changes.items()}
    assert len({before, *after.values()}) == 6
    assert hashed(monkeypatch, entry._replace(caption="other", weights="moco-tp:moco_tp.pth.tar")) == before
    for field, value in {"prefix": "encoder_k.", "drop": ("queue",), "sign": ("queue",), "classifier": True, "caption": "other"}.items():
        layout = layouts()["moco"]._replace(**{field: value})
        with monkeypatch.context() as patch:
            patch.setattr(backbones, "layouts", lambda layout=layout: {"moco": layout})
            assert (hashed(patch, entry) == before) == (field == "caption")
