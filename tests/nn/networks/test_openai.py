"""OpenAI's CLIP files and open_clip's: small networks of the same architectures, and the real ones by their sizes."""

from __future__ import annotations

from pathlib import Path

import open_clip
import original_formats
import pytest
import torch
from safetensors.torch import save_file
from timm.models import get_pretrained_cfg
from torchvision.models import ResNet50_Weights

from repro import backbones as named
from repro.data import manifest
from repro.errors import UserError
from repro.nn.inputs.images import Preprocess
from repro.nn.networks import backbones, openai
from repro.types import BackboneRef

pytestmark = [pytest.mark.usefixtures("quick_initialisation"), pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")]

OPENAI = [entry for entry in named.named().values() if entry.layout == "openai"]
LAION = [entry for entry in named.named().values() if entry.layout == "open_clip"]
PARAMETERS = {  # open_clip's docs/model_profile.csv, in millions
    "clip-rn50": 102.01,
    "clip-vit-b-32": 151.28,
    "clip-vit-b-16": 149.62,
    "clip-vit-l-14": 427.62,
    "clip-vit-l-14-336": 427.94,
    "laion-vit-b-16": 149.62,
    "laion-vit-l-14": 427.62,
}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """open_clip knows the architectures by their names, but narrow and shallow."""
    factory = open_clip.factory
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    for entry in [*OPENAI, *LAION]:
        for arch in {entry.arch, entry.arch.removesuffix("-quickgelu")}:
            original_formats.small_clip(tmp_path / "configs", arch)
    open_clip.add_model_config(tmp_path / "configs")


def load(name: str, path: Path) -> tuple[backbones.Backbone, dict]:
    entry = named.find(name)
    reference = BackboneRef(name=entry.name, kwargs=entry.kwargs)
    net, droppable = backbones.build(reference)
    return net, backbones.load(net, droppable, path, reference)


def archive(arch: str, path: Path, **changes: torch.Tensor) -> None:
    original_formats.torchscript(path, original_formats.clip_state(original_formats.clip(arch), arch) | changes)


def inputs(net: backbones.Backbone) -> tuple[torch.Tensor, torch.Tensor]:
    size = net.preprocess.size
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    return images, net.tokenize(["a photo of a cat", "a drawing of a dog"])


def test_all_of_them_are_tested() -> None:
    assert len(OPENAI) == 5 and len(LAION) == 2 and {entry.name for entry in [*OPENAI, *LAION]} == PARAMETERS.keys()


@pytest.mark.parametrize("name", [entry.name for entry in OPENAI])
def test_an_archive_of_openai_gives_the_features_of_the_librarys_own_loader(name: str, small: None, tmp_path: Path) -> None:
    """Against torch.jit.load and open_clip's builder for OpenAI's names, in float32."""
    path = tmp_path / "w.pt"
    archive(named.find(name).arch, path)
    net, told = load(name, path)
    state = torch.jit.load(str(path)).state_dict()
    assert told == {
        "file": "w.pt",
        "layout": "openai",
        "matched": len(state) - 3,
        "dropped": {"input_resolution": 1, "context_length": 1, "vocab_size": 1},
        "absent": 0,
    }
    theirs = open_clip.model.build_model_from_openai_state_dict(dict(state), cast_dtype=torch.float32).float()
    ours = open_clip.model.convert_to_custom_text_state_dict(theirs.state_dict())
    assert net.state_dict().keys() == ours.keys() and all(torch.equal(value, ours[key]) for key, value in net.state_dict().items())
    images, tokens = inputs(net)
    with torch.no_grad():
        assert torch.allclose(net.eval().visual(images), theirs.encode_image(images), atol=1e-5, rtol=0)
        assert torch.allclose(net.text(tokens), theirs.encode_text(tokens), atol=1e-5, rtol=0)
        assert theirs.encode_image(images).std() > 1e-3
    assert net.visual(images).shape == (2, named.find(name).dim)
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", [entry.name for entry in [*OPENAI, *LAION]])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_open_clips_own_files_load(name: str, suffix: str, small: None, tmp_path: Path) -> None:
    full = original_formats.shake(open_clip.create_model(named.find(name).arch, force_custom_text=False))
    path = tmp_path / f"w{suffix}"
    if suffix == ".pt":  # of open_clip's training script
        torch.save({"epoch": 31, "name": "x", "state_dict": original_formats.parallel(full.state_dict())}, path)
    else:
        save_file(full.state_dict(), path)
    net, told = load(name, path)
    assert told["layout"] == "open_clip" and told["matched"] == len(full.state_dict()) and told["dropped"] == {}
    images, tokens = inputs(net)
    with torch.no_grad():
        assert torch.equal(net.eval().visual(images), full.encode_image(images))
        assert torch.equal(net.text(tokens), full.encode_text(tokens))


def test_openais_names_in_a_plain_file_load_too(small: None, tmp_path: Path) -> None:
    full = original_formats.clip("ViT-B-16-quickgelu")
    torch.save(original_formats.clip_state(full, "ViT-B-16-quickgelu"), tmp_path / "w.pt")
    net, told = load("clip-vit-b-16", tmp_path / "w.pt")
    assert told["layout"] == "openai" and torch.equal(net.visual.proj, full.visual.proj.float())


@pytest.mark.parametrize(
    ("arch", "name", "right"),
    [
        ("ViT-B-16-quickgelu", "laion-vit-b-16", "clip-vit-b-16"),
        ("ViT-B-16-quickgelu", "open_clip:ViT-B-16", "clip-vit-b-16"),
        ("ViT-L-14-quickgelu", "laion-vit-l-14", "clip-vit-l-14"),
        ("ViT-L-14-quickgelu", "clip-vit-l-14-336", "clip-vit-l-14"),
        ("ViT-L-14-336-quickgelu", "clip-vit-l-14", "clip-vit-l-14-336"),
        ("ViT-B-32-quickgelu", "clip-vit-b-16", "clip-vit-b-32"),
        ("RN50-quickgelu", "open_clip:RN50", "clip-rn50"),
        ("RN50-quickgelu", "resnet50-supervised", "clip-rn50"),
        ("ViT-B-16-quickgelu", "digits-clip", "clip-vit-b-16"),
    ],
)
def test_an_archive_for_another_network_is_refused_by_the_right_name(arch: str, name: str, right: str, small: None, tmp_path: Path) -> None:
    archive(arch, tmp_path / "w.pt")
    with pytest.raises(UserError) as caught:
        load(name, tmp_path / "w.pt")
    assert caught.value.what == f"{tmp_path / 'w.pt'} does not fit {name}"
    assert "OpenAI" in caught.value.why and caught.value.cure == f"--backbone {right} --weights {tmp_path / 'w.pt'}"


def test_the_same_network_by_its_librarys_name_is_fine(small: None, tmp_path: Path) -> None:
    archive("ViT-B-32-quickgelu", tmp_path / "w.pt")
    net, _ = load("open_clip:ViT-B-32-quickgelu", tmp_path / "w.pt")
    forced, _ = load("open_clip:ViT-B-32,force_quick_gelu=true", tmp_path / "w.pt")
    assert all(torch.equal(value, forced.state_dict()[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(("number", "value"), [("input_resolution", 336), ("context_length", 76), ("vocab_size", 49407)])
def test_numbers_that_contradict_the_tensors_are_refused(number: str, value: int, small: None, tmp_path: Path) -> None:
    archive("ViT-L-14-quickgelu", tmp_path / "w.pt", **{number: torch.tensor(value)})
    with pytest.raises(UserError, match="contradicts itself") as caught:
        load("clip-vit-l-14", tmp_path / "w.pt")
    assert f"{number} is {value}" in caught.value.why


def test_numbers_may_be_vectors_of_one(small: None, tmp_path: Path) -> None:
    archive("ViT-L-14-quickgelu", tmp_path / "w.pt", input_resolution=torch.tensor([224]))
    assert load("clip-vit-l-14", tmp_path / "w.pt")[1]["dropped"]["input_resolution"] == 1


def test_a_key_too_many_or_too_few_is_refused(small: None, tmp_path: Path) -> None:
    archive("ViT-B-32-quickgelu", tmp_path / "w.pt", extra=torch.zeros(1))
    with pytest.raises(UserError) as caught:
        load("clip-vit-b-32", tmp_path / "w.pt")
    assert "1 unexpected (extra)" in caught.value.why
    state = original_formats.clip_state(original_formats.clip("ViT-B-32-quickgelu"), "ViT-B-32-quickgelu")
    del state["text_projection"], state["visual.ln_pre.bias"]
    original_formats.torchscript(tmp_path / "w.pt", state)
    with pytest.raises(UserError) as caught:
        load("clip-vit-b-32", tmp_path / "w.pt")
    assert "2 missing (text.text_projection, visual.ln_pre.bias)" in caught.value.why


def test_an_image_tower_alone_is_refused_where_the_text_tower_would_stay_random(small: None, tmp_path: Path) -> None:
    full = open_clip.create_model("ViT-B-32-quickgelu")
    save_file(full.visual.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="does not fit") as caught:
        load("clip-vit-b-32", tmp_path / "w.safetensors")
    assert "missing" in caught.value.why


# the real sizes


def on_meta(name: str) -> backbones.Backbone:
    entry = named.find(name)
    with torch.device("meta"):
        return backbones.build(BackboneRef(name=name, kwargs={"device": "meta"} if entry.library == "open_clip" else {}))[0].eval()


@pytest.mark.parametrize("name", [name for name, entry in named.named().items() if entry.kind == "images"])
def test_features_have_the_declared_length(name: str) -> None:
    net = on_meta(name)
    images = torch.empty(2, 3, net.preprocess.size, net.preprocess.size, device="meta")
    assert net.visual(images).shape == (2, net.dim) == (2, named.find(name).dim)
    if name in PARAMETERS:
        assert round(sum(parameter.numel() for parameter in net.parameters()) / 1e6, 2) == PARAMETERS[name]


@pytest.mark.parametrize("entry", OPENAI, ids=lambda entry: entry.name)
def test_the_released_file_has_the_bytes_of_these_tensors(entry: named.Entry) -> None:
    """Sizes of OpenAI's files by the manifest, against tensors in the precisions that its code gives them; the rest is its program."""
    with torch.device("meta"):
        net = open_clip.create_model(entry.arch, force_custom_text=False, device="meta")
    open_clip.model.convert_weights_to_fp16(net)
    tensors = sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())
    name, _, file = entry.weights.partition(":")
    published = manifest.load(name).file(file).bytes
    assert 0 < published - tensors < 0.01 * published
    right = openai.architecture(net.state_dict())
    assert right is not None and right.name == entry.name


# images


IMAGENET = Preprocess(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear", 224 / 256)


@pytest.mark.parametrize("name", [name for name, entry in named.named().items() if entry.kind == "images"])
def test_images_are_prepared_as_the_weights_need(name: str) -> None:
    preprocess, entry = on_meta(name).preprocess, named.find(name)
    if entry.library == "torchvision":
        assert preprocess == (IMAGENET._replace(size=96, crop_ratio=1.0) if "camelyon" in name else IMAGENET)
        return
    if entry.library == "timm":
        own = get_pretrained_cfg(entry.arch)
        assert (preprocess.mean, preprocess.std, preprocess.interpolation) == (own.mean, own.std, own.interpolation)
        return
    side = {"digits-clip": 32, "clip-vit-l-14-336": 336}.get(name, 224)
    assert preprocess == Preprocess(side, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD, "bicubic", 1.0)


def test_the_supervised_networks_images_are_those_of_its_own_weights_not_the_newest() -> None:
    theirs, ours = ResNet50_Weights.IMAGENET1K_V1.transforms(), on_meta("resnet50-supervised").preprocess
    assert (theirs.crop_size, theirs.resize_size) == ([ours.size], [round(ours.size / ours.crop_ratio)])
    assert (tuple(theirs.mean), tuple(theirs.std), theirs.interpolation.value) == (ours.mean, ours.std, ours.interpolation)
    assert round(backbones.build(BackboneRef(name="torchvision:resnet50"))[0].preprocess.crop_ratio * 232) == 224


@pytest.mark.parametrize("entry", [*OPENAI, *LAION], ids=lambda entry: entry.name)
def test_activation_and_images_are_what_the_library_says_of_these_weights(entry: named.Entry) -> None:
    tag = "openai" if entry.layout == "openai" else "laion400m_e31"
    known = open_clip.get_pretrained_cfg(entry.arch.removesuffix("-quickgelu"), tag)
    assert known["url"].rpartition("/")[2] == entry.weights.partition(":")[2]
    assert known.get("quick_gelu", False) == entry.arch.endswith("-quickgelu") == (entry.layout == "openai")
    preprocess = on_meta(entry.name).preprocess
    assert (known["mean"], known["std"], known["interpolation"]) == (preprocess.mean, preprocess.std, preprocess.interpolation)
    assert known["resize_mode"] == "shortest"
