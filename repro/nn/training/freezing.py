"""Which parameters get no gradient, by recipe."""

from __future__ import annotations

from torch import nn

from repro.errors import UserError
from repro.settings import Recipe

# The embedding of each kind of image tower, by the names of its parts: the first row all of whose names are there. The first three are
# what freeze_bottom_k=2 means for the networks of Kumar et al. 2022b (AnanyaKumar/transfer_learning@13c3e2b
# scripts/run_all_experiments_amulet.sh:3-8; unlabeled_extrapolation/models/{timm_model.py:43-75, clip_model.py:102-138,
# bit_resnet.py:210-215}): class token and position embedding train on, and where there is a stem, the first stage is frozen with it.
# The last is the same count in their list for ResNets (imnet_resnet.py:102-111), which the paper does not train; CLIP's ResNet, neither,
# has a stem of three convolutions, of which theirs would freeze the first: here it is the whole stem.
EMBEDDINGS = (
    ("patch_embed", "norm_pre"),  # timm: ViT
    ("conv1", "ln_pre"),  # open_clip: CLIP's ViT
    ("stem", "stages.0"),  # timm: ConvNeXt, BiT
    ("conv1", "bn1", "conv2", "bn2", "conv3", "bn3"),  # open_clip: CLIP's ResNet
    ("conv1", "bn1", "layer1"),  # timm, torchvision: ResNet
)


def embedding(visual: nn.Module) -> list[nn.Module]:
    """The parts of an image tower that `freeze=embed` freezes; a `UserError` where it is of no known kind."""
    tower = getattr(visual, "trunk", visual)  # open_clip's wrapper around timm
    known = dict(tower.named_modules())
    for names in EMBEDDINGS:
        if all(name in known for name in names):
            return [known[name] for name in names]
    raise UserError(
        f"freeze=embed: it is not known which layers of {type(tower).__name__} are its embedding",
        "known are the ViTs, ConvNeXts and ResNets of timm and open_clip",
        "--backbone with one of those, or another --set freeze=…",
    )


def freeze(model: nn.Module, recipe: Recipe) -> None:
    """Take the recipe's parts of a classifier out of training. BatchNorm's running statistics follow `batchnorm` and `set_mode` alone."""
    if recipe.freeze == "embed":
        for part in embedding(model.backbone.visual):
            part.requires_grad_(False)
    elif recipe.freeze != "none":
        model.freeze_backbone()
    if recipe.freeze == "all_but_batchnorm":
        norms = [part for part in model.backbone.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.affine]
        if not norms:
            raise UserError(
                "freeze=all_but_batchnorm would leave nothing but the head to train",
                "this backbone has no BatchNorm",
                "--backbone with one that has, or --set freeze=backbone",
            )
        for norm in norms:
            norm.requires_grad_(True)
