"""Weights to and from disk without executing anything: safetensors, torch files read with `weights_only`, TorchScript archives."""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from repro.errors import UserError
from repro.nn.networks import torchscript

WRAPPERS = ("state_dict", "model_state_dict", "model")
_SCALAR = np.float64(0).__reduce__()[0]
# What training scripts leave in a checkpoint beside tensors and cannot do anything: a learning rate computed with numpy (whose module
# was renamed with numpy 2), the arguments of the command line.
INERT = [
    argparse.Namespace,
    np.dtype,
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(type(np.dtype(kind)) for kind in ("bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64")),
]


class Matched(NamedTuple):
    """How a state dict went into a module: `matched` tensors; `dropped`, of each prefix that may be; `absent` step counters."""

    matched: int
    dropped: dict[str, int]
    absent: int


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
    line = next(iter(str(error).splitlines()), "")
    return line if " " in line else "it is no file that torch or safetensors wrote"  # a KeyError of an opcode says nothing


def _asked_for(error: pickle.UnpicklingError) -> str:
    """What was refused, out of the page that torch writes about it."""
    named = re.search(r"GLOBAL (\S+) was not an allowed|GLOBAL (\S+) whose module", str(error))
    told = re.search(r"WeightsUnpickler error:\s*(.+)", str(error))
    return f"it asks for {named[1] or named[2]}" if named else told[1] if told else _first_line(error)


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """A flat dict of tensors from a .safetensors file or a torch checkpoint; anything that would run code is refused by name."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if torchscript.is_archive(path):
            return torchscript.read(path)
        with torch.serialization.safe_globals(INERT):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is refused",
            f"it is damaged, or loading it would execute code: {_asked_for(error)}",
            "convert it to safetensors where you trust it",
        ) from None
    except Exception as error:  # torch's restricted unpickler lets almost any kind escape where bytes are damaged
        raise UserError(
            f"cannot read the weights file {path}", _first_line(error), "name an intact .safetensors or torch file: --weights FILE"
        ) from None
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise UserError(
            f"{path} holds no state dict",
            f"expected names mapped to tensors, plain or below {' or '.join(map(repr, WRAPPERS))}",
            "name another file: --weights FILE",
        )
    return content


def match(module: torch.nn.Module, state: dict[str, torch.Tensor], source: str, droppable: tuple[str, ...] = ()) -> Matched:
    """Load `state` into `module` with every key accounted for: missing, unexpected or misshapen ones are listed and refused.

    Keys that start with an entry of `droppable` (a classifier that is replaced) may be present, and BatchNorm's counters of steps,
    which the network does not use, may be absent.
    """
    own = module.state_dict()
    given = {key: value for key, value in state.items() if not key.startswith(droppable)} if droppable else dict(state)
    dropped = {prefix: sum(key.startswith(prefix) for key in state) for prefix in droppable}
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
    return Matched(len(given), {prefix: count for prefix, count in dropped.items() if count}, len(own) - len(given))
