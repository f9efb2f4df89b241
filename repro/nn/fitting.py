"""Out of memory: what can be halved without changing the mathematics is, and what cannot says what to change."""

from __future__ import annotations

import gc

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from repro.nn.allocator import gpu_room
from repro.nn.job import Job

SHORT = (  # how torch and the libraries below it say that there is no memory, where they do not raise OutOfMemoryError
    "DefaultCPUAllocator: can't allocate memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
)


class TooLarge(RuntimeError):
    """A batch does not fit into memory, and a part of it would be other mathematics."""


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: a GPU's, or the machine's as torch's CPU allocator says it."""
    said = str(error) if isinstance(error, RuntimeError) else ""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(words in said for words in SHORT)


def training_norms(model: nn.Module) -> list[_BatchNorm]:
    """The BatchNorm layers that train, whose statistics are of whole batches."""
    return [module for module in model.modules() if isinstance(module, _BatchNorm) and module.training]


def indivisible(model: nn.Module, job: Job, divisible: bool) -> str | None:
    """Why a batch may not be split into micro-batches; None where the gradient stays that of the whole batch.

    `divisible`: the method's loss is a mean over examples, as those are whose recipes have `accumulate`.
    """
    if not divisible:
        return f"the loss of {job.run.method} is of whole batches"
    return "the statistics of its BatchNorm are of whole batches" if training_norms(model) else None


def require_divisible(model: nn.Module, job: Job, divisible: bool, examples: int, parts: int) -> None:
    """`TooLarge` where a micro-batch of `examples`/`parts` is all that can be."""
    why = "one example alone does not fit" if parts >= examples else indivisible(model, job, divisible)
    if why:
        raise TooLarge(
            f"out of memory with {examples} examples in a step ({parts} micro-batches), and {why}; a smaller batch_size, a smaller image_size, "
            "precision=bf16 or batchnorm=eval needs less"
        )


def room_for(model: nn.Module) -> int:
    """How many more states of the model memory holds beside what else is in it: a quarter of a GPU's, at most 2 GiB of the machine's."""
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    room = gpu_room(device)[0] // 4 if device.type == "cuda" else 2 * 2**30
    return max(room // max(size, 1), 1)


def free() -> None:
    """Give back what the failed attempt held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
