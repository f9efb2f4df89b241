"""A weights file that a manifest knows starts its own backbone and no other."""

from __future__ import annotations

import hashlib
from pathlib import Path

import fabricated
import pytest
from toy_benchmark import use, write_manifest

from repro import backbones
from repro import plan as planning
from repro.backbones import Entry
from repro.errors import UserError
from repro.known_weights import sha256_for

LARGE, SMALL, TILE = b"large" * 99, b"small" * 99, b"tile" * 99
IMAGES = {"size": 96}


def entry(name: str, weights: str | None, arch: str = "resnet50", **fields) -> Entry:
    return Entry(name, "torchvision", arch, "", False, weights=weights, **fields)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Path]:
    """Three families, known by all of a sha256, by the beginning of one, by the beginning of an md5; and a fourth that nobody starts from."""
    use(monkeypatch, tmp_path)
    folder = tmp_path / "manifests"
    write_manifest(folder, "large", LARGE, kind="checkpoint")
    write_manifest(folder, "small", SMALL, kind="checkpoint", facts=f'sha256_prefix = "{hashlib.sha256(SMALL).hexdigest()[:8]}"')
    prefix, other = hashlib.md5(TILE).hexdigest()[:8], hashlib.sha256(b"other").hexdigest()
    beside = f'[[files]]\nname = "y.bin"\nsha256 = "{other}"'
    write_manifest(folder, "tile", TILE, kind="checkpoint", facts=f'md5_prefix = "{prefix}"\n{beside}')
    write_manifest(folder, "nameless", b"", kind="checkpoint", facts="bytes_approx = 3")
    entries = [
        entry("large-net", "large:x.bin"),
        entry("small-net", "small:x.bin", "resnet18"),
        entry("tile-net", "tile:x.bin", preprocess=IMAGES),
        entry("nameless-net", "nameless:x.bin", "resnet34"),
    ]
    monkeypatch.setattr(backbones, "named", lambda: {entry.name: entry for entry in entries})
    contents = {"large": LARGE, "small": SMALL, "tile": TILE, "other": b"other", "unknown": b"?"}
    for name, content in contents.items():
        (tmp_path / f"{name}.pth").write_bytes(content)
    return {name: tmp_path / f"{name}.pth" for name in contents}


@pytest.mark.parametrize("content", ["large", "small", "tile"])
def test_a_file_starts_the_backbone_that_it_belongs_to_and_no_other(content: str, files: dict[str, Path]) -> None:
    path = files[content]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for name in ("large-net", "small-net", "tile-net", "nameless-net"):
        if name == f"{content}-net":
            assert sha256_for(backbones.find(name), path) == digest
            continue
        with pytest.raises(UserError) as caught:
            sha256_for(backbones.find(name), path)
        assert caught.value.what == f"{path} does not belong to {name}"
        assert caught.value.why == f"by its hash it is {content}:x.bin, which {content}-net starts from"
        assert caught.value.cure == f"--backbone {content}-net --weights {path}"


def test_a_librarys_own_name_is_the_same_network_where_the_images_are_too(files: dict[str, Path]) -> None:
    assert sha256_for(backbones.find("torchvision:resnet50"), files["large"])
    for name in ("timm:resnet50", "torchvision:resnet50,width_per_group=128"):
        with pytest.raises(UserError, match="does not belong"):
            sha256_for(backbones.find(name), files["large"])
    with pytest.raises(UserError) as caught:
        sha256_for(backbones.find("torchvision:resnet50"), files["tile"])  # other images
    assert caught.value.cure.startswith("--backbone tile-net")


def test_a_file_beside_the_right_one_is_not_it(files: dict[str, Path]) -> None:
    with pytest.raises(UserError) as caught:
        sha256_for(backbones.find("tile-net"), files["other"])
    assert "tile:y.bin" in caught.value.why and "leave --weights out" in caught.value.cure
    assert sha256_for(backbones.find("timm:resnet50"), files["other"])


def test_an_unknown_file_starts_anything(files: dict[str, Path]) -> None:
    for name in ("large-net", "tile-net", "timm:resnet50"):
        assert sha256_for(backbones.find(name), files["unknown"]) == hashlib.sha256(b"?").hexdigest()


def test_a_plan_refuses_it(files: dict[str, Path]) -> None:
    request = planning.Request(fabricated.benchmark(), ("ft",), (0,), backbone="large-net", weights=str(files["tile"]))
    with pytest.raises(UserError, match="does not belong to large-net"):
        planning.make(request)
    assert planning.make(request._replace(weights=str(files["large"]))).runs[0].backbone.weights == hashlib.sha256(LARGE).hexdigest()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UserError, match="cannot read the weights file"):
            sha256_for(backbones.find("resnet50-supervised"), path)
