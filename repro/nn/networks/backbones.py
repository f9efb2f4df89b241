"""Networks by name: a tower with its preprocessing, and where there is one, the text tower that it was trained with."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from repro import backbones
from repro.errors import UserError, nearest, quoted
from repro.nn.inputs.curves import Scaling
from repro.nn.inputs.images import Preprocess
from repro.nn.networks import from_jax, layouts, openai, torchscript
from repro.nn.networks.weights import load_weights, match
from repro.types import BackboneRef

INFORMERS: dict[str, dict[str, Any]] = {  # as configs/config.yml and pretrain.py:94-113 of helenqu/connect-later@6a12eab; for a CPU
    "base": {"padding": "attended"},
    "small": {
        "layers": 2,
        "heads": 2,
        "width": 64,
        "feedforward": 128,
        "dropout": 0.1,
        "inner_dropout": 0.0,  # drawing one number per pair of observations would take longer than the rest
        "layer_dropout": 0.0,
        "fourier": 64,
    },
}


class Backbone(nn.Module):
    """`visual` maps images (B, 3, S, S), or light curves (B, L, CHANNELS), to features (B, dim); `text` maps tokens (B, T) to the same space, or is None.

    `logit_scale` is the logarithm of the temperature's inverse, as CLIP stores it.
    """

    def __init__(
        self,
        visual: nn.Module,
        dim: int,
        preprocess: Preprocess | Scaling,
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


def entry_of(reference: BackboneRef) -> backbones.Entry:
    """The entry that a reference names, with the reference's keyword arguments."""
    named = backbones.named().get(reference.name)
    if named:
        return named._replace(kwargs={**named.kwargs, **reference.kwargs})
    library, arch = reference.name.split(":", 1)
    return backbones.Entry(reference.name, library, arch, "", library == "open_clip", reference.kwargs)


def build(reference: BackboneRef) -> tuple[Backbone, tuple[str, ...]]:
    """The network with random weights, and the prefixes of keys (its classifier) that a weights file may hold besides."""
    entry = entry_of(reference)
    makers = {"timm": _timm, "torchvision": _torchvision, "open_clip": _open_clip, "informer": _informer}
    try:
        net, droppable = makers[entry.library](entry.arch, entry.kwargs)
    except TypeError as error:
        raise UserError(f"{reference.name} does not take these arguments: {entry.kwargs}", str(error), "repro list backbones") from None
    if entry.preprocess:
        images = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.preprocess.items()}
        net.preprocess = Preprocess(**images)
    if entry.layout and not backbones.layouts()[entry.layout].classifier:
        droppable = ()
    return net, droppable


def load(net: Backbone, droppable: tuple[str, ...], path: Path, reference: BackboneRef) -> dict[str, Any]:
    """Fill a backbone from a weights file: of its own library's names, or of the original format that the named backbone comes in.

    Every key is accounted for; what was matched and what dropped is returned, JSON-ready. `UserError`: keys that do not fit, a file of
    another kind, or CLIP weights of OpenAI for a network without QuickGELU.
    """
    if path.suffix == ".npz":
        return from_jax.load(net.visual, path, reference.name)
    entry, state = entry_of(reference), layouts.without_parallel(load_weights(path))
    found = layouts.recognise(state)
    if torchscript.is_archive(path):
        found = backbones.layouts()["openai"]
    if found is None:
        found = backbones.Layout(entry.library, f"a state dict of {entry.library}")
    elif found.name == "openai":
        openai.require_fit(net, entry, state, path)
    elif found.name != entry.layout:
        owners = backbones.with_layout(found.name)
        raise UserError(
            f"{path} does not fit {reference.name}",
            f"it is {found.caption}, the format of {' and '.join(owners)}",
            " or ".join(f"--backbone {owner} --weights {quoted(path)}" for owner in owners),
        )
    state, dropped = layouts.rename(state, found, str(path))
    state = layouts.library_names(state)
    whole = net.text is not None or any(key.startswith("visual.") for key in state)
    matched = match(net if whole else net.visual, state, str(path), droppable)
    return {"file": path.name, "layout": found.name, **matched._asdict(), "dropped": dropped | matched.dropped}


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
    return Backbone(net.visual, dim, preprocess, net.text, _tokenizer(arch)), ()


@cache
def _tokenizer(arch: str) -> Callable[..., torch.Tensor]:
    """Of a text tower: most of what a small network takes to be made is its list of word parts."""
    import open_clip

    return open_clip.get_tokenizer(arch)


def _informer(arch: str, kwargs: dict[str, Any]) -> tuple[Backbone, tuple[str, ...]]:
    from repro.nn.networks.informer import Informer

    if arch not in INFORMERS:
        raise _no_such("informer", arch, list(INFORMERS))
    settings = INFORMERS[arch] | kwargs
    scaling = Scaling(**{name: settings.pop(name) for name in Scaling._fields if name in settings})
    net = Informer(**settings)
    return Backbone(net, net.embed.out_features, scaling), ()
