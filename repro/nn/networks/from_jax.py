"""Weights that Google published as archives of JAX, read by timm's own conversion."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from repro.errors import UserError, quoted

BROKEN = (KeyError, ValueError, RuntimeError, OSError, EOFError, zipfile.BadZipFile)  # what other content makes of numpy and of timm


def load(net: nn.Module, path: Path, name: str) -> dict[str, Any]:
    """Fill the network of backbone `name` from an npz archive; what was matched, JSON-ready.

    Every parameter must be filled. `UserError`: a network that timm does not read from such files, an archive of another network, a damaged one,
    and one with pickled objects, which are never loaded.
    """
    if not hasattr(net, "load_pretrained"):
        raise UserError(
            f"{path} does not fit {name}",
            "it is an archive of JAX, and only timm's networks of BiT and ViT are read from such",
            f"--backbone bit-resnet50 --weights {quoted(path)}, or another file",
        )
    own = dict(net.named_parameters())
    with torch.no_grad():
        for tensor in own.values():
            tensor.fill_(torch.nan)
        try:
            net.load_pretrained(str(path))
        except BROKEN as error:
            raise _unfit(path, name, str(error).splitlines()[0]) from None
    if left := [key for key, tensor in own.items() if tensor.isnan().any()]:
        raise _unfit(path, name, f"{len(left)} missing ({', '.join(left[:3])}{', …' if len(left) > 3 else ''})")
    return {"file": path.name, "layout": "jax", "matched": len(own), "dropped": {}, "absent": 0}


def _unfit(path: Path, name: str, why: str) -> UserError:
    return UserError(f"{path} does not fit {name}", why, "name the backbone that the file was made from: --backbone NAME --weights FILE")
