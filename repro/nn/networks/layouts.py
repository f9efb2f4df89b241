"""From the names of tensors in a checkpoint to those of the network; what kind of file it is, told by its names."""

from __future__ import annotations

import re
from collections import Counter

import torch

from repro import backbones
from repro.backbones import Layout
from repro.errors import UserError

State = dict[str, torch.Tensor]
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")  # before torchvision 0.3, as its files still are
_TEXT = ("text_projection", "positional_embedding", "token_embedding.", "transformer.", "ln_final.")  # at the top in CLIP's first layout


def without_parallel(state: State) -> State:
    """The names without the "module." that DistributedDataParallel puts before every one."""
    wrapped = bool(state) and all(key.startswith("module.") for key in state)
    return {key.removeprefix("module."): value for key, value in state.items()} if wrapped else state


def _matching(key: str, patterns: tuple[str, ...]) -> str | None:
    """The first pattern that covers a key: its beginning where the pattern ends in a dot, else all of it."""
    return next((pattern for pattern in patterns if key == pattern or (pattern.endswith(".") and key.startswith(pattern))), None)


def recognise(state: State) -> Layout | None:
    """The layout whose sign is among the names; None: the plain names of some library."""
    signed = [layout for layout in backbones.layouts().values() if any(_matching(key, layout.sign) for key in state)]
    # WILDS' SwAV has the heads of SwAV besides its own sign: the one that renames is meant
    return max(signed, key=lambda layout: len(layout.prefix), default=None)


def rename(state: State, layout: Layout, source: str) -> tuple[State, dict[str, int]]:
    """The network's part of a checkpoint under the network's names, and what was dropped: pattern → number of tensors.

    `UserError`: names that are neither.
    """
    dropped: Counter[str] = Counter()
    own: State = {}
    strange = []
    for key, value in state.items():
        if pattern := _matching(key, layout.drop):
            dropped[pattern] += 1
        elif key.startswith(layout.prefix):
            own[key.removeprefix(layout.prefix)] = value
        else:
            strange.append(key)
    if strange:
        raise UserError(
            f"{source} is not wholly {layout.caption}",
            f"{len(strange)} unexpected keys ({', '.join(sorted(strange)[:3])}{', …' if len(strange) > 3 else ''})",
            "name an intact file: --weights FILE",
        )
    return own, dict(dropped)


def library_names(state: State) -> State:
    """The names of today's libraries: torchvision's DenseNet as it is since 0.3, open_clip's text tower below "text."."""
    state = {_OLD_DENSENET.sub(r"\1\2.", key): value for key, value in state.items()}
    if any(key.startswith("visual.") for key in state):
        return {f"text.{key}" if key.startswith(_TEXT) else key: value for key, value in state.items()}
    return state
