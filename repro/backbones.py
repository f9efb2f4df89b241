"""Backbones by name, without importing torch: which library builds each, with which arguments."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from repro.errors import UserError, unknown
from repro.record import digest

FAMILIES = {
    "timm": "any image model of timm, with its keyword arguments: timm:mobilenetv2_100,pad_type=same",
    "torchvision": "any classification model of torchvision: torchvision:resnet50",
    "open_clip": "any image–text model of open_clip: open_clip:ViT-B-16-quickgelu",
    "informer": "a transformer of light curves, base or small, with its sizes: informer:small,layers=4,width=96",
}


class Entry(NamedTuple):
    """`library` builds `arch` with `kwargs`; `text` says whether there is a text tower, `dim` is the length of a feature.

    `weights` is "manifest:file": the pretrained weights where the user names none; `layout` names their format, `preprocess` the
    images they were trained on, as `repro.nn.inputs.images.Preprocess` spells it, where that is not what the library says of `arch`.
    `gflops` (10⁹) is the arithmetic of one image of `side` pixels through the image tower, forward, a multiply-add being two; costs in
    plans follow from it, from `millions` of parameters (the image tower's, all) and from `activations`, 10⁶ bytes that training keeps of such an image in
    single precision; nothing else does. None: not known.
    """

    name: str
    library: str
    arch: str
    caption: str
    text: bool
    kwargs: dict[str, Any] = {}
    weights: str | None = None
    layout: str | None = None
    dim: int | None = None
    side: int | None = None
    gflops: float | None = None
    millions: tuple[float, float] | None = None
    activations: float | None = None
    preprocess: dict[str, Any] = {}

    @property
    def kind(self) -> str:
        """What it takes: `images` or `light-curves`, as benchmarks say it."""
        return "light-curves" if self.library == "informer" else "images"


class Layout(NamedTuple):
    """How a checkpoint format names its tensors; layouts.toml says what each field means."""

    name: str
    caption: str
    sign: tuple[str, ...] = ()
    prefix: str = ""
    drop: tuple[str, ...] = ()
    classifier: bool = False


def _facts(file: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / file).read_text(encoding="utf-8"))


@cache
def named() -> dict[str, Entry]:
    """The entries of backbones.toml."""
    return {name: Entry(name=name, **fields) for name, fields in _facts("backbones.toml").items()}


@cache
def layouts() -> dict[str, Layout]:
    """The entries of layouts.toml."""
    lists = {
        name: {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
        for name, fields in _facts("layouts.toml").items()
    }
    return {name: Layout(name=name, **fields) for name, fields in lists.items()}


def with_layout(layout: str) -> list[str]:
    """The named backbones whose weights come in that layout."""
    return [entry.name for entry in named().values() if entry.layout == layout]


def definition(entry: Entry) -> str | None:
    """Hash of what our own files say of a named backbone's network, images and names of tensors; None for a library's own."""
    if entry.name not in named():
        return None
    config = Path(__file__).parent / "nn" / "networks" / "open_clip_configs" / f"{entry.arch}.json"
    content = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else None
    parts: list[Any] = [entry.library, entry.arch, entry.kwargs, content]
    if entry.layout:
        layout = layouts()[entry.layout]._asdict()
        parts += [{name: value for name, value in layout.items() if name != "caption"}, entry.preprocess]
    return digest(parts)[:16]


def _value(text: str) -> Any:
    """A keyword argument as TOML would read it; a bare word is a string."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def find(spelling: str) -> Entry:
    """The backbone that `--backbone` names: an entry of backbones.toml, or FAMILY:ARCH[,key=value…]."""
    if spelling in named():
        return named()[spelling]
    family, colon, rest = spelling.partition(":")
    if not colon or family not in FAMILIES or not rest:
        raise unknown("backbone", spelling, [*named(), *(f"{family}:NAME" for family in FAMILIES)], "repro list backbones")
    arch, *pairs = rest.split(",")
    kwargs = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip().isidentifier():
            raise UserError(
                f"--backbone {spelling}: {pair!r} is not key=value",
                "after the name come keyword arguments",
                f"for example --backbone {family}:{arch},key=value",
            )
        kwargs[key.strip()] = _value(value.strip())
    return Entry(name=f"{family}:{arch}", library=family, arch=arch, caption=FAMILIES[family], text=family == "open_clip", kwargs=kwargs)
