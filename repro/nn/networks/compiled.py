"""torch.compile for the image tower, where the user wants it: REPRO_COMPILE=1. What cannot be compiled runs as it is, and the record says why.

Fused kernels round otherwise than separate ones, so that results differ in their last digits; compiling takes a minute or more and pays in
runs of many steps.
"""

from __future__ import annotations

import os

import torch
from torch import nn

BACKEND = "inductor"


def wanted() -> bool:
    return os.environ.get("REPRO_COMPILE", "") not in ("", "0")


def install(model: nn.Module, images: torch.Tensor | list[torch.Tensor]) -> str:
    """Compile the model's image tower, tried on a batch of `images`: what the record says of it."""
    tower = getattr(getattr(model, "backbone", model), "visual", None)
    if tower is None or isinstance(images, list):
        return "no: there is no tower that sees one view of an image"
    return compile_tower(tower.train(), images)


def compile_tower(tower: nn.Module, example: torch.Tensor) -> str:
    """Compile `tower` in place and try it forward and backward on `example` (B, …); `yes`, or why it stays as it was."""
    tower.compile(backend=BACKEND)
    kept = {name: buffer.clone() for name, buffer in tower.named_buffers()}
    parameters = [parameter for parameter in tower.parameters() if parameter.requires_grad]
    try:
        with torch.random.fork_rng(devices=[example.device] if example.is_cuda else []):
            outputs = tower(example)
            if parameters:
                torch.autograd.grad(outputs.float().sum(), parameters, allow_unused=True)
    except Exception as error:  # of the compiler, its toolchain or the network's code: there are many kinds
        tower._compiled_call_impl = None
        torch._dynamo.reset()
        return f"no: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    finally:
        with torch.no_grad():
            for name, buffer in tower.named_buffers():
                buffer.copy_(kept[name])
    return "yes"
