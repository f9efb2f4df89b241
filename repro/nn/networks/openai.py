"""Which network an original CLIP file of OpenAI belongs to; its weights mean nothing without QuickGELU, and nothing in it would say so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from repro import backbones
from repro.errors import UserError, quoted

if TYPE_CHECKING:
    from repro.nn.networks.backbones import Backbone


def architecture(state: dict[str, torch.Tensor]) -> backbones.Entry | None:
    """The named backbone of OpenAI's that has the sizes of a state dict in its layout; None where it is none of them."""
    import open_clip

    tower = "visual." if "visual.proj" in state else "visual.attnpool."
    wanted = ("visual.conv1.weight", f"{tower}positional_embedding", "text_projection")
    if not all(name in state for name in wanted):
        return None
    first, positions, projection = (tuple(state[name].shape) for name in wanted)
    for entry in map(backbones.find, backbones.with_layout("openai")):
        config = open_clip.get_model_config(entry.arch)
        vision, patch = config["vision_cfg"], config["vision_cfg"]["patch_size"]
        grid = vision["image_size"] // (patch or 32)  # the residual network halves five times
        kernel = (vision["width"], 3, patch, patch) if patch else (vision["width"] // 2, 3, 3, 3)
        if first == kernel and positions[0] == grid**2 + 1 and projection[1] == config["embed_dim"]:
            return entry
    return None


def require_fit(net: Backbone, entry: backbones.Entry, state: dict[str, torch.Tensor], path: Path) -> None:
    """Refuse a file of OpenAI's for another architecture or activation, by the right name, and one that contradicts itself."""
    from open_clip.transformer import QuickGELU

    right = architecture(state)
    quick = net.text is not None and any(isinstance(part, QuickGELU) for part in net.text.modules())
    plain = entry.arch.removesuffix("-quickgelu")
    if not quick or (right and right.arch.removesuffix("-quickgelu") != plain):
        name = right.name if right else f"open_clip:{plain}-quickgelu" if entry.library == "open_clip" else "open_clip:NAME-quickgelu"
        is_other = "the network has no QuickGELU" if net.text is not None and not quick else "the network is another"
        raise UserError(
            f"{path} does not fit {entry.name}",
            f"it is {backbones.layouts()['openai'].caption}, and {is_other}",
            f"--backbone {name} --weights {quoted(path)}",
        )
    _require_consistent(right, state, path)


def _require_consistent(entry: backbones.Entry | None, state: dict[str, torch.Tensor], path: Path) -> None:
    """The three numbers that lie among the tensors must be those of the tensors' sizes."""
    import open_clip

    numbers = {
        name: state[sized].shape[0]
        for name, sized in (("context_length", "positional_embedding"), ("vocab_size", "token_embedding.weight"))
        if sized in state
    }
    if entry:
        numbers["input_resolution"] = open_clip.get_model_config(entry.arch)["vision_cfg"]["image_size"]
    for name, number in numbers.items():
        if name in state and (state[name].numel() != 1 or state[name].item() != number):
            raise UserError(
                f"{path} contradicts itself",
                f"{name} is {state[name].tolist()}, and by the sizes of its tensors {number}",
                "fetch it again: repro data fetch clip",
            )
