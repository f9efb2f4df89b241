"""Networks by name: an image tower with its preprocessing, and where there is one, the text tower that it was trained with."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from repro import backbones
from repro.errors import UserError, nearest
from repro.nn.images import Preprocess
from repro.nn.weights import load_weights, match
from repro.types import BackboneRef


class Backbone(nn.Module):
    """`visual` maps images (B, 3, S, S) to features (B, dim); `text` maps tokens (B, T) to the same space, or is None.

    `logit_scale` is the logarithm of the temperature's inverse, as CLIP stores it.
    """

    def __init__(
        self,
        visual: nn.Module,
        dim: int,
        preprocess: Preprocess,
        text: nn.Module | None = None,
        tokenize: Callable[[list[str]], torch.Tensor] | None = None,
    ):
        super().__init__()
        self.visual, self.dim, self.preprocess = visual, dim, preprocess
        self.text, self.tokenize = text, tokenize
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log()) if text is not None else None

    def image_tower(self) -> Backbone:
        """The image tower alone, the very same weights, for methods that put a classifier on it."""
        return Backbone(self.visual, self.dim, self.preprocess)


def build(reference: BackboneRef) -> tuple[Backbone, tuple[str, ...]]:
    """The network with random weights, and the prefixes of keys (its classifier) that a weights file may hold besides."""
    entry = next((entry for entry in backbones.named().values() if entry.name == reference.name), None)
    library, arch = (entry.library, entry.arch) if entry else tuple(reference.name.split(":", 1))
    kwargs = {**(entry.kwargs if entry else {}), **reference.kwargs}
    makers = {"timm": _timm, "torchvision": _torchvision, "open_clip": _open_clip}
    try:
        return makers[library](arch, kwargs)
    except TypeError as error:
        raise UserError(f"{reference.name} does not take these arguments: {kwargs}", str(error), "repro list backbones") from None


def load(backbone: Backbone, droppable: tuple[str, ...], path: Path) -> None:
    """Fill a backbone from a weights file of its own library's layout; text tower and image tower, or image tower alone."""
    state = load_weights(path)
    if any(key.startswith("visual.") for key in state):
        from open_clip.model import convert_to_custom_text_state_dict

        # CLIP's first layout has the text tower's keys at the top, ours has them below "text."
        match(backbone, convert_to_custom_text_state_dict(state), str(path), droppable)
    else:
        match(backbone.visual, state, str(path), droppable)


def _no_such(library: str, arch: str, known: list[str]) -> UserError:
    near = nearest(arch, known)
    return UserError(
        f"{library} has no model {arch!r}", f"did you mean {near!r}?" if near else f"it has {len(known)} others", "repro list backbones"
    )


def _timm(arch: str, kwargs: dict[str, Any]) -> tuple[Backbone, tuple[str, ...]]:
    import timm

    if not timm.is_model(arch):
        raise _no_such("timm", arch, timm.list_models())
    net = timm.create_model(arch, pretrained=False, **{**kwargs, "num_classes": 0})
    config = timm.data.resolve_data_config({}, model=net)
    classifier = net.default_cfg.get("classifier") or ()
    prefixes = tuple(f"{name}." for name in ([classifier] if isinstance(classifier, str) else classifier))
    size = config["input_size"][1]
    resized = math.floor(size / config["crop_pct"])  # as timm.data.transforms_factory rounds it
    preprocess = Preprocess(size, tuple(config["mean"]), tuple(config["std"]), config["interpolation"], size / resized)
    # head_hidden_size differs from num_features where a convolutional head stands before the classifier
    return Backbone(net, getattr(net, "head_hidden_size", None) or net.num_features, preprocess), prefixes


def _torchvision(arch: str, kwargs: dict[str, Any]) -> tuple[Backbone, tuple[str, ...]]:
    from torchvision import models

    known = models.list_models(module=models)
    if arch not in known:
        raise _no_such("torchvision", arch, known)
    droppable: tuple[str, ...] = ()
    if arch in ("googlenet", "inception_v3"):  # their auxiliary classifiers would turn the output into a tuple in training mode
        kwargs, droppable = {"aux_logits": False, "init_weights": True, **kwargs}, ("aux1.", "aux2.", "AuxLogits.")
    net = models.get_model(arch, weights=None, **kwargs)
    layers = [(name, part) for name, part in net.named_modules() if isinstance(part, nn.Linear)]
    if not layers:
        raise UserError(
            f"the torchvision model {arch} has no linear classifier that could be replaced", "it ends otherwise", "repro list backbones"
        )
    name, classifier = layers[-1]
    net.set_submodule(name, nn.Identity())
    transform = models.get_model_weights(arch).DEFAULT.transforms()  # of the newest weights; a recipe may say otherwise
    size, interpolation = transform.crop_size[0], transform.interpolation.value
    preprocess = Preprocess(size, tuple(transform.mean), tuple(transform.std), interpolation, size / transform.resize_size[0])
    return Backbone(net, classifier.in_features, preprocess), (f"{name}.", *droppable)


def _open_clip(arch: str, kwargs: dict[str, Any]) -> tuple[Backbone, tuple[str, ...]]:
    import open_clip

    open_clip.add_model_config(Path(__file__).parent / "open_clip_configs")
    if open_clip.get_model_config(arch) is None:
        raise _no_such("open_clip", arch, open_clip.list_models())
    logging.getLogger().setLevel(max(logging.getLogger().level, logging.ERROR))  # it warns that the weights are random, which is meant
    net = open_clip.create_model(arch, force_custom_text=True, **kwargs)
    image = open_clip.get_model_preprocess_cfg(net)
    side = image["size"][0] if isinstance(image["size"], (tuple, list)) else image["size"]
    preprocess = Preprocess(side, tuple(image["mean"]), tuple(image["std"]), image.get("interpolation") or "bicubic", 1.0)
    dim = open_clip.get_model_config(arch)["embed_dim"]
    return Backbone(net.visual, dim, preprocess, net.text, open_clip.get_tokenizer(arch)), ()
