"""Weights to and from disk without executing anything: safetensors, or torch files read with `weights_only`."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from repro.errors import UserError


def file_hash(path: Path) -> str:
    """sha256 in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_weights(path: Path, state: dict[str, torch.Tensor]) -> None:
    """Write a state dict as safetensors, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """A flat dict of tensors from a .safetensors file or a torch checkpoint; anything that would run code is refused by name."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is refused",
            f"it is damaged, or loading it would execute code: {_first_line(error)}",
            "convert it to safetensors where you trust it",
        ) from None
    except Exception as error:  # torch's restricted unpickler lets almost any kind escape where bytes are damaged
        raise UserError(
            f"cannot read the weights file {path}", _first_line(error), "name an intact .safetensors or torch file: --weights FILE"
        ) from None
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise UserError(
            f"{path} holds no state dict",
            "expected names mapped to tensors, plain or below 'state_dict' or 'model'",
            "name another file: --weights FILE",
        )
    return content


def match(module: torch.nn.Module, state: dict[str, torch.Tensor], source: str, droppable: tuple[str, ...] = ()) -> None:
    """Load `state` into `module` with every key accounted for: missing, unexpected or misshapen ones are listed and refused.

    Keys that start with an entry of `droppable` (a classifier that is replaced) may be present.
    """
    own = module.state_dict()
    given = {key: value for key, value in state.items() if not key.startswith(droppable)} if droppable else dict(state)
    counters = {key for key in own if key.endswith("num_batches_tracked")}
    missing = sorted(own.keys() - given.keys() - counters)
    unexpected = sorted(given.keys() - own.keys())
    shapes = sorted(
        f"{key} {tuple(given[key].shape)} for {tuple(own[key].shape)}"
        for key in own.keys() & given.keys()
        if own[key].shape != given[key].shape
    )
    if missing or unexpected or shapes:
        parts = [
            f"{len(keys)} {kind} ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})"
            for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
            if keys
        ]
        raise UserError(
            f"{source} does not fit the backbone",
            f"keys: {'; '.join(parts)}",
            "name the backbone that the file was made from: --backbone NAME --weights FILE",
        )
    module.load_state_dict({key: given.get(key, own[key]) for key in own})
