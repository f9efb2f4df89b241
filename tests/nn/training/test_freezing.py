"""Which parameters are frozen in each kind of network, by name."""

import pytest
import timm
import torch
from open_clip.transformer import VisionTransformer
from torch import nn
from torchvision.models import resnet18

from repro.errors import UserError
from repro.nn.inputs.images import Preprocess
from repro.nn.networks import backbones
from repro.nn.networks.backbones import Backbone
from repro.nn.networks.model import Classifier
from repro.nn.training.freezing import freeze
from repro.settings import Recipe
from repro.types import BackboneRef


class Wrapped(nn.Module):
    """As open_clip holds a network of timm."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = timm.create_model("test_convnext", num_classes=0)


def clip_vit() -> nn.Module:
    return VisionTransformer(image_size=32, patch_size=16, width=32, layers=1, heads=2, mlp_ratio=2.0)


# Tower → beginnings of the names that freeze=embed freezes.
TOWERS = {
    "CLIP ViT": (clip_vit, ("conv1.", "ln_pre.")),
    "CLIP ResNet": (
        lambda: backbones.build(BackboneRef(name="digits-clip"))[0].visual,
        ("conv1.", "bn1.", "conv2.", "bn2.", "conv3.", "bn3."),
    ),
    "timm ViT": (lambda: timm.create_model("vit_tiny_patch16_224", depth=1, num_classes=0), ("patch_embed.",)),
    "timm ViT with norm": (
        lambda: timm.create_model("vit_tiny_patch16_224", depth=1, num_classes=0, pre_norm=True),
        ("patch_embed.", "norm_pre."),
    ),
    "timm ConvNeXt": (lambda: timm.create_model("test_convnext", num_classes=0), ("stem.", "stages.0.")),
    "timm BiT": (lambda: timm.create_model("resnetv2_50x1_bit", num_classes=0), ("stem.", "stages.0.")),
    "open_clip ConvNeXt": (Wrapped, ("trunk.stem.", "trunk.stages.0.")),
    "timm ResNet": (lambda: timm.create_model("resnet18", num_classes=0), ("conv1.", "bn1.", "layer1.")),
    "torchvision ResNet": (lambda: resnet18(weights=None), ("conv1.", "bn1.", "layer1.")),
}


def classifier(tower: nn.Module) -> Classifier:
    return Classifier(Backbone(tower, 8, Preprocess(32, (0,) * 3, (1,) * 3)), 3)


def frozen(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


@pytest.mark.parametrize("kind", TOWERS)
def test_the_embedding_is_what_it_is_in_each_kind_of_network(kind: str) -> None:
    build, beginnings = TOWERS[kind]
    model = classifier(build())
    freeze(model, Recipe(freeze="embed"))
    assert frozen(model) == {
        name for name, _ in model.named_parameters() if name.startswith(tuple(f"backbone.visual.{b}" for b in beginnings))
    }
    for beginning in beginnings:
        assert any(name.startswith(f"backbone.visual.{beginning}") for name in frozen(model)), beginning
    assert len(frozen(model)) < len(list(model.parameters())) / 2


@pytest.mark.parametrize("kind", ["CLIP ResNet", "timm ResNet"])
def test_batchnorm_alone_is_left_of_the_backbone(kind: str) -> None:
    model = classifier(TOWERS[kind][0]())
    freeze(model, Recipe(freeze="all_but_batchnorm"))
    left = {name for name, _ in model.named_parameters()} - frozen(model)
    assert {"head.weight", "head.bias"} < left
    for name in left - {"head.weight", "head.bias"}:
        assert isinstance(model.get_submodule(name.rpartition(".")[0]), nn.BatchNorm2d), name
    assert len(left) == 2 + 2 * sum(isinstance(part, nn.BatchNorm2d) for part in model.modules())


def test_nothing_and_the_whole_backbone() -> None:
    model = classifier(clip_vit())
    freeze(model, Recipe())
    assert frozen(model) == set()
    freeze(model, Recipe(freeze="backbone"))
    assert frozen(model) == {name for name, _ in model.named_parameters()} - {"head.weight", "head.bias"}


@pytest.mark.parametrize(
    ("tower", "part", "message"),
    [
        (lambda: timm.create_model("mobilenetv2_050", num_classes=0), "embed", "not known which layers of EfficientNet are its embedding"),
        (clip_vit, "all_but_batchnorm", "nothing but the head to train"),
    ],
)
def test_a_network_without_the_part_is_an_error(tower, part: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        freeze(classifier(tower()), Recipe(freeze=part))


def test_a_frozen_part_gets_no_gradient() -> None:
    model = classifier(resnet18(weights=None))
    model.backbone.visual.fc = nn.Linear(512, 8)
    freeze(model, Recipe(freeze="embed"))
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    assert {name for name, parameter in model.named_parameters() if parameter.grad is None} == frozen(model)
