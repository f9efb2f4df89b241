"""What a step does that could not be taken: memory ran out, or an operation has no deterministic form. It is taken again, from the same state."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import nn

from repro.nn import fitting
from repro.nn.inputs.images import Images
from repro.nn.inputs.joined import Joined
from repro.nn.job import Job

T = TypeVar("T")
NOT_DETERMINISTIC, NO_MEMORY = 1, 2  # why, the graver the larger


class OutOfStep(RuntimeError):
    """Memory ran out for one of several processes while others wait for it in the middle of the same step."""


class Attempts:
    """The attempts at each step of a run. `divisible`: its loss is one of examples, so that a batch may be taken in parts; `coupled`: processes
    tell each other rows in the middle of a step. `images`: all that may lie on the device.
    """

    def __init__(self, job: Job, model: nn.Module, divisible: bool, coupled: bool, images: Sequence[Images | Joined]):
        self.job, self.model, self.divisible, self.coupled, self.images = job, model, divisible, coupled, images
        self.strict = job.device.type == "cuda"

    @property
    def normed(self) -> bool:
        """Whether there are BatchNorm layers that train."""
        return bool(fitting.training_norms(self.model))

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """An attempt, with deterministic algorithms alone as long as all operations have them; what it did to BatchNorm's statistics is undone
        where it fails."""
        moving = [buffer for norm in fitting.training_norms(self.model) for buffer in norm.buffers()]
        before = [buffer.clone() for buffer in moving]
        lenient = torch.is_deterministic_algorithms_warn_only_enabled()
        if self.strict:  # where they may be otherwise, attention's backward pass is, although it need not be
            torch.use_deterministic_algorithms(True, warn_only=False)
        try:
            yield
        except BaseException:
            for buffer, value in zip(moving, before, strict=True):
                buffer.copy_(value)
            raise
        finally:
            if self.strict:
                torch.use_deterministic_algorithms(True, warn_only=lenient)

    def with_room(self, make: Callable[[], T]) -> T:
        """What `make` returns; where memory does not take it beside the images, these leave the device first."""
        try:
            return make()
        except (RuntimeError, MemoryError) as error:
            if not fitting.out_of_memory(error) or not any([images.leave_device() for images in self.images]):
                raise
        self.job.extras["images_left_the_device"] = 0
        fitting.free()
        return make()

    def why(self, error: BaseException) -> int:
        """Why the step may be taken again after `error`, which is raised anew where it may not."""
        if fitting.out_of_memory(error):
            return NO_MEMORY
        if self.strict and "does not have a deterministic implementation" in str(error):
            self.job.extras["not_deterministic"] = str(error).split(". ")[0]
            return NOT_DETERMINISTIC
        raise error

    def again(self, why: int, number: int, examples: int, parts: int) -> None:
        """Make step `number`, of `examples` in so many `parts`, one that may succeed: all processes alike."""
        if why == NOT_DETERMINISTIC:
            self.strict = False
            return
        fitting.free()
        together = self.job.together
        if together.size > 1 and self.job.device.type == "cuda" and (self.coupled or self.normed):
            raise OutOfStep(
                f"out of memory with {examples} examples in a step of {together.size} processes, which wait for each other in the middle "
                "of it; a smaller batch_size, a smaller image_size, or precision=bf16 needs less"
            )
        if together.most(any([images.leave_device() for images in self.images])):
            self.job.extras["images_left_the_device"] = number
        else:
            fitting.require_divisible(self.model, self.job, self.divisible, examples, parts)
            found = self.job.extras.setdefault("micro_batches", {"from_step": number})
            found["parts"] = min(2 * parts, examples)
        fitting.free()
