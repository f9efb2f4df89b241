"""A weights file that a manifest knows starts its own backbone and no other."""

from __future__ import annotations

import hashlib
from pathlib import Path

import fabricated
import pytest
from toy_benchmark import use, write_manifest

from repro import backbones, known_weights
from repro.backbones import Entry
from repro.data import manifest
from repro.errors import UserError
from repro.known_weights import sha256_for
from repro.planning import plan as planning

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


KNOWN = {
    "moco-v2-resnet50": {"md5": "a04e12f8"},
    "resnet50-supervised": {"sha256": "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a"},
    "densenet121-supervised": {"sha256": "a639ec97"},
    "clip-rn50": {"sha256": "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"},
    "clip-vit-b-32": {"sha256": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"},
    "clip-vit-b-16": {"sha256": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"},
    "clip-vit-l-14": {"sha256": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"},
    "clip-vit-l-14-336": {"sha256": "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02"},
    "laion-vit-b-16": {"sha256": "00efa78f"},
    "laion-vit-l-14": {"sha256": "69988bb6"},
}


@pytest.mark.parametrize("owner", KNOWN)
def test_the_published_files_start_only_their_own(owner: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Empty files of the published sizes, whose hashes are said to be the published ones (or to begin so, where no more is known)."""
    family, _, name = backbones.find(owner).weights.partition(":")
    path = tmp_path / "w.pt"
    with open(path, "wb") as file:
        file.truncate(manifest.load(family).file(name).bytes or 5)
    digests = {"sha256": "e" * 64, "md5": "e" * 32} | {kind: digest + "0" * (64 - len(digest)) for kind, digest in KNOWN[owner].items()}
    monkeypatch.setattr(known_weights, "hash_file", lambda path, algorithms: digests)
    for other in [*backbones.named(), "torchvision:resnet50", "timm:vit_base_patch16_clip_224"]:
        if other == owner:
            assert sha256_for(backbones.find(other), path) == digests["sha256"]
            continue
        with pytest.raises(UserError) as caught:
            sha256_for(backbones.find(other), path)
        assert caught.value.cure == f"--backbone {owner} --weights {path}"
    if owner.startswith("clip-"):
        assert sha256_for(backbones.find(f"open_clip:{backbones.find(owner).arch}"), path)
