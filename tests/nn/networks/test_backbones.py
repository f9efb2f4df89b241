"""Backbones by name: features and preprocessing are the library's own, and its published layout of weights loads."""

import importlib.util
from pathlib import Path

import numpy as np
import open_clip
import pytest
import timm
import torch
from original_formats import shake
from PIL import Image
from shared_folder import shared
from torchvision import models, transforms

from repro import backbones as named
from repro.errors import UserError
from repro.nn.inputs import packs
from repro.nn.inputs.images import Images
from repro.nn.networks import backbones
from repro.nn.networks.weights import save_weights
from repro.reading.examples import Examples
from repro.settings import Recipe
from repro.types import BackboneRef

pytestmark = pytest.mark.usefixtures("quick_initialisation")


def reference_to(spelling: str) -> BackboneRef:
    entry = named.find(spelling)
    return BackboneRef(name=entry.name, kwargs=entry.kwargs)


def build(spelling: str) -> tuple[backbones.Backbone, tuple[str, ...]]:
    return backbones.build(reference_to(spelling))


def noise(size: int, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def check_against_full_model(full: torch.nn.Module, spelling: str, size: int, tmp_path: Path) -> backbones.Backbone:
    """Save the library's whole classifier, load it, and compare features with the input of its last linear layer."""
    shake(full)
    seen: list[torch.Tensor] = []
    last = [module for module in full.modules() if isinstance(module, torch.nn.Linear)][-1]
    last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    save_weights(tmp_path / "full.safetensors", full.state_dict())
    net, droppable = build(spelling)
    backbones.load(net, droppable, tmp_path / "full.safetensors", reference_to(spelling))
    with torch.no_grad():
        full(noise(size))
        features = net.eval().visual(noise(size))
    assert features.shape == (2, net.dim)
    assert torch.equal(features, seen[0])
    return net


TORCHVISION = {
    "resnet18": 64,
    "densenet121": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "efficientnet_b0": 64,
    "convnext_tiny": 64,
    "shufflenet_v2_x0_5": 64,
    "regnet_y_400mf": 64,
    "swin_t": 64,
    "vit_b_32": 224,
    "googlenet": 64,
}


@pytest.mark.filterwarnings("ignore:The default weight initialization of GoogleNet:FutureWarning")
@pytest.mark.parametrize(("arch", "size"), TORCHVISION.items())
def test_torchvision_features_are_the_penultimate_activations(arch: str, size: int, tmp_path: Path) -> None:
    kwargs = {"init_weights": False} if arch == "googlenet" else {}
    full = models.get_model(arch, weights=None, **kwargs)
    spelling = f"torchvision:{arch}" + (",init_weights=false" if kwargs else "")
    net = check_against_full_model(full, spelling, size, tmp_path)
    theirs = models.get_model_weights(arch).DEFAULT.transforms()
    resize = net.preprocess.resize(Recipe())
    assert (net.preprocess.size, resize.side, resize.interpolation) == (
        theirs.crop_size[0],
        theirs.resize_size[0],
        theirs.interpolation.value,
    )
    assert net.preprocess.mean == tuple(theirs.mean) and net.preprocess.std == tuple(theirs.std)
    if arch == "googlenet":  # its auxiliary heads would answer, too
        assert net.train().visual(noise(size)).shape == (2, net.dim)


def test_a_torchvision_model_without_linear_classifier_is_refused() -> None:
    with pytest.raises(UserError, match="squeezenet1_1 has no linear classifier"):
        build("torchvision:squeezenet1_1")


TIMM = {
    "mobilenetv2_100,pad_type=same": 64,
    "mobilenetv3_small_050": 64,
    "resnet18": 64,
    "convnext_atto": 64,
    "vit_tiny_patch16_224": 224,
    "efficientnet_b0": 64,
}


@pytest.mark.parametrize(("spelling", "size"), TIMM.items())
def test_timm_features_are_its_own(spelling: str, size: int, tmp_path: Path) -> None:
    entry = named.find(f"timm:{spelling}")
    full = timm.create_model(entry.arch, pretrained=False, **entry.kwargs)
    net = check_against_full_model(full, f"timm:{spelling}", size, tmp_path)
    headless = timm.create_model(entry.arch, pretrained=False, num_classes=0, **entry.kwargs)
    headless.load_state_dict(net.visual.state_dict())
    with torch.no_grad():
        assert torch.equal(headless.eval()(noise(size)), net.visual(noise(size)))


@pytest.mark.parametrize("arch", ["mobilenetv2_100", "resnet18", "vit_tiny_patch16_224", "efficientnet_b0", "convnext_atto"])
def test_timm_evaluation_images_are_its_own(arch: str, tmp_path: Path) -> None:
    """Against timm's evaluation transform on photographs of other shapes; one rounding of its crop ratio would show."""
    net, _ = build(f"timm:{arch}")
    config = timm.data.resolve_data_config({}, model=net.visual)
    transform = timm.data.create_transform(**config, is_training=False)
    arrays = [np.random.default_rng(shape).integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in ((300, 410), (260, 255))]
    packs.build(tmp_path / "p", Examples(arrays, np.arange(2)), net.preprocess.resize(Recipe()), lambda done: None)
    images = Images(packs.open_pack(tmp_path / "p"), net.preprocess, torch.device("cpu"), Recipe(), augmented=False)
    expected = torch.stack([transform(Image.fromarray(array)) for array in arrays])
    assert (images.batch(torch.arange(2), None) - expected).abs().max() < 3e-6


@pytest.mark.parametrize("custom", [True, False])
def test_open_clip_weights_load_in_both_of_its_layouts(custom: bool, tmp_path: Path) -> None:
    open_clip.add_model_config(Path(backbones.__file__).parent / "open_clip_configs")
    full = shake(open_clip.create_model("digits-clip", force_custom_text=custom))
    save_weights(tmp_path / "clip.safetensors", full.state_dict())
    net, droppable = build("digits-clip")
    backbones.load(net, droppable, tmp_path / "clip.safetensors", reference_to("digits-clip"))
    net.eval()
    tokens = net.tokenize(["the digit one", "the digit two"])
    with torch.no_grad():
        assert torch.equal(net.visual(noise(32)), full.encode_image(noise(32)))
        assert torch.equal(net.text(tokens), full.encode_text(tokens))
    assert net.dim == 64 and torch.equal(net.logit_scale, full.logit_scale)
    assert torch.equal(tokens, open_clip.get_tokenizer("digits-clip")(["the digit one", "the digit two"]))


def test_open_clip_preprocessing_is_its_own() -> None:
    net, _ = build("open_clip:RN50")
    theirs = open_clip.image_transform(224, is_train=False)
    assert isinstance(theirs.transforms[0], transforms.Resize) and theirs.transforms[0].interpolation.value == "bicubic"
    assert net.preprocess.size == 224 and net.preprocess.interpolation == "bicubic" and net.preprocess.resize(Recipe()).side == 224
    assert net.preprocess.mean == open_clip.OPENAI_DATASET_MEAN and net.preprocess.std == open_clip.OPENAI_DATASET_STD


def test_the_text_tower_is_dropped_on_request() -> None:
    net = build("digits-clip")[0].image_tower()
    assert {name.partition(".")[0] for name, _ in net.named_parameters()} == {"visual"}


@pytest.mark.parametrize(
    ("spelling", "near"),
    [
        ("timm:mobilnetv2_100", "mobilenetv2_100"),
        ("torchvision:resnet19", "resnet1"),
        ("open_clip:ViT-B-17", "ViT-B-1"),
        ("digitsclip", "digits-clip"),
    ],
)
def test_wrong_names_suggest_the_nearest(spelling: str, near: str) -> None:
    with pytest.raises(UserError) as caught:
        build(spelling)
    assert near in caught.value.why and "repro list" in caught.value.cure


@pytest.mark.parametrize(
    "spelling",
    ["timm:resnet18,colour=3", "torchvision:resnet18,colour=3", "open_clip:digits-clip,colour=3", "torchvision:vit_b_32,patch_size=7"],
)
def test_wrong_arguments_are_the_users_mistake(spelling: str) -> None:
    with pytest.raises(UserError) as caught:
        build(spelling)
    assert spelling.split(",")[0] in caught.value.what


def test_a_pair_without_value_is_refused() -> None:
    with pytest.raises(UserError, match="is not key=value"):
        named.find("timm:resnet18,pad_type")


WEIGHTS = shared("data", "pretrained_mobilenet", "mobilenetv2_100_tf.safetensors")


@pytest.mark.skipif(WEIGHTS is None, reason="the pretrained MobileNetV2 is not here; REPRO_SHARED names its folder")
def test_pretrained_mobilenet_gives_the_logits_of_its_own_loader() -> None:
    """Features from timm's network with the 1001-way classifier dropped, then that classifier, against the plain npz loader."""
    from safetensors.torch import load_file

    spec = importlib.util.spec_from_file_location("load_mobilenet", WEIGHTS.parent / "load_mobilenet.py")
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    reference = loader.MobileNet(WEIGHTS.parent / "mobilenet_v2_1.0_224_imagenet.npz").eval()
    net, droppable = build("timm:mobilenetv2_100,pad_type=same")
    backbones.load(net, droppable, WEIGHTS, reference_to("timm:mobilenetv2_100,pad_type=same"))
    classifier = {name: tensor for name, tensor in load_file(WEIGHTS).items() if name.startswith("classifier.")}
    assert classifier["classifier.weight"].shape == (1001, 1280) == (1001, net.dim)
    images = noise(128, 3).clamp(-1, 1)
    with torch.no_grad():
        logits = net.eval().visual(images) @ classifier["classifier.weight"].T + classifier["classifier.bias"]
        assert torch.allclose(logits, reference(images), atol=5e-4)
        assert (logits.argmax(dim=1) == reference(images).argmax(dim=1)).all()


@pytest.mark.parametrize("name", sorted(name for name, entry in named.named().items() if entry.kind == "images"))
def test_the_stated_arithmetic_is_what_torch_counts(name: str) -> None:
    """Without memory: on the meta device, attention as plain matrix products, which the counter knows."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    entry = named.named()[name]
    with torch.device("meta"):
        net, _ = backbones.build(BackboneRef(name=name, kwargs={"device": "meta"} if entry.library == "open_clip" else {}))
    assert net.preprocess.size == entry.side
    torch.backends.mha.set_fastpath_enabled(False)  # one fused operation, of which the counter knows nothing
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            net.to("meta").eval().visual(torch.empty(1, 3, entry.side, entry.side, device="meta"))
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert counter.get_total_flops() / 1e9 == pytest.approx(entry.gflops, rel=0.02)


@pytest.mark.parametrize("name", sorted(name for name, entry in named.named().items() if entry.kind == "images"))
def test_the_stated_parameters_and_activations_are_what_torch_keeps(name: str) -> None:
    """Storages that the graph of one image holds and that are no parameters'. On the meta device attention is made of single operations, which
    keep scores and scaled queries and keys beside what the fused one keeps."""
    entry = named.named()[name]
    with torch.device("meta"):
        net, _ = backbones.build(BackboneRef(name=name, kwargs={"device": "meta"} if entry.library == "open_clip" else {}))
    net, held, kept = net.to("meta").train(), {}, []
    own = {tensor.untyped_storage()._cdata for tensor in (*net.parameters(), *net.buffers())}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept.append(tensor)  # alive, so that no other storage takes its place
        held.update({} if storage._cdata in own else {storage._cdata: storage.nbytes()})
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        net.visual(torch.empty(2, 3, entry.side, entry.side, device="meta"))
    blocks = [module for module in net.visual.modules() if isinstance(module, (torch.nn.MultiheadAttention, timm.layers.Attention))]
    tokens = next(
        (block.shape[-2] for name, block in net.visual.named_parameters() if name.endswith(("positional_embedding", "pos_embed"))), 0
    )
    unfused = sum(4 * tokens * block.num_heads * (tokens + 2 * block.head_dim) for block in blocks)
    assert sum(held.values()) / 2 - unfused == pytest.approx(1e6 * entry.activations, rel=0.02)
    counts = [sum(parameter.numel() for parameter in part.parameters()) for part in (net.image_tower(), net)]
    assert counts == pytest.approx([1e6 * number for number in entry.millions], rel=0.02)


def test_the_arithmetic_of_resnet_50_is_the_known_one() -> None:
    """4.09 · 10⁹ multiply-adds: torchvision's table of weights."""
    assert named.named()["resnet50-supervised"].gflops == pytest.approx(2 * models.ResNet50_Weights.IMAGENET1K_V1.meta["_ops"], rel=0.02)
